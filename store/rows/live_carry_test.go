package rows_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// history is a file of many segments, and states that name some of them.
type history struct {
	t       *testing.T
	random  *rand.Rand
	at      filelog.Place
	file    filelog.File
	pool    *state.Snapshot // which names all
	files   int             // that it was compacted into
	options state.BackingOptions

	all     [][]uint64         // the ids of each segment of the pool
	ids     map[int64][]uint64 // the same, by the segment's offset
	next    int                // of the pool, that no state has named yet
	named   []segments.DirectoryEntry
	dropped []segments.DirectoryEntry // by somebody who does not know what he does
	alone   int                       // one step of so many is somebody else's
	deleted *idset.Set
	damaged []segments.DirectoryEntry
	known   int  // of those damaged, about which somebody has found out
	untold  bool // nobody finds out
}

// historyIDs are the ids of one segment: of a stream that counts, of one that almost does,
// of replacements, of hashes, or none.
func historyIDs(random *rand.Rand, first uint64) []uint64 {
	ids := make([]uint64, 1+random.IntN(60))
	for i := range ids {
		ids[i] = first + uint64(i)
	}
	switch random.IntN(6) {
	case 0:
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	case 1:
		ids[random.IntN(len(ids))] = random.Uint64N(first + 1000)
	case 2:
		for i := range ids {
			ids[i] = random.Uint64N(first + 1)
		}
	case 3:
		for i := range ids {
			ids[i] = (first + uint64(i)) * 0x9e3779b97f4a7c15
		}
	case 4:
		ids = ids[:random.IntN(min(4, len(ids)))]
	}
	return ids
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), at: filelog.Place{Files: volumes.New(), Name: "a.rvf"},
		ids: map[int64][]uint64{}, deleted: idset.New(),
	}
	h.alone = 1 + h.random.IntN(8)
	h.options = state.BackingOptions{Memory: memory.NewBudget(1 << 20)}
	if h.random.IntN(3) == 0 {
		h.options.Checker = state.NewChecker(state.VerifyBackground)
		t.Cleanup(h.options.Checker.Close)
	}
	h.write()
	return h
}

// poolSize is the number of segments of a pool; each third one is those before as one.
const poolSize = 60

// write makes a file of segments that no state names yet; those of first come first.
func (h *history) write(first ...[]uint64) {
	h.all, h.ids, h.named, h.dropped, h.next = first, map[int64][]uint64{}, nil, nil, 0
	var payloads [][]byte
	for i := range poolSize {
		if i >= len(first) {
			ids := historyIDs(h.random, uint64(40*i))
			if i%3 == 2 { // the two before as one
				ids = slices.Concat(h.all[i-2], h.all[i-1])
				if h.random.IntN(4) == 0 {
					ids = ids[len(ids)/8:] // and not all of them
				}
			}
			h.all = append(h.all, ids)
		}
		ids := h.all[i]
		payload := rowstest.Vectors(2, ids, make([]float32, 2*len(ids)))
		if i >= len(first) && len(ids) > 0 && h.random.IntN(30) == 0 {
			payload[2]++ // more rows than there are: nobody sees any
			h.all[i] = nil
		}
		payloads = append(payloads, payload)
	}
	h.pool, h.file = rowstest.SnapshotAt(h.t, h.at, h.options, segments.DialectRuntime, segments.Manifest{Dimension: 2}, payloads...)
	h.damaged, h.known = nil, 0
	for i, entry := range h.pool.Vectors() {
		h.ids[entry.Offset] = h.all[i]
		if h.options.Checker != nil && len(h.all[i]) > 0 && i >= len(first) && h.random.IntN(40) == 0 {
			// Something else than was written: its last component.
			if _, err := h.file.WriteAt([]byte{1}, entry.Offset+segments.HeaderSize+int64(entry.PayloadLength)-1); err != nil {
				h.t.Fatal(err)
			}
			h.damaged = append(h.damaged, entry)
		}
	}
}

// compact goes on with another file, which holds the rows that live in its first segments.
// What says where they are may be the same as in the file before.
func (h *history) compact() {
	stored, _ := h.stored()
	slices.Reverse(stored)
	seen, live := idset.New(), []uint64(nil)
	for _, id := range stored {
		if seen.Insert(id) && !h.deleted.Contains(id) {
			live = append(live, id)
		}
	}
	slices.Reverse(live)
	h.files++
	h.at = filelog.Place{Files: volumes.New(), Name: fmt.Sprintf("a%d.rvf", h.files)}
	if h.random.IntN(2) == 0 {
		slices.Sort(live)
	}
	cut := h.random.IntN(len(live) + 1)
	if first := len(h.ids[0]); first <= len(live) && h.random.IntN(2) == 0 {
		cut = first // the first segment is as long as that of the file before
	}
	h.write(live[:cut:cut], live[cut:], live)
	h.named, h.next, h.deleted = slices.Clone(h.pool.Vectors()[:2]), 3, idset.New()
	if h.random.IntN(2) == 0 {
		h.named = slices.Clone(h.pool.Vectors()[2:3])
	}
}

// stored are all ids in the segments named, and whether each is of one row.
func (h *history) stored() (ids []uint64, distinct bool) {
	for _, entry := range h.named {
		ids = append(ids, h.ids[entry.Offset]...)
	}
	return ids, idset.Of(ids).Len() == uint64(len(ids))
}

// step makes the next state, as the engine does or as somebody else might.
func (h *history) step() {
	all := h.pool.Vectors()
	if h.random.IntN(25) == 0 {
		h.compact()
		return
	}
	foreign := h.random.IntN(h.alone) == 0
	if !h.untold && h.known < len(h.damaged) && h.random.IntN(20) == 0 {
		h.tell(h.pool, h.damaged[h.known])
		h.known++
	}
	switch action := h.random.IntN(10); {
	case action < 5 && h.next < len(all):
		added := all[h.next]
		h.named = append(h.named, added)
		if h.next++; h.next%3 == 2 {
			h.next++ // merges name that
		}
		if !foreign {
			h.deleted.Remove(idset.Of(h.ids[added.Offset]))
		}
	case action < 6:
		for i, entry := range all {
			at := slices.Index(h.named, entry)
			if i%3 == 0 && at >= 0 && at+1 < len(h.named) && h.named[at+1] == all[i+1] && h.random.IntN(2) == 0 {
				h.named = slices.Replace(h.named, at, at+2, all[i+2])
				break
			}
		}
	case action < 9:
		stored, _ := h.stored()
		for range 1 + h.random.IntN(6) {
			switch {
			case foreign:
				h.deleted.Insert(h.random.Uint64N(2600))
			case len(stored) > 0:
				h.deleted.Insert(stored[h.random.IntN(len(stored))])
			}
		}
	case !foreign:
	case len(h.dropped) > 0 && h.random.IntN(2) == 0:
		h.named = slices.Insert(h.named, h.random.IntN(len(h.named)+1), h.dropped...)
		h.dropped = nil
	case len(h.named) > 0 && h.random.IntN(2) == 0:
		at := h.random.IntN(len(h.named))
		h.dropped = slices.Clone(h.named[at : at+1])
		h.named = slices.Delete(h.named, at, at+1)
	default:
		for _, id := range h.deleted.Ascending() {
			if h.random.IntN(4) == 0 {
				h.deleted.Remove(idset.Of([]uint64{id}))
			}
		}
	}
}

// tell lets those who read the file know of damage.
func (h *history) tell(snapshot *state.Snapshot, entry segments.DirectoryEntry) {
	if err := snapshot.Demand(h.t.Context(), entry); !errors.Is(err, volume.ErrCorrupt) {
		h.t.Fatalf("the damage at offset %d: %v", entry.Offset, err)
	}
}

// manifest is what the state says.
func (h *history) manifest() segments.Manifest {
	stored, _ := h.stored()
	return segments.Manifest{
		Dimension: 2, TotalVectors: idset.Of(stored).Len(), Deleted: h.deleted.Ascending(), Directory: slices.Clone(h.named),
	}
}

// snapshot is a state of the file of which others are known, anew one of which nothing is.
func (h *history) snapshot(manifest segments.Manifest) *state.Snapshot {
	return state.NewSnapshot(h.pool.Backing(), &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, End: h.pool.Size()}, time.Now())
}

func (h *history) anew(manifest segments.Manifest) *state.Snapshot {
	info, err := h.file.Describe()
	if err != nil {
		h.t.Fatal(err)
	}
	backing := state.NewBacking(filelog.NewGeneration(h.at, h.file, info), func() string { return h.at.Name }, h.options)
	snapshot := state.NewSnapshot(backing, &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, End: h.pool.Size()}, time.Now())
	for _, entry := range h.damaged[:h.known] {
		if slices.Contains(manifest.Directory, entry) {
			h.tell(snapshot, entry)
		}
	}
	return snapshot
}

// live finds the live rows and describes them.
func (h *history) live(snapshot *state.Snapshot) (*rows.Live, string) {
	live, done, err := rows.Hold(h.t.Context(), rows.Of(snapshot))
	if err != nil {
		return nil, err.Error()
	}
	defer done()
	return live, live.Describe()
}

// earlierState is a state that there was.
type earlierState struct {
	in       history // as it was then
	manifest segments.Manifest
}

// TestLiveRowsAreCarriedOn through random histories of a file, whoever writes them: in each
// state the same rows live as where nothing is known of an earlier one.
func TestLiveRowsAreCarriedOn(t *testing.T) {
	t.Parallel()
	histories := uint64(100)
	if testing.Short() {
		histories = 20
	}
	states, carried := 0, 0
	for seed := range histories {
		h := newHistory(t, seed)
		counts := h.random.IntN(3) > 0 // whether somebody counts the ids
		var before *rows.Live
		var earlier []earlierState
		for step := range 60 {
			h.step()
			manifest := h.manifest()
			earlier = append(earlier, earlierState{*h, manifest})
			again := h.random.IntN(15) == 0
			h := h
			if again {
				of := &earlier[h.random.IntN(len(earlier))]
				if manifest = of.manifest; of.in.files != h.files {
					h = &of.in // who has the former file open looks at it still
				}
			}
			snapshot := h.snapshot(manifest)
			if counts && !again {
				snapshot.CountedIDs(manifest.TotalVectors)
			}
			if h.random.IntN(3) == 0 {
				continue // nobody looks
			}
			live, got := h.live(snapshot)
			if _, want := h.live(h.anew(manifest)); got != want {
				t.Fatalf("history %d, step %d:\n%s\nand anew:\n%s\ndeleted: %v", seed, step, got, want, manifest.Deleted)
			}
			if live == nil {
				continue
			}
			if _, distinct := h.stored(); live.Trusted() && !distinct && !again {
				t.Fatalf("history %d, step %d: no id is believed to occur twice", seed, step)
			}
			states++
			if before != nil && live.FollowsFrom(before) {
				carried++
			}
			before = live
			if h.random.IntN(4) == 0 { // there is no memory for what was found
				charge := h.pool.Backing().Memory().Charge()
				charge.Force(1 << 20)
				charge.Free()
				if _, got := h.live(snapshot); got != live.Describe() {
					t.Fatalf("history %d, step %d, found again:\n%s\nbefore:\n%s", seed, step, got, live.Describe())
				}
			}
		}
	}
	t.Logf("%d of %d states were carried on", carried, states)
	if carried < states/3 {
		t.Errorf("%d of %d states were carried on", carried, states)
	}
}

// TestLiveRowsAreCarriedOnTogether by some who look at different states at the same time.
func TestLiveRowsAreCarriedOnTogether(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		h := newHistory(t, seed)
		h.untold = true // what becomes known changes what is shown of states before
		var snapshots []*state.Snapshot
		var want []string
		for range 40 {
			h.step()
			manifest := h.manifest()
			_, text := h.live(h.anew(manifest))
			snapshots, want = append(snapshots, h.snapshot(manifest)), append(want, text)
		}
		var looking sync.WaitGroup
		for first := range 4 {
			looking.Go(func() {
				for i := first; i < len(snapshots); i += 1 + first%2 {
					if _, got := h.live(snapshots[i]); got != want[i] {
						t.Errorf("history %d, state %d:\n%s\nand anew:\n%s", seed, i, got, want[i])
					}
				}
			})
		}
		looking.Wait()
	}
}

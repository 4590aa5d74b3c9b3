package integration

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
	"rvffs/test/integration/peer"
)

// hand is how we read and write the stores of a folder.
type hand interface {
	ingest(name string, ids []uint64, rows []float32) error
	delete(name string, ids []uint64) error
	compact(name string) error
	shows(name string) (map[uint64]float32, error) // the second component of each vector
}

// engineHand is our engine, which finds the other store of the folder.
type engineHand struct {
	t   *testing.T
	dir string
}

// use opens a store.
func (h engineHand) use(name string, use func(context.Context, *store.Store) error) error {
	shelf, err := directory.OpenShelf(h.dir)
	if err != nil {
		return err
	}
	options := store.Options{Shelf: shelf, TurnWait: patience}
	with := func(name string) func(context.Context, func(*store.Store) error) error {
		return func(ctx context.Context, use func(*store.Store) error) error {
			s, err := store.OpenReadOnly(ctx, name, options)
			if err != nil {
				return err
			}
			return errors.Join(use(s), s.Close())
		}
	}
	options.Parents = func(context.Context, lineage.Identity, string) iter.Seq2[store.BranchParent, error] {
		return func(yield func(store.BranchParent, error) bool) {
			yield(store.BranchParent{Name: "parent.rvf", Use: with("parent.rvf")}, nil)
		}
	}
	options.Branches = func(_ context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
		s, err := store.OpenReadOnly(context.Background(), "branch.rvf", store.Options{Shelf: shelf})
		if err != nil {
			return found, nil
		}
		if s.ParentID() == of.Parent {
			found.Files = []store.BranchFile{{FileID: s.FileID(), Name: "branch.rvf", Use: with("branch.rvf")}}
		}
		return found, s.Close()
	}
	s, err := store.Open(h.t.Context(), name, options)
	if err == nil {
		err = errors.Join(use(h.t.Context(), s), s.Close())
	}
	return errors.Join(err, shelf.Close())
}

func (h engineHand) ingest(name string, ids []uint64, rows []float32) error {
	return h.use(name, func(ctx context.Context, s *store.Store) error { _, err := s.Ingest(ctx, ids, rows); return err })
}

func (h engineHand) delete(name string, ids []uint64) error {
	return h.use(name, func(ctx context.Context, s *store.Store) error {
		result, err := s.Delete(ctx, ids)
		if err == nil && result.Deleted != uint64(len(ids)) {
			err = fmt.Errorf("%+v of %d", result, len(ids))
		}
		return err
	})
}

func (h engineHand) compact(name string) error {
	return h.use(name, func(ctx context.Context, s *store.Store) error { _, err := s.Compact(ctx); return err })
}

func (h engineHand) shows(name string) (map[uint64]float32, error) {
	found := map[uint64]float32{}
	err := h.use(name, func(ctx context.Context, s *store.Store) error {
		return state.OnNewest(ctx, s.Snapshot, func(newest *state.Snapshot) error {
			of, err := s.Sources(ctx, newest)
			if err != nil {
				return err
			}
			return rowstest.Visit(ctx, of, func(ids []uint64, rows []byte) error {
				for i, id := range ids {
					found[id] = math.Float32frombits(binary.LittleEndian.Uint32(rows[8*i+4:]))
				}
				return nil
			})
		})
	})
	return found, err
}

// mountHand is a mount that lives all the time, and at times the command beside it.
type mountHand struct {
	*mount
	t      *testing.T
	random *rand.Rand
}

// at is a file in the folder of a store.
func (h mountHand) at(name string, file ...string) string {
	if name == "branch.rvf" {
		name = filepath.Join("parent.rvf", name)
	}
	return h.path(append([]string{name}, file...)...)
}

func (h mountHand) ingest(name string, ids []uint64, rows []float32) error {
	var text strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&text, "{\"id\":%d,\"vector\":[%v,%v]}\n", id, rows[2*i], rows[2*i+1])
	}
	return os.WriteFile(h.at(name, "vectors.append.jsonl"), []byte(text.String()), 0o644)
}

func (h mountHand) delete(name string, ids []uint64) error {
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintln(&text, id)
	}
	return os.WriteFile(h.at(name, "vectors.delete"), []byte(text.String()), 0o644)
}

func (h mountHand) compact(name string) error {
	if h.random.IntN(2) == 0 {
		if got := try(h.t, program, "compact", h.backing(name)); got.code != 0 {
			return errors.New(got.stderr)
		}
		return nil
	}
	return os.WriteFile(h.at(name, "ctl"), []byte("compact\n"), 0o644)
}

func (h mountHand) shows(name string) (map[uint64]float32, error) {
	text, err := os.ReadFile(h.at(name, "vectors", "vectors.jsonl"))
	if err != nil {
		return nil, err
	}
	return shownLines(h.t, text), nil
}

// turns is a parent and a branch of it in a folder, to which the reference runtime and we
// write by turns.
type turns struct {
	t       *testing.T
	process *peer.Process
	random  *rand.Rand
	dir     string

	ours hand

	parent, branch map[uint64]float32 // the second component of each vector
	own            map[uint64]bool    // ids that the branch stores, or stored once
	changed        bool               // the parent shows another vector of an id that the branch inherits
	gone           bool               // the peer has compacted the parent, and keeps nothing for branches
	value          float32
	next           uint64
	done           []string

	opened, refused int // by the peer, of the branch
	shown, failed   int // by us, when the parent's state was gone
}

// rows draws vectors of some ids.
func (h *turns) rows(ids []uint64, holds ...map[uint64]float32) (rows []float32) {
	for _, id := range ids {
		h.value++
		rows = append(rows, float32(id), h.value)
		for _, hold := range holds {
			hold[id] = h.value
		}
	}
	return rows
}

// some draws ids of a map, new ones of none.
func (h *turns) some(of map[uint64]float32, may func(uint64) bool) (ids []uint64) {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(id uint64) bool { return !may(id) })
	for range min(len(all), 1+h.random.IntN(4)) {
		if id := all[h.random.IntN(len(all))]; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *turns) fresh() (ids []uint64) {
	for range 1 + h.random.IntN(4) {
		h.next++
		ids = append(ids, h.next)
	}
	return ids
}

// theirs has the peer do something to the branch, if it opens it. It must open it while
// the parent shows what the branch does, and we have committed since the parent grew.
func (h *turns) theirs(must bool, do func(*peer.Store) error) {
	h.t.Helper()
	opened, err := h.process.Open(filepath.Join(h.dir, "branch.rvf"))
	if err != nil {
		if must {
			h.t.Fatalf("the peer does not open the branch: %v\n%v", err, h.done)
		}
		h.refused++
		return
	}
	h.opened++
	if err := errors.Join(do(opened), opened.Close()); err != nil {
		h.t.Fatalf("the peer: %v\n%v", err, h.done)
	}
}

func (h *turns) step(fresh *bool) {
	h.t.Helper()
	any := func(uint64) bool { return true }
	what := h.random.IntN(12)
	h.done = append(h.done, fmt.Sprint(what))
	sure := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatalf("%v\n%v", err, h.done)
		}
	}
	switch what {
	case 0, 1: // we append and overwrite
		ids := append(h.fresh(), h.some(h.branch, any)...)
		sure(h.ours.ingest("branch.rvf", ids, h.rows(ids, h.branch)))
		h.note(ids)
		*fresh = true
	case 2: // we delete
		ids := h.some(h.branch, any)
		sure(h.ours.delete("branch.rvf", ids))
		for _, id := range ids {
			delete(h.branch, id)
			*fresh = true
		}
	case 3: // we compact the branch
		sure(h.ours.compact("branch.rvf"))
		*fresh = true
	case 4: // the peer writes to the branch, and compacts it at times
		h.theirs(*fresh && !h.changed && !h.gone, func(s *peer.Store) error {
			ids := h.fresh()
			if _, err := s.Ingest(ids, h.rows(ids, h.branch)); err != nil {
				return err
			}
			h.note(ids)
			gone := h.some(h.branch, func(id uint64) bool { return !h.own[id] })
			if _, err := s.Delete(gone); len(gone) > 0 && err != nil {
				return err
			}
			for _, id := range gone {
				delete(h.branch, id)
			}
			if h.random.IntN(3) == 0 {
				_, err := s.Compact()
				return err
			}
			return nil
		})
	case 5: // the parent grows, by either
		ids := h.fresh()
		rows := h.rows(ids, h.parent)
		if h.random.IntN(3) == 0 {
			h.peersParent(func(s *peer.Store) error { _, err := s.Ingest(ids, rows); return err })
		} else {
			sure(h.ours.ingest("parent.rvf", ids, rows))
		}
		*fresh = false
	case 6: // the parent changes what the branch inherits
		if h.random.IntN(6) > 0 {
			return
		}
		ids := h.some(h.parent, any)
		sure(h.ours.ingest("parent.rvf", ids, h.rows(ids, h.parent)))
		h.changed, *fresh = true, false
	case 7: // and loses some
		if h.random.IntN(6) > 0 {
			return
		}
		ids := h.some(h.parent, any)
		sure(h.ours.delete("parent.rvf", ids))
		for _, id := range ids {
			delete(h.parent, id)
		}
		h.changed, *fresh = true, false
	case 8: // the parent is compacted, by us
		sure(h.ours.compact("parent.rvf"))
		*fresh = false
	case 9: // and by the peer
		if h.random.IntN(4) > 0 {
			return
		}
		h.peersParent(func(s *peer.Store) error { _, err := s.Compact(); return err })
		h.gone, *fresh = true, false
	case 10: // the peer compacts the branch
		h.theirs(*fresh && !h.changed && !h.gone, func(s *peer.Store) error { _, err := s.Compact(); return err })
	case 11: // a copy of the branch is flattened
		h.flatten()
	}
}

// peersParent has the peer do something to the parent.
func (h *turns) peersParent(do func(*peer.Store) error) {
	h.t.Helper()
	opened := peersTurn(h.t, h.process, filepath.Join(h.dir, "parent.rvf"))
	if err := errors.Join(do(opened), opened.Close()); err != nil {
		h.t.Fatalf("the peer: %v\n%v", err, h.done)
	}
}

// flatten flattens the branch in a copy of the folder: it has what the branch has shown then,
// or is refused.
func (h *turns) flatten() {
	h.t.Helper()
	dir := h.t.TempDir()
	for _, name := range []string{"parent.rvf", "branch.rvf"} {
		writeFile(h.t, filepath.Join(dir, name), readFile(h.t, filepath.Join(h.dir, name)))
	}
	if got := try(h.t, program, "flatten", filepath.Join(dir, "branch.rvf")); got.code != 0 {
		if !h.gone || !saysGone(got.stderr) {
			h.t.Fatalf("flatten: %+v\n%v", got, h.done)
		}
		return
	}
	found, err := engineHand{h.t, dir}.shows("branch.rvf")
	if err != nil || !maps.Equal(found, h.branch) {
		h.t.Fatalf("the flattened branch has %v, %v, want %v\n%v", found, err, h.branch, h.done)
	}
	if verdict := try(h.t, program, "verify", filepath.Join(dir, "branch.rvf")); verdict.code != 0 {
		h.t.Fatalf("verify of the flattened branch: %+v\n%v", verdict, h.done)
	}
}

// saysGone reports whether words tell that another program took away what a branch shows.
func saysGone(words string) bool {
	return strings.Contains(words, "rewritten") && strings.Contains(words, "keeps nothing for branches")
}

func (h *turns) note(ids []uint64) {
	for _, id := range ids {
		h.own[id] = true
	}
}

// check compares what we show, and what the peer does if it opens the branch.
func (h *turns) check(demanded bool) {
	h.t.Helper()
	found, err := h.ours.shows("branch.rvf")
	if _, mounted := h.ours.(mountHand); mounted && err == nil && !maps.Equal(found, h.branch) {
		// What others did shows within a second.
		eventually(h.t, "the mount shows it", func() error {
			if found, err = h.ours.shows("branch.rvf"); err == nil && !maps.Equal(found, h.branch) {
				return fmt.Errorf("it shows %v, want %v\n%v", found, h.branch, h.done)
			}
			return nil
		})
	}
	switch {
	case err == nil && !maps.Equal(found, h.branch):
		h.t.Fatalf("we show %v, want %v\n%v", found, h.branch, h.done)
	case err == nil && h.gone:
		h.shown++
	case err != nil && (!h.gone || !errors.Is(err, volume.ErrCorrupt) && !errors.Is(err, syscall.EIO)):
		h.t.Fatalf("we show nothing: %v\n%v", err, h.done)
	case err != nil:
		h.failed++
	}
	if verdict := try(h.t, program, "verify", filepath.Join(h.dir, "branch.rvf")); verdict.code != 0 && (!h.gone || !saysGone(verdict.stdout)) {
		h.t.Fatalf("verify: %+v\n%v", verdict, h.done)
	}
	opened, err := h.process.OpenReadonly(filepath.Join(h.dir, "branch.rvf"))
	if err != nil {
		if demanded {
			h.t.Fatalf("the peer does not open the branch: %v\n%v", err, h.done)
		}
		h.refused++
		return
	}
	h.opened++
	theirs := map[uint64]float32{}
	for _, neighbor := range must(opened.Query([]float32{0, 0}, 1000))(h.t) {
		theirs[neighbor.ID] = float32(math.Sqrt(neighbor.Distance - float64(neighbor.ID*neighbor.ID)))
	}
	if !maps.Equal(theirs, h.branch) {
		h.t.Fatalf("the peer shows %v, want %v\n%v", theirs, h.branch, h.done)
	}
	if err := opened.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// TestBranchesByTurnsWithThePeer: whoever made the branch, and whoever writes to it or to
// its parent, it shows what it must; and the peer opens it, or refuses it, but never shows
// anything else. When the peer has compacted the parent, the branch shows what it showed, or
// says why it cannot. Each third history is one of a mount that lives all the time.
//
// RVFFS_TURNS and RVFFS_TURNS_FIRST say how many histories there are, and from which on.
func TestBranchesByTurnsWithThePeer(t *testing.T) {
	t.Parallel()
	histories := uint64(9)
	if os.Getenv("RVFFS_LONG") == "1" {
		histories = 200
	}
	histories = fromEnvironment(t, "RVFFS_TURNS", histories)
	first := fromEnvironment(t, "RVFFS_TURNS_FIRST", 0)
	process := peer.Start(t)
	var opened, refused, shown, failed int
	for seed := first; seed < first+histories; seed++ {
		h := &turns{
			t: t, process: process, random: rand.New(rand.NewPCG(seed, 11)), dir: t.TempDir(),
			parent: map[uint64]float32{}, own: map[uint64]bool{}, next: 60, done: []string{fmt.Sprint("history ", seed, ":")},
		}
		h.begin(seed%2 == 0)
		if seed%3 == 2 {
			m := serve(t, h.dir)
			h.ours = mountHand{m, t, h.random}
		}
		fresh := true
		for range 14 {
			h.step(&fresh)
			h.check(fresh && !h.changed && !h.gone)
		}
		if hand, mounted := h.ours.(mountHand); mounted {
			hand.stop()
		}
		opened, refused, shown, failed = opened+h.opened, refused+h.refused, shown+h.shown, failed+h.failed
	}
	t.Logf("the peer opened the branch %d times, and refused it %d times; when the parent's state was gone we showed it %d times, and failed %d times", opened, refused, shown, failed)
	if uint64(opened) < histories || uint64(refused) < histories || failed == 0 {
		t.Error("that is too few of one of them for the test to be of worth")
	}
}

// begin makes a parent and a branch of it, which the peer makes or we.
func (h *turns) begin(byPeer bool) {
	h.ours = engineHand{h.t, h.dir}
	path := filepath.Join(h.dir, "parent.rvf")
	theirs := must(h.process.Create(path, 2, "l2"))(h.t)
	var ids []uint64
	for id := range uint64(h.next) {
		if h.random.IntN(8) > 0 {
			ids = append(ids, id)
		}
	}
	must(theirs.Ingest(ids, h.rows(ids, h.parent)))(h.t)
	if byPeer {
		made := must(theirs.Branch(filepath.Join(h.dir, "branch.rvf")))(h.t)
		demand(h.t, "close the branch", made.Close())
	}
	demand(h.t, "close the parent", theirs.Close())
	if !byPeer {
		run(h.t, program, "branch", path, filepath.Join(h.dir, "branch.rvf"))
	}
	h.branch = maps.Clone(h.parent)
}

package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

const (
	// killRounds is how often the daemon is killed unless RVFFS_KILL_ROUNDS says
	// otherwise.
	killRounds = 6
	// killFolderRounds is after how many rounds the stores begin afresh, so that
	// each check stays quick.
	killFolderRounds = 10
	killWriters      = 8
	killDimension    = 4
	// killLongest is the longest that the writers are left alone.
	killLongest = 600 * time.Millisecond
	// killPatience is how long a killed daemon may take to end by itself.
	killPatience = 3 * time.Second
)

// killStores are the stores of a folder. Half of the writers share the first one,
// the others go round all of them.
var killStores = []string{"shared.rvf", "second.rvf", "third.rvdna"}

// fromEnvironment is a number that the environment may set.
func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	return must(strconv.ParseUint(text, 10, 64))(t)
}

// TestKilledDaemon kills the daemon as kill -9 does while eight writers append,
// again and again. Whatever close or fsync acknowledged must be there afterwards,
// the batches that were on their way must be there whole or not at all, and the
// next writer must find the store free.
//
// RVFFS_KILL_ROUNDS and RVFFS_KILL_SEED make it longer and repeat its choices.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	rounds := fromEnvironment(t, "RVFFS_KILL_ROUNDS", killRounds)
	seed := fromEnvironment(t, "RVFFS_KILL_SEED", uint64(time.Now().UnixNano()))
	t.Logf("%d rounds, RVFFS_KILL_SEED=%d", rounds, seed)
	process := peer.Start(t)
	var batches, rows, pending, stuck int
	for first := uint64(0); first < rounds; first += killFolderRounds {
		k := newKilling(t, process, seed+first)
		for round := first; round < min(first+killFolderRounds, rounds) && !t.Failed(); round++ {
			k.round(round)
		}
		k.end()
		batches, rows, pending, stuck = batches+k.batches, rows+k.rows, pending+k.pending, stuck+k.stuck
	}
	t.Logf("%d batches with %d vectors were acknowledged, %d were on their way at a kill", batches, rows, pending)
	if stuck > 0 {
		t.Errorf("%d of %d killed daemons ended only when the mount was forced off", stuck, rounds)
	}
	if batches == 0 {
		t.Error("nothing was acknowledged before any kill: the test shows nothing")
	}
}

// killing is one folder of stores on which the daemon is killed several times.
type killing struct {
	t       *testing.T
	process *peer.Process
	source  *rand.Rand
	dir     string
	point   string
	m       *mount
	// want is what each store must hold.
	want    map[string]model
	writers []*killWriter
	// what was seen: acknowledged batches and rows, batches on their way, daemons
	// that could not end by themselves
	batches, rows, pending, stuck int
}

// newKilling makes a folder of empty stores.
func newKilling(t *testing.T, process *peer.Process, seed uint64) *killing {
	t.Helper()
	k := &killing{
		t: t, process: process, source: rand.New(rand.NewPCG(seed, 1)),
		dir: t.TempDir(), point: t.TempDir(), want: map[string]model{},
	}
	unmountAtEnd(t, k.point)
	for _, name := range killStores {
		rawfile.NewBuilder(name, killDimension).Write(t, filepath.Join(k.dir, name))
		k.want[name] = model{}
	}
	for number := range uint64(killWriters) {
		k.writers = append(k.writers, &killWriter{number: number, source: rand.New(rand.NewPCG(seed, 2+number)), versions: map[uint64]uint64{}})
	}
	return k
}

// round lets the writers write, kills the daemon, and looks at what is left.
func (k *killing) round(round uint64) {
	t := k.t
	t.Helper()
	// No stream is committed by the clock, so that a batch is one commit.
	k.m = serveAt(t, k.dir, k.point, "--flush-interval=1h")
	k.firstWrites(round)

	var killed atomic.Bool
	var group sync.WaitGroup
	for _, w := range k.writers {
		w.reset(k.want)
		group.Go(func() { w.run(k.m, &killed) })
	}
	group.Go(func() { k.disturb(&killed) })
	moment := time.Duration(k.source.Int64N(int64(killLongest)))
	time.Sleep(moment)
	killed.Store(true)
	k.kill()
	// Whoever waits for an answer gets an error when the connection is gone.
	writersEnd := make(chan struct{})
	go func() { group.Wait(); close(writersEnd) }()
	select {
	case <-writersEnd:
	case <-time.After(patience):
		t.Fatalf("round %d: writers wait for a daemon that is dead", round)
	}
	if err := unix.Unmount(k.point, unix.MNT_DETACH); err != nil && mounted(k.point) {
		t.Fatalf("round %d: lazy unmount: %v", round, err)
	}
	complain := func(what string, err error) {
		if err != nil {
			t.Errorf("round %d, killed after %v: %s: %v", round, moment, what, err)
		}
	}
	for _, w := range k.writers {
		complain(fmt.Sprintf("writer %d before the kill", w.number), w.err)
		k.batches, k.rows, k.pending = k.batches+w.batches, k.rows+w.rows, k.pending+len(w.pending)
	}
	for _, name := range killStores {
		complain(name, k.settle(name))
	}
	if t.Failed() {
		return
	}
	sample := killStores[round%uint64(len(killStores))]
	complain("reference runtime: "+sample, peerOpens(k.process, filepath.Join(k.dir, sample), k.want[sample], k.source))
	k.deleteSome(killStores[(round+1)%uint64(len(killStores))])
	if round%3 == 2 {
		engineCompact(t, filepath.Join(k.dir, sample))
		complain(sample+" after compaction", fileHolds(filepath.Join(k.dir, sample), k.want[sample]))
	}
}

// kill ends the daemon as kill -9 does. A thread that gives the kernel a notice
// about a folder may wait in the kernel for a lookup there, which nobody will ever
// answer: then the process cannot end, and its files and locks stay, until the
// mount is forced off. That is counted, and a failure.
func (k *killing) kill() {
	t := k.t
	t.Helper()
	if err := k.m.daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-k.m.exited:
		return
	case <-time.After(killPatience):
	}
	k.stuck++
	if err := unix.Unmount(k.point, unix.MNT_FORCE|unix.MNT_DETACH); err != nil {
		t.Fatalf("forced unmount: %v", err)
	}
	select {
	case <-k.m.exited:
	case <-time.After(patience):
		t.Fatal("the killed daemon does not end, not even when the mount is forced off")
	}
}

// end mounts and writes once more, unmounts in good order and looks for litter.
// Young temporary files are left alone by design, for somebody may just be making
// them; so those of the killed daemons are made old.
func (k *killing) end() {
	t := k.t
	t.Helper()
	if t.Failed() {
		return
	}
	for _, name := range names(t, k.dir) {
		if volume.IsTemporary(name) {
			if err := os.Chtimes(filepath.Join(k.dir, name), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	k.m = serveAt(t, k.dir, k.point)
	names(t, k.point)
	k.firstWrites(1 << 20)
	k.m.stop()
	if got, want := names(t, k.dir), slices.Sorted(slices.Values(killStores)); !slices.Equal(got, want) {
		t.Errorf("the kills left litter: the folder holds %v", got)
	}
}

// firstWrites appends to each store after a kill: neither the lock that the dead
// daemon left nor what it left unfinished in the file may stand in the way.
func (k *killing) firstWrites(round uint64) {
	t := k.t
	t.Helper()
	for i, name := range killStores {
		added := model{1<<50 + round: {-1, float32(i), float32(round), 0}}
		if err := pour(k.m.path(name, "vectors.append"), added.jsonLines(t)); err != nil {
			t.Fatalf("round %d: the first writer of the next mount: %s: %v", round, name, err)
		}
		k.want[name].put(added)
		err := fileHolds(k.m.backing(name), k.want[name])
		// The store may be compacting itself, which gives its segments new names
		// while they are looked at one by one: then the look does not count.
		for before := must(os.Stat(k.m.backing(name)))(t); ; {
			shown := folderShows(k.m.path(name), k.m.backing(name))
			after := must(os.Stat(k.m.backing(name)))(t)
			if os.SameFile(before, after) {
				err = errors.Join(err, shown)
				break
			}
			before = after
		}
		if err != nil {
			t.Fatalf("round %d: after the first write of the next mount: %s: %v", round, name, err)
		}
	}
}

// settle compares a store with the logs of its writers, and takes the batches
// that were on their way and have arrived into what is wanted from now on.
func (k *killing) settle(name string) error {
	file, err := rawfile.Read(filepath.Join(k.dir, name))
	if err != nil {
		return err
	}
	got, want := file.Vectors(), k.want[name]
	var problems []error
	for _, w := range k.writers {
		want.put(w.acknowledged[name])
	}
	for _, w := range k.writers {
		batch := w.pending[name]
		arrived := 0
		for id, vector := range batch {
			if slices.Equal(got[id], vector) {
				arrived++
			}
		}
		switch arrived {
		case 0:
		case len(batch):
			want.put(batch)
		default:
			problems = append(problems, fmt.Errorf("of a batch of %d vectors of writer %d %d are there", len(batch), w.number, arrived))
		}
	}
	return errors.Join(append(problems, want.differs(got))...)
}

// peerOpens lets the reference runtime open a file, count its vectors and find some of them.
func peerOpens(process *peer.Process, path string, want model, source *rand.Rand) (err error) {
	opened, err := process.OpenReadonly(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	status, err := opened.Status()
	if err != nil {
		return err
	}
	if status.TotalVectors != len(want) {
		return fmt.Errorf("it counts %d vectors, want %d", status.TotalVectors, len(want))
	}
	ids := want.ids()
	for range 10 {
		id := ids[source.IntN(len(ids))]
		found, err := opened.Query(want[id], 1)
		if err != nil {
			return err
		}
		if len(found) != 1 || found[0].ID != id || found[0].Distance != 0 {
			return fmt.Errorf("it finds %v where id %d is", found, id)
		}
	}
	return nil
}

// disturb has the daemon compact one store after the other, and deletes through
// the engine, in competition with the daemon, an id that it has just stored and
// that no writer knows, until the daemon is killed.
func (k *killing) disturb(killed *atomic.Bool) {
	ctx, shelf := context.Background(), storetest.Shelf(k.t, filepath.Join(k.dir, killStores[0]))
	for turn := 0; !killed.Load(); turn++ {
		name := killStores[turn%len(killStores)]
		// The kill may come in the middle: what counts is what is found afterwards.
		_ = os.WriteFile(k.m.path(name, "ctl"), []byte("compact\n"), 0)
		s, err := store.Open(context.Background(), name, store.Options{Shelf: shelf, TurnWait: 50 * time.Millisecond})
		if err != nil {
			continue // the file is just being replaced
		}
		if _, err := s.Ingest(ctx, []uint64{disturbedID}, make([]float32, killDimension)); err == nil {
			for !killed.Load() {
				if _, err := s.Delete(ctx, []uint64{disturbedID}); err == nil {
					break
				}
			}
		}
		_ = s.Close()
	}
	for _, name := range killStores {
		s, err := store.Open(context.Background(), name, store.Options{Shelf: shelf})
		if err != nil {
			k.t.Errorf("%s after the kill: %v", name, err)
			continue
		}
		if _, err := s.Delete(ctx, []uint64{disturbedID}); err != nil {
			k.t.Errorf("%s after the kill: %v", name, err)
		}
		if err := s.Close(); err != nil {
			k.t.Error(err)
		}
	}
}

// disturbedID is an id that only disturb uses.
const disturbedID = 1<<53 - 1

// deleteSome deletes vectors through the engine, which takes the dead daemon's
// lock over without waiting for anything.
func (k *killing) deleteSome(name string) {
	t := k.t
	t.Helper()
	ids := k.want[name].ids()
	k.source.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	gone := ids[:min(len(ids)/4, 50)]
	opened, err := store.Open(context.Background(), name, store.Options{Shelf: storetest.Shelf(t, filepath.Join(k.dir, name)), TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := opened.Delete(limit, gone)
	if err := errors.Join(err, opened.Close()); err != nil || result.Deleted != uint64(len(gone)) {
		t.Fatalf("%s: deleting right after the kill: %+v of %d: %v", name, result, len(gone), err)
	}
	k.want[name].remove(gone...)
	if err := fileHolds(filepath.Join(k.dir, name), k.want[name]); err != nil {
		t.Fatalf("%s: after deleting: %v", name, err)
	}
}

// killWriter is one of the writers. Its vectors say who wrote them, under which
// id and for which time, so that each value exists once.
type killWriter struct {
	number uint64
	source *rand.Rand
	next   uint64
	// versions counts how often an id was written.
	versions map[uint64]uint64
	// acknowledged is what close or fsync returned 0 for in this round, by store,
	// pending what was on its way when an error came.
	acknowledged, pending map[string]model
	// live are ids of this writer that a store holds, by store: it sometimes
	// writes them again.
	live          map[string][]uint64
	batches, rows int
	err           error
}

// reset begins a round.
func (w *killWriter) reset(want map[string]model) {
	w.acknowledged, w.pending, w.live = map[string]model{}, map[string]model{}, map[string][]uint64{}
	for name, vectors := range want {
		w.acknowledged[name] = model{}
		for _, id := range vectors.ids() {
			if id>>32 == w.number+1 {
				w.live[name] = append(w.live[name], id)
			}
		}
	}
	w.batches, w.rows, w.err = 0, 0, nil
}

// run appends until the daemon is dead.
func (w *killWriter) run(m *mount, killed *atomic.Bool) {
	for turn := int(w.number); ; turn++ {
		name := killStores[0]
		if w.number >= killWriters/2 {
			name = killStores[turn%len(killStores)]
		}
		if err := w.stream(m, name); err != nil {
			if !killed.Load() {
				w.err = fmt.Errorf("%s: %w", name, err)
			}
			return
		}
	}
}

// stream opens vectors.append, writes one batch or several with fsync behind
// each, and closes.
func (w *killWriter) stream(m *mount, name string) (err error) {
	batches, ending := 1, ".jsonl"
	if w.source.IntN(4) == 0 {
		batches = 3
	}
	if w.source.IntN(2) == 0 {
		ending = ".rvf"
	}
	stream, err := os.OpenFile(m.path(name, "vectors.append"+ending), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			stream.Close()
		}
	}()
	for remaining := batches - 1; remaining >= 0; remaining-- {
		batch := w.batch(name)
		w.pending[name] = batch
		if err := w.write(stream, ending, batch); err != nil {
			return err
		}
		if remaining > 0 {
			err = stream.Sync()
		} else {
			closed = true
			err = stream.Close()
		}
		if err != nil {
			return err
		}
		delete(w.pending, name)
		w.acknowledged[name].put(batch)
		w.live[name] = append(w.live[name], slices.Collect(maps.Keys(batch))...)
		w.batches, w.rows = w.batches+1, w.rows+len(batch)
	}
	return nil
}

// batch makes up vectors for a store: mostly few, at times many, mostly with new
// ids. No id goes to two stores.
func (w *killWriter) batch(name string) model {
	count := 1 + w.source.IntN(20)
	if w.source.IntN(20) == 0 {
		count = 3000
	}
	batch := model{}
	for range count {
		id := (w.number+1)<<32 | w.next
		if live := w.live[name]; len(live) > 0 && w.source.IntN(5) == 0 {
			id = live[w.source.IntN(len(live))]
		} else {
			w.next++
		}
		w.versions[id]++
		// All of these are small enough to be exact.
		batch[id] = []float32{float32(w.number), float32(id & 0xFFFFF), float32(id & 0xFFFFFFFF >> 20), float32(w.versions[id])}
	}
	return batch
}

// write writes a batch in pieces, so that some kills fall between them.
func (w *killWriter) write(stream *os.File, ending string, batch model) error {
	var data []byte
	if ending == ".rvf" {
		data = rawfile.EncodeSegment(rawfile.TypeVec, 1, rawfile.EncodeVec(killDimension, batch))
	} else {
		var text strings.Builder
		for id, v := range batch {
			fmt.Fprintf(&text, "{\"id\": %d, \"vector\": [%v, %v, %v, %v]}\n", id, v[0], v[1], v[2], v[3])
		}
		data = []byte(text.String())
	}
	for piece := range slices.Chunk(data, 1+len(data)/(1+w.source.IntN(3))) {
		if _, err := stream.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

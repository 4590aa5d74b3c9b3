package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// waitingFiles count the bytes that go into files that a compaction makes while
// writers have to wait for it, and call sync at each of its syncs before.
type waitingFiles struct {
	filelog.FileSystem
	store  *Store
	sync   func()
	frozen atomic.Int64
}

type waitingFile struct {
	filelog.File
	files *waitingFiles
	name  string // until it takes the store's
}

func (c *waitingFiles) Create(name string, perm os.FileMode) (filelog.File, error) {
	file, err := c.FileSystem.Create(name, perm)
	if err != nil || !volume.IsTemporary(path.Base(name)) || c.store == nil {
		return file, err
	}
	return waitingFile{file, c, name}, nil
}

func (c *waitingFiles) writersWait() bool {
	return c.store.log.Frozen()
}

func (f waitingFile) WriteAt(p []byte, offset int64) (int, error) {
	if f.files.writersWait() {
		f.files.frozen.Add(int64(len(p)))
	}
	return f.File.WriteAt(p, offset)
}

func (f waitingFile) SyncData() error {
	if _, err := f.files.Stat(f.name); err == nil && f.files.sync != nil && !f.files.writersWait() {
		f.files.sync()
	}
	return f.File.SyncData()
}

// load is an appender whose blocks a test writes one by one.
type load struct {
	*ingest.Appender
	t    *testing.T
	rows map[uint64][]float32 // since the last commit
	next []uint64             // ids that the next write begins with
}

func newLoad(t *testing.T, s *Store) *load {
	return &load{Appender: s.NewAppender(), t: t, rows: map[uint64][]float32{}}
}

func (l *load) write(ids []uint64, value float32) {
	l.t.Helper()
	ids = append(l.next, ids...)
	l.next = nil
	l.put(ids, rowsOf(ids, value))
	put(ids, value)(&crashMark{model: l.rows})
}

// put writes rows as if their block were full.
func (l *load) put(ids []uint64, rows []byte) {
	l.t.Helper()
	err := l.Append(context.Background(), ids, rows)
	if err == nil {
		err = l.Flush()
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *load) commit(want map[uint64][]float32) {
	l.t.Helper()
	if _, _, err := l.Commit(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	maps.Copy(want, l.rows)
	clear(l.rows)
}

// TestLoadsAreCarriedBeforeWritersWait compacts a store beside loads of many blocks:
// what is left to be copied while writers wait does not grow with them.
func TestLoadsAreCarriedBeforeWritersWait(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"memory", "disk"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const rows, blocks = 4000, 20 // of 16 bytes each, 1.2 MiB in all
			files := &waitingFiles{FileSystem: volumes.New()}
			if kind == "disk" {
				folder, err := directory.Open(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				defer folder.Close()
				files.FileSystem = folder
			}
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				t.Fatal(err)
			}
			followWithin(s, volume.FollowLimits{Little: 32 << 10, Frozen: 128 << 10})
			files.store = s
			want := map[uint64][]float32{}
			bring(t, s, run(0, 3000), make([]float32, 6000)...)
			if _, err := s.Delete(context.Background(), run(0, 2990)); err != nil {
				t.Fatal(err)
			}
			for id := range uint64(10) {
				want[2990+id] = []float32{0, 0}
			}
			first, second := newLoad(t, s), newLoad(t, s)
			for i := range uint64(blocks) {
				first.write(run(10_000+i*rows, rows), float32(i))
				if i%8 == 0 {
					second.write(run(5_000_000+i*rows, 100), float32(i))
				}
			}
			round := uint64(0)
			files.sync = func() { // the loads go on, and others commit
				round++
				first.write(run(8_000_000+round*100, 100), 1)
				bring(t, s, []uint64{9_000_000 + round}, 1, 2)
				want[9_000_000+round] = []float32{1, 2}
			}
			for range 2 {
				round *= 2
				files.frozen.Store(0)
				if _, err := s.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
				if got := files.frozen.Load(); got > 128<<10 || got == 0 {
					t.Errorf("writers waited for %d bytes of %d that are not committed", got, 16*rows*blocks)
				}
			}
			second.commit(want)
			first.commit(want)
			sameContents(t, contents(t, s), want)
			if found := verify(t, s.Current()); found.Damages > 0 {
				t.Error(describeFindings(found))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files.FileSystem}})
			if err != nil {
				t.Fatal(err)
			}
			sameContents(t, contents(t, again), want)
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// fakeRows are rows whose bytes are a manifest, in the places of their ids and
// components.
func fakeRows(first uint64) (ids []uint64, rows []byte, model map[uint64][]float32) {
	fake := fakeManifest()
	for len(fake)%8 != 0 {
		fake = append(fake, 0)
	}
	model = map[uint64][]float32{}
	for at := 0; at < len(fake); at += 8 {
		id := first + uint64(at)
		model[id] = []float32{finite(fake[at:]), finite(fake[at+4:])}
		ids, rows = append(ids, id), append(rows, fake[at:at+8]...)
	}
	return ids, rows, model
}

// TestCarriedLoadsStayWhole lets three loads do all that loads can while a compaction
// carries them: go on, commit, be given up, stand behind each other in any order,
// and bring bytes that have to be hidden.
func TestCarriedLoadsStayWhole(t *testing.T) {
	t.Parallel()
	histories := 300
	if testing.Short() {
		histories = 40
	}
	first := rand.Uint64() >> 16
	for i := range histories {
		seed := numberFrom(t, "RVFFS_SEED", first+uint64(i))
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { carryHistory(t, seed) }) {
			return
		}
	}
}

func carryHistory(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 5))
	files := &waitingFiles{FileSystem: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	followWithin(s, volume.FollowLimits{Little: int64(random.IntN(600)), Frozen: int64(100 + random.IntN(3000))})
	files.store = s
	want := map[uint64][]float32{}
	ids := run(0, 40)
	bring(t, s, ids, make([]float32, 80)...)
	for id := range uint64(40) {
		want[id] = []float32{0, 0}
	}
	loads := make([]*load, 3)
	for i := range loads {
		loads[i] = newLoad(t, s)
	}
	next := uint64(1000)
	act := func() {
		l := loads[random.IntN(len(loads))]
		switch random.IntN(15) {
		default:
			count := 1 + random.Uint64N(60)
			l.write(run(next, count), float32(next))
			next += count
		case 0:
			fakes, rows, model := fakeRows(next)
			next += fakes[len(fakes)-1] - next + 1
			cut := 8 * random.IntN(len(fakes)) // the border of two blocks lies anywhere
			for _, part := range [][2]int{{0, cut}, {cut, len(rows)}} {
				if part[0] == part[1] {
					continue
				}
				l.put(fakes[part[0]/8:part[1]/8], rows[part[0]:part[1]])
			}
			maps.Copy(l.rows, model)
		case 5: // the first bytes of a manifest, over the border of two blocks
			before, behind := next, (next>>16+1)<<16+0x0501
			next = behind + 1
			magic := finite([]byte("SFVR"))
			l.put([]uint64{before}, encodeRows([]float32{3, magic}))
			l.rows[before] = []float32{3, magic}
			l.next = []uint64{behind}
		case 1:
			l.commit(want)
		case 2:
			if err := l.Rollback(); err != nil {
				t.Fatal(err)
			}
			clear(l.rows)
		case 3:
			bring(t, s, []uint64{next}, 7, 7)
			want[next] = []float32{7, 7}
			next++
		case 4:
			stored := slices.Sorted(maps.Keys(want))
			gone := stored[random.IntN(len(stored))]
			if _, err := s.Delete(context.Background(), []uint64{gone}); err != nil {
				t.Fatal(err)
			}
			delete(want, gone)
		case 6, 7: // which rows live is worked out from what was found the last time
			if err := rowstest.Check(rows.Of(s.Current()), random); err != nil {
				t.Error(err)
			}
		case 8:
			stored := slices.Sorted(maps.Keys(want))
			again := stored[random.IntN(len(stored))]
			bring(t, s, []uint64{again}, 8, 8)
			want[again] = []float32{8, 8}
		}
	}
	files.sync = func() {
		for range random.IntN(5) {
			act()
		}
	}
	for range 2 + random.IntN(3) {
		for range random.IntN(12) {
			act()
		}
		if _, err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		// Bytes that are not committed must not fool anybody either.
		if err := believedByPeer(files.FileSystem.(*volumes.Files).Names["a.rvf"].Content, s.Current()); err != nil {
			t.Error(err)
		}
		if random.IntN(3) == 0 {
			sameContents(t, contents(t, s), want)
		}
	}
	for range random.IntN(6) {
		act()
	}
	for _, i := range random.Perm(len(loads)) {
		loads[i].commit(want)
	}
	sameContents(t, contents(t, s), want)
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files.FileSystem}})
	if err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, again), want)
	if found := verify(t, again.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
	content := files.FileSystem.(*volumes.Files).Names["a.rvf"].Content
	if err := believedByPeer(content, again.Current()); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestCarriedLoadsThatAreGivenUpLeaveNothing: what was carried in vain does not make
// the new file any longer.
func TestCarriedLoadsThatAreGivenUpLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"given up", "committed"} {
		files := &waitingFiles{FileSystem: volumes.New()}
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		files.store = s
		followWithin(s, volume.FollowLimits{Little: 1 << 10, Frozen: 64 << 10})
		large, small := newLoad(t, s), newLoad(t, s)
		large.write(run(0, 10_000), 1)
		small.write(run(20_000, 200), 2)
		want := map[uint64][]float32{}
		once := sync.OnceFunc(func() {
			if end == "committed" {
				large.commit(want)
			} else if err := large.Rollback(); err != nil {
				t.Error(err)
			}
		})
		files.sync = once
		if _, err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		small.commit(want)
		sameContents(t, contents(t, s), want)
		if found := verify(t, s.Current()); len(found.Findings) > 0 {
			t.Errorf("%s: %s", end, describeFindings(found))
		}
		if size, rows := s.Current().Size(), int64(16*len(want)); size > rows+20<<10 {
			t.Errorf("%s: %d bytes for %d bytes of vectors", end, size, rows)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCarriedLoadsBesideGoroutines is the same with loads that do not wait for each
// other, for the race detector.
func TestCarriedLoadsBesideGoroutines(t *testing.T) {
	t.Parallel()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
	if err != nil {
		t.Fatal(err)
	}
	followWithin(s, volume.FollowLimits{Little: 2 << 10, Frozen: 16 << 10})
	want := map[uint64][]float32{}
	var mu sync.Mutex
	var loads sync.WaitGroup
	for n := range uint64(3) {
		loads.Go(func() {
			l := newLoad(t, s)
			id := (n + 1) << 32
			for i := range 60 {
				l.write(run(id, 70), float32(i))
				id += 70
				if i%13 == 12 {
					if err := l.Rollback(); err != nil {
						t.Error(err)
					}
					clear(l.rows)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			l.commit(want)
		})
	}
	image := bytes.Repeat([]byte("kernel"), 4000)
	loads.Go(func() {
		for range 10 {
			if _, err := s.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), compute.KernelConfig{}); err != nil {
				t.Error(err)
			}
		}
	})
	done := make(chan struct{})
	go func() {
		loads.Wait()
		close(done)
	}()
	for over := false; !over; {
		if _, err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			over = true
		default:
			runtime.Gosched() // where nothing takes the processor from a goroutine
		}
	}
	sameContents(t, contents(t, s), want)
	if found, err := kernelImage(s.Current()); err != nil || !bytes.Equal(found, image) {
		t.Errorf("the kernel is another one: %d bytes, %v", len(found), err)
	}
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// waitingStore is an empty store of two components among such files.
func waitingStore(t *testing.T) (*waitingFiles, *Store) {
	t.Helper()
	files := &waitingFiles{FileSystem: volumes.New()}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	files.store = s
	return files, s
}

// TestImagesBegunBeforeOthersCommitAreKept: an image whose place in the file lies
// before the last commit, and which is committed while a compaction runs, is in the
// new file.
func TestImagesBegunBeforeOthersCommitAreKept(t *testing.T) {
	t.Parallel()
	files, s := waitingStore(t)
	content := noise(3000)
	session, err := s.log.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	head, err := segments.BuildKernelFront(segments.KernelHeader{ImageHash: shake256(content)}, nil, int64(len(content)), int64(len(content)), "")
	if err != nil {
		t.Fatal(err)
	}
	image := session.Extent(volume.ExtentSpec{
		Type: segments.TypeKernel, Front: len(head), Seal: func(int64) []byte { return head[:] }, Length: int64(len(content)),
	})
	if err := image.Write(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	image.Complete()
	bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
	files.sync = sync.OnceFunc(func() {
		if _, err := session.Commit(t.Context(), log.Change{Added: []volume.Extent{image}}); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, s), map[uint64][]float32{1: {1, 1}, 2: {2, 2}})
	if found, err := kernelImage(s.Current()); err != nil || !bytes.Equal(found, content) {
		t.Errorf("the kernel is another one: %d bytes, %v", len(found), err)
	}
	if err := errors.Join(session.End(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestImagesThatAreReplacedBesideACompactionAreDead: of an image that was copied and
// then replaced, nothing is left in the new file that other programs would find.
func TestImagesThatAreReplacedBesideACompactionAreDead(t *testing.T) {
	t.Parallel()
	files, s := waitingStore(t)
	embedKernel(t, s, noise(500), compute.KernelConfig{})
	files.sync = sync.OnceFunc(func() { embedKernel(t, s, noise(600), compute.KernelConfig{}) })
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, err := kernelImage(s.Current()); err != nil || !bytes.Equal(got, noise(600)) {
		t.Errorf("a kernel of %d bytes, %v", len(got), err)
	}
	file, err := files.Open("a.rvf", false)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []segments.Type
	if err := s.Current().In(file).Walk(func(segment segments.Segment) error {
		kinds = append(kinds, segment.Type)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []segments.Type{segments.RetiredType, segments.TypeKernel, segments.TypeWitness, segments.TypeWitness, segments.TypeManifest}; !slices.Equal(kinds, want) {
		t.Errorf("the new file holds %v, want %v", kinds, want)
	}
	if err := errors.Join(file.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

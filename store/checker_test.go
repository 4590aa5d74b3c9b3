package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// watchedFiles tells of each read, which then may fail.
type watchedFiles struct {
	filelog.FileSystem
	mu   sync.Mutex
	read func(offset, length int64) error
}

func (w *watchedFiles) watch(read func(offset, length int64) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = read
}

func (w *watchedFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := w.FileSystem.Open(name, write)
	return &toldFile{file, w}, err
}

type toldFile struct {
	filelog.File
	files *watchedFiles
}

func (f *toldFile) ReadAt(p []byte, offset int64) (int, error) {
	f.files.mu.Lock()
	read := f.files.read
	f.files.mu.Unlock()
	if read != nil {
		if err := read(offset, int64(len(p))); err != nil {
			return 0, err
		}
	}
	return f.File.ReadAt(p, offset)
}

// largeFiles holds a store with segments of so many rows of dimension 256, that is
// about a KiB each.
func largeFiles(t *testing.T, rows ...int) (*volumes.Files, []segments.DirectoryEntry) {
	t.Helper()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 256}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range rows {
		bring(t, s, nil, make([]float32, count*256)...)
	}
	entries := s.Current().Vectors()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files.Names["a"] = files.Names["a.rvf"]
	delete(files.Names, "a.rvf")
	return files, entries
}

// readPart reads some bytes of the file as raw shows them.
func readPart(ctx context.Context, s *state.Snapshot, offset, length int64) error {
	view, err := s.Part(offset, length)
	if err != nil {
		return err
	}
	reader, err := view.Open(ctx)
	if err != nil {
		return err
	}
	_, err = reader.ReadContext(ctx, make([]byte, length), 0)
	return errors.Join(err, reader.Close())
}

// TestBackgroundChecksAreBounded: each segment is read once, in order, in pieces of
// a MiB at most and one at a time, when it was touched; a listing touches nothing.
func TestBackgroundChecksAreBounded(t *testing.T) {
	t.Parallel()
	memory, entries := largeFiles(t, 3000, 5, 2500)
	files := &watchedFiles{FileSystem: memory}
	s, checker := openChecked(t, files, state.VerifyBackground)
	snapshot := s.Current()
	var mu sync.Mutex
	var at []int64
	var most, total int64
	var reading, readers atomic.Int64
	files.watch(func(offset, length int64) error {
		readers.Store(max(readers.Load(), reading.Add(1)))
		defer reading.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		at = append(at, offset)
		most, total = max(most, length), total+length
		return nil
	})
	if view, err := rows.File(t.Context(), rows.Of(snapshot), vecio.FileNPY); err != nil || view.Size() == 0 {
		t.Fatal(err)
	}
	if _, err := s.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	checker.Wait()
	if status, err := s.Status(t.Context()); err != nil || status.CheckedSegments != 0 {
		t.Errorf("a listing had %d segments checked, %v", status.CheckedSegments, err)
	}
	for round := range 3 {
		at, most, total = nil, 0, 0
		readers.Store(0)
		for _, entry := range []segments.DirectoryEntry{entries[0], entries[2]} {
			if err := readPart(t.Context(), snapshot, entry.Offset+1000, 10); err != nil {
				t.Fatal(err)
			}
			checker.Wait()
		}
		if round > 0 {
			if total != 20 {
				t.Errorf("reading again reads %d bytes", total)
			}
			continue
		}
		want := int64(2*(10+segments.HeaderSize)) + int64(entries[0].PayloadLength+entries[2].PayloadLength)
		if total != want || most > 1<<20 || readers.Load() > 1 || !slices.IsSorted(at[1:3]) {
			t.Errorf("%d bytes in %d reads of at most %d by %d at a time, want %d bytes", total, len(at), most, readers.Load(), want)
		}
	}
	status, err := s.Status(t.Context())
	if err != nil || status.CheckedSegments != 2 || status.UncheckedSegments != status.Segments-2 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestVerdictsOutliveTheStore: what is known of a segment goes on to later states
// of the file, and to the store when it is opened again.
func TestVerdictsOutliveTheStore(t *testing.T) {
	t.Parallel()
	memory, entries := largeFiles(t, 100, 200)
	files := &watchedFiles{FileSystem: memory}
	s, checker := openChecked(t, files, state.VerifyFirst)
	whole := func(s *Store) error { return readPart(t.Context(), s.Current(), 0, s.Current().Size()) }
	if err := whole(s); err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, make([]float32, 256)...)
	read := map[int64]int64{}
	files.watch(func(offset, length int64) error { read[offset] += length; return nil })
	if err := whole(s); err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if n := read[entry.Offset+segments.HeaderSize]; n != 0 {
			t.Errorf("the segment at %d is checked again after a commit", entry.Offset)
		}
	}
	added := s.Current().Vectors()[2]
	if read[added.Offset+segments.HeaderSize] == 0 {
		t.Error("what the commit wrote is not checked")
	}
	clear(read)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(context.Background(), "a", Options{Shelf: filelog.Shelf{Files: files}, Checker: checker, Known: s.Known(), TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := whole(again); err != nil || len(read) != 1 {
		t.Errorf("opened again, the store is read at %v, %v", read, err)
	}
	if _, err := again.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	clear(read)
	if err := whole(again); err != nil || len(read) < 3 {
		t.Errorf("after a compaction the store is read at %v, %v", read, err)
	}
}

// TestFirstChecksCanBeGivenUp: who waits for a check gives it up when he likes; who
// did the work and gave up leaves it to the next.
func TestFirstChecksCanBeGivenUp(t *testing.T) {
	t.Parallel()
	memory, entries := largeFiles(t, 3000)
	files := &watchedFiles{FileSystem: memory}
	s, _ := openChecked(t, files, state.VerifyFirst)
	snapshot := s.Current()
	begun, goOn := make(chan struct{}, 100), make(chan struct{})
	files.watch(func(offset, length int64) error {
		if offset >= entries[0].Offset && offset < entries[0].Offset+segments.HeaderSize+int64(entries[0].PayloadLength) {
			begun <- struct{}{}
			<-goOn
		}
		return nil
	})
	read := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() { done <- readPart(ctx, snapshot, entries[0].Offset+500, 4) }()
		return done
	}
	worker, stopWorker := context.WithCancel(t.Context())
	working := read(worker)
	<-begun // it holds the check
	waiter, stopWaiter := context.WithCancel(t.Context())
	waiting := read(waiter)
	patient := read(t.Context())
	stopWaiter()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up waiting: %v", err)
	}
	stopWorker()
	close(goOn)
	if err := <-working; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up working: %v", err)
	}
	if err := <-patient; err != nil {
		t.Errorf("who stayed: %v", err)
	}
	if status, err := s.Status(t.Context()); err != nil || status.CheckedSegments != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestClosingEndsTheCheck: a checker that is closed in the middle of a segment lets
// it be, and reading goes on.
func TestClosingEndsTheCheck(t *testing.T) {
	t.Parallel()
	memory, entries := largeFiles(t, 3000, 10)
	files := &watchedFiles{FileSystem: memory}
	s, checker := openChecked(t, files, state.VerifyBackground)
	begun, closed := make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	files.watch(func(offset, length int64) error {
		if length > 1000 && reads.Add(1) == 1 {
			close(begun)
			<-closed // for which nobody waits long
		}
		return nil
	})
	touch := func(entry segments.DirectoryEntry) {
		t.Helper()
		if err := readPart(t.Context(), s.Current(), entry.Offset, 10); err != nil {
			t.Error(err)
		}
	}
	touch(entries[0])
	<-begun
	checker.Close()
	close(closed)
	checker.Wait()
	checker.Retry = 0 // some time later
	touch(entries[0])
	touch(entries[1])
	checker.Close()
	if reads.Load() > 1 {
		t.Errorf("a closed checker has read %d times", reads.Load())
	}
	if status, err := s.Status(t.Context()); err != nil || status.CheckedSegments != 0 || status.DamagedCount != 0 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestOneHungDiskKeepsNoCheck: a check that hangs at a disk lets those of other stores
// go on, and nobody who closes the checker waits for it.
func TestOneHungDiskKeepsNoCheck(t *testing.T) {
	t.Parallel()
	memory, entries := largeFiles(t, 1000)
	hung := &watchedFiles{FileSystem: memory}
	checker := state.NewChecker(state.VerifyBackground)
	open := func(files filelog.FileSystem) *Store {
		t.Helper()
		s, err := OpenReadOnly(context.Background(), "a", Options{Shelf: filelog.Shelf{Files: files}, Checker: checker})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	slow, quick := open(hung), open(copied(t, memory, -1))
	begun, answer := make(chan struct{}, 9), make(chan struct{})
	hung.watch(func(_, length int64) error {
		if length > 1000 {
			begun <- struct{}{}
			<-answer
		}
		return nil
	})
	touch := func(s *Store) {
		t.Helper()
		if err := readPart(t.Context(), s.Current(), entries[0].Offset, 10); err != nil {
			t.Fatal(err)
		}
	}
	touch(slow)
	<-begun
	touch(quick)
	deadline := time.After(time.Minute)
	for quick.Current().Checked().Sound == 0 {
		select {
		case <-deadline:
			t.Fatal("the other store is not checked")
		case <-time.After(10 * time.Millisecond):
		}
	}
	checker.Close()
	close(answer)
	checker.Wait()
	if err := errors.Join(slow.Close(), quick.Close()); err != nil {
		t.Error(err)
	}
}

// TestUnreadableIsNotDamaged: an error of the disk is no verdict.
func TestUnreadableIsNotDamaged(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken disk")
	for _, mode := range []state.VerifyMode{state.VerifyFirst, state.VerifyBackground} {
		memory, entries := largeFiles(t, 3000)
		files := &watchedFiles{FileSystem: memory}
		s, checker := openChecked(t, files, mode)
		tries := 0
		files.watch(func(offset, length int64) error {
			if offset > entries[0].Offset+1<<20 {
				tries++
				return broken
			}
			return nil
		})
		for range 2 {
			err := readPart(t.Context(), s.Current(), entries[0].Offset, 10)
			if errors.Is(err, broken) != (mode == state.VerifyFirst) || errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s: %v", mode, err)
			}
			checker.Wait()
		}
		if mode == state.VerifyBackground && tries != 1 {
			t.Errorf("the disk was tried %d times within seconds", tries)
		}
		if status, err := s.Status(t.Context()); err != nil || status.DamagedCount != 0 || status.CheckedSegments != 0 {
			t.Errorf("%s: %+v, %v", mode, status, err)
		}
		files.watch(nil)
		checker.Retry = 0 // some time later
		if err := readPart(t.Context(), s.Current(), entries[0].Offset, 10); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		checker.Wait()
		if status, err := s.Status(t.Context()); err != nil || status.CheckedSegments != 1 {
			t.Errorf("%s, the disk works again: %+v, %v", mode, status, err)
		}
	}
}

// TestMendedInPlace: a file that somebody changed is looked at anew.
func TestMendedInPlace(t *testing.T) {
	t.Parallel()
	files := richFiles(t, busy)
	s, _ := openChecked(t, files, state.VerifyFirst)
	sound := everything(t, s.Current())
	entry := s.Current().Vectors()[1]
	place := entry.Offset + segments.HeaderSize + 20
	var told atomic.Int64
	s, checker := openTold(t, copied(t, files, place), state.VerifyFirst, func(found state.DamagedSegment) {
		if told.Add(1); found.Offset != entry.Offset {
			t.Errorf("told of %+v", found)
		}
	})
	for range 2 {
		if err := readPart(t.Context(), s.Current(), place, 1); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("damaged: %v", err)
		}
	}
	before := s.Current().Generation()
	flip(t, s, place)
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Generation() == before {
		t.Error("the mended file still has the generation of the damaged one")
	}
	if failed := nothingWrong(t, "mended", everything(t, snapshot), sound); len(failed) > 0 {
		t.Errorf("mended: %v cannot be read", failed)
	}
	if status, err := s.Status(t.Context()); err != nil || status.DamagedCount != 0 || status.Damage != "" {
		t.Errorf("mended: %+v, %v", status, err)
	}
	checker.Wait()
	if told.Load() != 1 {
		t.Errorf("told %d times", told.Load())
	}
}

// TestChangedInPlace: bytes that somebody changes under a store that was checked and
// read are looked at anew, also where the file is as long as before.
func TestChangedInPlace(t *testing.T) {
	t.Parallel()
	for _, mode := range []state.VerifyMode{state.VerifyFirst, state.VerifyBackground} {
		s, checker := openChecked(t, copied(t, richFiles(t, busy), -1), mode)
		sound := everything(t, s.Current())
		checker.Wait()
		before := s.Current()
		if again, err := s.Snapshot(t.Context()); err != nil || again != before {
			t.Errorf("%s: without a change the state is another, %v", mode, err)
		}
		entry := before.Vectors()[1]
		flip(t, s, entry.Offset+segments.HeaderSize+20)
		after, err := s.Snapshot(t.Context())
		if err != nil || after.Generation() == before.Generation() {
			t.Fatalf("%s: the changed file still has the generation it had, %v", mode, err)
		}
		everything(t, after)
		checker.Wait()
		if after, err = s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		failed := nothingWrong(t, mode.String(), everything(t, after), sound)
		for _, name := range needs(entry) {
			if !slices.Contains(failed, name) {
				t.Errorf("%s: %s can be read; %v cannot", mode, name, failed)
			}
		}
	}
}

// TestWireHashesAreChecked knows the hashes of the other dialect, and what has none.
func TestWireHashesAreChecked(t *testing.T) {
	t.Parallel()
	image := wireStore(1, 2, 5, 9)
	vector := bytes.Index(image, []byte{0, 0, 0x80, 0x3F}) // of id 1
	hash := 0x28
	for name, test := range map[string]struct {
		change    func([]byte)
		damaged   bool
		unchecked bool
	}{
		"sound":           {func([]byte) {}, false, false},
		"a vector":        {func(b []byte) { b[vector]++ }, true, false},
		"the hash":        {func(b []byte) { b[hash]++ }, true, false},
		"no hash":         {func(b []byte) { clear(b[hash : hash+16]); b[vector+3] ^= 1 }, false, true},
		"another kind":    {func(b []byte) { b[0x20] = 9; b[vector+3] ^= 1 }, false, true},
		"said to be XXH3": {func(b []byte) { b[0x20] = segments.ChecksumXXH3 }, true, false},
	} {
		for _, mode := range []state.VerifyMode{state.VerifyFirst, state.VerifyBackground} {
			files := volumes.New()
			file, err := files.Create("a", 0o644)
			if err != nil {
				t.Fatal(err)
			}
			content := slices.Clone(image)
			test.change(content)
			if _, err := file.WriteAt(content, 0); err != nil {
				t.Fatal(err)
			}
			s, checker := openChecked(t, files, mode)
			if s.Current().Dialect() != segments.DialectWire {
				t.Fatalf("%s: the dialect is %s", name, s.Current().Dialect())
			}
			look := func() error {
				snapshot, err := s.Snapshot(t.Context())
				if err == nil {
					_, err = search.Nearest(t.Context(), rows.Of(snapshot), []search.Query{{Vector: []float32{6, 0}, K: 3}})
				}
				return err
			}
			err = look()
			if mode == state.VerifyBackground {
				if err != nil {
					t.Errorf("%s, %s: before the verdict: %v", name, mode, err)
				}
				checker.Wait()
				err = look()
			}
			if errors.Is(err, volume.ErrCorrupt) != test.damaged || !test.damaged && err != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
			}
			status, err := s.Status(t.Context())
			if err != nil || status.DamagedCount != btoi(test.damaged) || status.UnhashedSegments != btoi(test.unchecked) {
				t.Errorf("%s, %s: %+v, %v", name, mode, status, err)
			}
		}
	}
}

// TestOldAuditEntriesAreChecked: what no manifest names any more belongs to raw.
func TestOldAuditEntriesAreChecked(t *testing.T) {
	t.Parallel()
	files := richFiles(t, untouched)
	s, _ := openChecked(t, copied(t, files, -1), state.VerifyFirst)
	var old segments.Segment
	live := s.Current().Live()
	err := s.Current().Backing().With(t.Context(), func(file volume.Bytes) error {
		return s.Current().In(file).Walk(func(segment segments.Segment) error {
			named := slices.ContainsFunc(live, func(entry segments.DirectoryEntry) bool { return entry.Offset == segment.Offset })
			if segment.Type == segments.TypeWitness && !named && old.Offset == 0 {
				old = segment
			}
			return nil
		})
	})
	if err != nil || old.Offset == 0 {
		t.Fatalf("no entry that nothing names: %v", err)
	}
	newest, _ := s.Current().LastOf(segments.TypeWitness)
	for _, test := range []struct {
		mode  state.VerifyMode
		entry int64 // the damaged one
	}{{state.VerifyFirst, old.Offset}, {state.VerifyBackground, old.Offset}, {state.VerifyFirst, newest.Offset}, {state.VerifyBackground, newest.Offset}} {
		mode := test.mode
		var told atomic.Int64
		s, checker := openTold(t, copied(t, files, test.entry+segments.HeaderSize+4), mode, func(state.DamagedSegment) { told.Add(1) })
		raw := func() error {
			snapshot, err := s.Snapshot(t.Context())
			if err == nil {
				_, err = state.ViewContent(t.Context(), snapshot.Raw())
			}
			return err
		}
		_ = raw() // what is not checked yet may still be given out
		checker.Wait()
		for range 2 {
			if err := raw(); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s: raw: %v", mode, err)
			}
			checker.Wait()
		}
		bring(t, s, []uint64{50}, 1, 1) // the audit chain grows
		if err := raw(); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: raw after a commit: %v", mode, err)
		}
		checker.Wait()
		if told.Load() != 1 {
			t.Errorf("%s: told %d times", mode, told.Load())
		}
		status, err := s.Status(t.Context())
		if err != nil || status.DamagedCount != 1 || status.DamagedSegments[0].Offset != test.entry {
			t.Errorf("%s: %+v, %v", mode, status, err)
		}
		if _, err := rows.File(t.Context(), rows.Of(s.Current()), vecio.FileNPY); err != nil {
			t.Errorf("%s: the vectors: %v", mode, err)
		}
	}
}

// TestWriterOfADamagedStoreGoesOn: what is new is not held back by what is old, and
// nothing that is made of damaged bytes gets a hash of its own.
func TestWriterOfADamagedStoreGoesOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode state.VerifyMode
		read bool
	}{{state.VerifyNever, false}, {state.VerifyFirst, false}, {state.VerifyFirst, true}, {state.VerifyBackground, false}, {state.VerifyBackground, true}} {
		mode := test.mode
		files := richFiles(t, untouched)
		s, _ := openChecked(t, files, state.VerifyNever)
		entry := s.Current().OfType(segments.TypeKernel)[0]
		vectors := s.Current().Vectors()[0]
		content := files.Names["a"].Content
		cmdline := bytes.LastIndex(content, []byte("quiet"))
		content[cmdline] ^= 0x20
		content[vectors.Offset+segments.HeaderSize+15] ^= 0x20
		s, checker := openChecked(t, files, mode)
		if test.read {
			everything(t, s.Current())
			checker.Wait()
		}
		bring(t, s, nil, 8, 8)
		bring(t, s, []uint64{3}, 30, 30)
		if _, err := s.Delete(t.Context(), []uint64{5}); err != nil {
			t.Errorf("%s: delete: %v", mode, err)
		}
		if _, err := s.Compact(t.Context()); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: compaction: %v", mode, err)
		}
		header := []byte(fmt.Sprintf(`{"segment_id": %d, "vcpu_count": 4}`, entry.SegmentID))
		if err := write(t, s, compute.PartKernelHeader, header); !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("%s: a damaged kernel gets a new header: %v", mode, err)
		}
		if err := write(t, s, compute.PartKernelImage, noise(700)); err != nil {
			t.Errorf("%s: a damaged kernel is replaced: %v", mode, err)
		}
		if got := file(t, s, segments.TypeKernel, "image"); !bytes.Equal(got, noise(700)) {
			t.Errorf("%s: the new image is another", mode)
		}
		if got := file(t, s, segments.TypeKernel, "cmdline"); len(got) != 0 {
			t.Errorf("%s: the damaged command line goes on as %q", mode, got)
		}
	}
}

// TestIDsThatDecideAreChecked: which rows are live is found out by the ids of all
// segments; as soon as a row is given out, all of them are looked at.
func TestIDsThatDecideAreChecked(t *testing.T) {
	t.Parallel()
	files := richFiles(t, busy)
	s, _ := openChecked(t, files, state.VerifyNever)
	newest := s.Current().Vectors()[3]
	s, checker := openChecked(t, copied(t, files, newest.Offset+segments.HeaderSize+segments.VecPrefixSize), state.VerifyBackground)
	view, err := rows.File(t.Context(), rows.Of(s.Current()), vecio.FileF32)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := view.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.ReadContext(context.Background(), make([]byte, 4), 0); err != nil && !errors.Is(err, volume.ErrCorrupt) {
		t.Fatal(err)
	}
	checker.Wait()
	if status, err := s.Status(t.Context()); err != nil || status.DamagedCount != 1 || status.DamagedSegments[0].Offset != newest.Offset {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestCommitsForgetWhatDamageDecided: a stream that was open when damage was found
// commits a state that knows of it.
func TestCommitsForgetWhatDamageDecided(t *testing.T) {
	t.Parallel()
	files := richFiles(t, busy)
	s, _ := openChecked(t, files, state.VerifyNever)
	sound := everything(t, s.Current())
	newest := s.Current().Vectors()[3]
	s, checker := openChecked(t, copied(t, files, newest.Offset+segments.HeaderSize+segments.VecPrefixSize), state.VerifyBackground)
	stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write(t.Context(), []byte(`{"id":60,"vector":[1,1]}`+"\n")); err != nil {
		t.Fatal(err)
	}
	goOn := rowstest.HoldChecks(checker)
	everything(t, s.Current()) // the stream's base
	goOn()
	checker.Wait()
	if err := stream.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := s.Current()
	if after.Vectors()[4].Offset <= newest.Offset || after.Outdated() {
		t.Fatal("the stream has committed nothing")
	}
	shown := everything(t, after)
	for id := range 8 {
		name := fmt.Sprintf("by-id/%d", id)
		if got := shown[name]; got.err == nil && !bytes.Equal(got.content, sound[name].content) {
			t.Errorf("%s is %s, it was %s", name, got.content, sound[name].content)
		}
	}
	live, done, err := rows.Hold(t.Context(), rows.Of(after))
	if err == nil {
		defer done()
	}
	if err != nil || !live.Knows(0, newest.Offset) {
		t.Errorf("the new state does not know of the damage, %v", err)
	}
}

// TestQueueIsBounded: what there is no room for is not checked, and can be later.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	files, entries := largeFiles(t, 1, 1, 1, 1)
	s, checker := openChecked(t, files, state.VerifyBackground)
	checker.Queued = 1
	goOn := rowstest.HoldChecks(checker)
	touchAll := func() {
		t.Helper()
		for _, entry := range entries {
			if err := readPart(t.Context(), s.Current(), entry.Offset, 10); err != nil {
				t.Fatal(err)
			}
		}
	}
	touchAll()
	goOn()
	checker.Wait()
	status, err := s.Status(t.Context())
	if err != nil || status.CheckedSegments < 1 || status.CheckedSegments > 2 { // one waits while another is begun
		t.Errorf("with room for one: %+v, %v", status, err)
	}
	for range entries {
		touchAll()
		checker.Wait()
	}
	if status, err = s.Status(t.Context()); err != nil || status.CheckedSegments != len(entries) {
		t.Errorf("touched again: %+v, %v", status, err)
	}
}

func TestParseVerifyMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []state.VerifyMode{state.VerifyNever, state.VerifyBackground, state.VerifyFirst} {
		if got, err := state.ParseVerifyMode(mode.String()); err != nil || got != mode {
			t.Errorf("%s: %v, %v", mode, got, err)
		}
	}
	for _, name := range []string{"", "always", "First"} {
		if _, err := state.ParseVerifyMode(name); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

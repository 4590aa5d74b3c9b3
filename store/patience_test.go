package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// leavingFiles counts what is read, tells of each read, and knows when all files were
// given back.
type leavingFiles struct {
	*volumes.Files
	began       func() // at each read, before it counts
	reads, size atomic.Int64
	open        sync.WaitGroup
}

type leavingFile struct {
	filelog.File
	files *leavingFiles
}

func (l *leavingFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := l.Files.Open(name, write)
	if err == nil {
		l.open.Add(1)
	}
	return leavingFile{file, l}, err
}

func (f leavingFile) Close() error {
	defer f.files.open.Done()
	return f.File.Close()
}

func (f leavingFile) ReadAt(p []byte, offset int64) (int, error) {
	f.files.began()
	f.files.reads.Add(1)
	f.files.size.Add(int64(len(p)))
	return f.File.ReadAt(p, offset)
}

// longStore is a store of which everything takes many reads.
func longStore(t *testing.T) *volumes.Files {
	t.Helper()
	const dimension = 256
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	var image []byte
	for range 12 {
		image = append(append(image, noise(1<<19)...), make([]byte, 1<<19)...) // half of it can be saved
	}
	embedKernel(t, s, image, compute.KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelX86_64}, Compress: true})
	embedKernel(t, s, image, compute.KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelAArch64}})
	const count = 10_000
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = uint64(3 * (count - i))
	}
	bring(t, s, ids, make([]float32, count*dimension)...)
	for range 100 { // states, and entries of the audit chain
		bring(t, s, nil, make([]float32, dimension)...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

// TestWhoGoesAwayEndsWhatHeAskedFor takes the wish back in the middle of everything that
// reads long: within a piece nothing more is read.
func TestWhoGoesAwayEndsWhatHeAskedFor(t *testing.T) {
	t.Parallel()
	files := longStore(t)
	read := func(ctx context.Context, view state.View, length int64) error {
		reader, err := view.Open(ctx)
		if err != nil {
			return err
		}
		_, err = reader.ReadContext(ctx, make([]byte, length), 0)
		return errors.Join(err, reader.Close())
	}
	kernelOfArm := func(s *state.Snapshot) segments.DirectoryEntry {
		return slices.MaxFunc(s.OfType(segments.TypeKernel), func(a, b segments.DirectoryEntry) int {
			return int(int64(a.PayloadLength) - int64(b.PayloadLength))
		})
	}
	known := func(s *state.Snapshot) error { // which rows are live
		_, err := rows.Count(context.Background(), rows.Of(s))
		return err
	}
	for name, test := range map[string]lengthy{
		"the hash of an image": {ask: func(ctx context.Context, s *Store, _ *state.Snapshot) error {
			_, err := s.ExtractKernel(ctx, segments.KernelAArch64)
			return err
		}},
		"a compressed image": {shared: true, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			kernels, err := compute.KindOf(segments.TypeKernel).Files(ctx, s)
			if err != nil {
				return err
			}
			image := slices.IndexFunc(kernels.Files, func(file state.NamedView) bool { return strings.HasSuffix(file.Name, "-x86_64/image") })
			return read(ctx, kernels.Files[image].View, 10)
		}},
		"a segment to be checked before": {mode: state.VerifyFirst, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			view, err := s.Part(kernelOfArm(s).Offset, 10)
			if err != nil {
				return err
			}
			return read(ctx, view, 10)
		}},
		"a segment that has to be right": {ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			return s.Guarded(kernelOfArm(s)).Intact(ctx)
		}},
		"the whole file, checked before": {mode: state.VerifyFirst, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			return read(ctx, s.Raw(), 10)
		}},
		"the audit chain": {shared: true, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, err := s.Witness(ctx)
			return err
		}},
		"a past state": {ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, err := s.History(ctx, lineage.Descent{Hash: lineage.Hash{1}})
			return err
		}},
		"the record of the derivation": {ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, _, err := s.Derivation(ctx)
			return err
		}},
		"a verification": {ask: func(ctx context.Context, s *Store, _ *state.Snapshot) error {
			_, err := s.Verify(ctx)
			return err
		}},
		"the number of live vectors": {shared: true, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, err := rows.Count(ctx, rows.Of(s))
			return err
		}},
		"a vector by its id": {shared: true, before: known, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, err := rows.ByID(ctx, rows.Of(s), 3000, vecio.FileF32)
			return err
		}},
		"all vectors": {ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			return rowstest.Visit(ctx, rows.Of(s), func([]uint64, []byte) error { return nil })
		}},
		"a file of vectors": {before: known, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			view, err := rows.File(ctx, rows.Of(s), vecio.FileF32)
			if err != nil {
				return err
			}
			return read(ctx, view, view.Size())
		}},
		"a search": {before: known, ask: func(ctx context.Context, _ *Store, s *state.Snapshot) error {
			_, err := search.Nearest(ctx, rows.Of(s), []search.Query{{Vector: make([]float32, s.Dimension()), K: 10}})
			return err
		}},
		"the ids that are stored": {ask: func(ctx context.Context, s *Store, snapshot *state.Snapshot) error {
			_, err := s.Status(ctx)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, _ := test.until(t, files, -1)
			last := all / 2
			reads, size := test.until(t, files, last)
			if most := last + int64(runtime.GOMAXPROCS(0)); all <= most+1 {
				t.Errorf("%d reads are no long work", all)
			} else if reads > most {
				t.Errorf("%d reads, of which number %d was the last that somebody waited for", reads, last)
			}
			const piece = 1 << 20
			if size > piece {
				t.Errorf("%d bytes were read for nobody", size)
			}
		})
	}
}

// lengthy is something that reads long.
type lengthy struct {
	mode   state.VerifyMode
	shared bool // it is done for all who ask for it, and goes on without who goes away
	before func(*state.Snapshot) error
	ask    func(context.Context, *Store, *state.Snapshot) error
}

// until asks a store that was just opened, and goes away at the read with the number
// last, if that comes. It tells how many reads there were, and how many bytes were read
// after that.
func (l lengthy) until(t *testing.T, files *volumes.Files, last int64) (reads, size int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := &leavingFiles{Files: files, began: func() {}}
	checker := state.NewChecker(l.mode)
	defer checker.Close()
	s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: watched}, Checker: checker})
	if err != nil {
		t.Fatal(err)
	}
	if l.before != nil {
		if err := l.before(s.Current()); err != nil {
			t.Fatal(err)
		}
	}
	watched.reads.Store(0)
	var begun atomic.Int64
	left := make(chan struct{})
	watched.began = func() {
		switch at := begun.Add(1); {
		case at == last:
			watched.size.Store(0)
			cancel()
			fallthrough
		case last >= 0 && at > last:
			if l.shared {
				<-left
			}
		}
	}
	err = l.ask(ctx, s, s.Current())
	close(left)
	if last < 0 && err != nil || last >= 0 && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	watched.open.Wait() // for what was begun for several
	return watched.reads.Load(), watched.size.Load()
}

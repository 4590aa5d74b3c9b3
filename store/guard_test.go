package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestWriterThatLostItsPlaceChangesNothing takes lock or file away from a writer
// with vectors on the way: what the next writer commits must survive, and the first
// must be told.
func TestWriterThatLostItsPlaceChangesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		take func(*volumes.Files) error
		want error
	}{
		{"the lock was broken", func(f *volumes.Files) error { return f.Remove("a.rvf.lock") }, volume.ErrHeld},
		{"the file was replaced", func(f *volumes.Files) error {
			if err := f.Remove("a.rvf.lock"); err != nil {
				return err
			}
			if err := f.Rename("a.rvf", "moved"); err != nil {
				return err
			}
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: f}})
			if err != nil {
				return err
			}
			return s.Close()
		}, nil},
		{"the file was removed", func(f *volumes.Files) error { return f.Remove("a.rvf") }, volume.ErrNotFound},
		{"a program without the lock commits", func(*volumes.Files) error { return nil }, volume.ErrHeld},
	} {
		for _, written := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, written %t", c.name, written), func(t *testing.T) {
				t.Parallel()
				files := volumes.New()
				s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				a := s.NewAppender()
				err = a.Append(ctx, []uint64{1}, make([]byte, 8))
				if err == nil && written {
					err = a.Flush() // as if the block were full
				}
				if err == nil {
					err = c.take(files)
				}
				if err != nil {
					t.Fatal(err)
				}
				_, exists := files.Names["a.rvf"]
				if exists {
					openPeer(t, files, "a.rvf").ingest(77, 1, 2)
				}
				before := bytes.Clone(files.Content("a.rvf"))
				if _, _, err := a.Commit(context.Background()); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("commit: %v, want %v", err, c.want)
				}
				if after := files.Content("a.rvf"); !bytes.Equal(before, after) {
					t.Errorf("the file changed from %d to %d bytes", len(before), len(after))
				}
				if !exists {
					return
				}
				if found := contents(t, s); len(found) != 1 || found[77] == nil {
					t.Errorf("found %v", found)
				}
				bring(t, s, []uint64{78}, 3, 4)
				if found := contents(t, s); len(found) != 2 || found[77] == nil {
					t.Errorf("after the next commit: %v", found)
				}
			})
		}
	}
}

// TestProgramWithoutTheLockBehindACompaction: the file is another one then, and shorter.
func TestProgramWithoutTheLockBehindACompaction(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := emptyStore(t)
	for i := range uint64(50) {
		bring(t, s, []uint64{i % 2}, 1, 2)
	}
	a := s.NewAppender()
	if err := a.Append(ctx, []uint64{5}, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	openPeer(t, files, "a.rvf").ingest(77, 1, 2)
	if _, _, err := a.Commit(context.Background()); !errors.Is(err, volume.ErrHeld) {
		t.Errorf("commit: %v", err)
	}
	if found := contents(t, s); found[77] == nil || len(found) != 3 {
		t.Errorf("found %v", found)
	}
}

// TestProgramThatWritesTheFileAnew is found out: one that puts other bytes into the very
// file, no longer than they were.
func TestProgramThatWritesTheFileAnew(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, []uint64{1}, 1, 2)
	a := s.NewAppender()
	if err := a.Append(context.Background(), []uint64{5}, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(files.Content("a.rvf"))
	copy(other[s.Current().State().Segment.Offset:], make([]byte, segments.HeaderSize))
	files.Names["a.rvf"].Write(other, 0)
	if _, _, err := a.Commit(context.Background()); !errors.Is(err, volume.ErrHeld) {
		t.Errorf("commit: %v", err)
	}
	if bytes.Contains(files.Content("a.rvf")[len(other):], []byte("SFVR")) && openAt(files) != 0 {
		t.Errorf("the commit counts: epoch %d", openAt(files))
	}
}

// openAt is the epoch that a new reader finds.
func openAt(files *volumes.Files) uint32 {
	s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		return 0
	}
	return s.Current().Epoch()
}

// TestCommitBesideAnotherIsNotAcknowledged lets a program without the lock commit at
// each moment of a commit. The commit is acknowledged only if readers can see it:
// what comes after the last look, when the lock is given back, cannot be known. What
// the other wrote stays, but for what it wrote between a look and the write that
// follows.
func TestCommitBesideAnotherIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	refused := 0
	for moment := 1; ; moment++ {
		files := volumes.New()
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		peer := openPeer(t, files, "a.rvf")
		count, struck, at := 0, false, ""
		files.Fail = func(operation string) error {
			if count++; count == moment && !struck {
				struck, at = true, operation
				files.Mu.Unlock() // the hook runs under the lock, before its operation
				peer.ingest(77, 1, 2)
				files.Mu.Lock()
			}
			return nil
		}
		_, err = s.Ingest(context.Background(), []uint64{1}, []float32{5, 6})
		files.Fail = nil
		if !struck {
			break
		}
		after, openErr := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		if openErr != nil {
			t.Fatal(openErr)
		}
		found := contents(t, after)
		switch {
		case err == nil && found[1] == nil && at != "remove":
			t.Errorf("moment %d: acknowledged, and %v is found", moment, found)
		case err != nil && !errors.Is(err, volume.ErrHeld):
			t.Errorf("moment %d: %v", moment, err)
		case err != nil:
			refused++
		}
		if found[77] == nil && at != "write" && !bytes.Contains(files.Content("a.rvf"), vecPayload([]uint64{77}, []float32{1, 2})) {
			t.Errorf("moment %d: what the other wrote is gone: %v", moment, found)
		}
	}
	if refused == 0 {
		t.Error("no commit was refused")
	}
}

func TestBranchesGiveNoInheritedIDsAndFreeze(t *testing.T) {
	t.Parallel()
	for _, frozen := range []bool{false, true} {
		files := volumes.New()
		members := segments.Membership{Bitmap: bytes.Repeat([]byte{0xff}, 16)}
		members.Header.VectorCount = 100
		if err := writeNew(context.Background(), filelog.Shelf{Files: files}, "b.rvf", newFileContent{
			manifest: &segments.Manifest{Dimension: 2},
			before:   []volume.NewSegment{{Type: segments.TypeCowMap, Payload: cowMap(8, frozen)}, {Type: segments.TypeMembership, Payload: members.Encode()}},
		}); err != nil {
			t.Fatal(err)
		}
		s, err := Open(context.Background(), "b.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Ingest(context.Background(), nil, []float32{1, 2})
		switch found := ownContents(t, s); {
		case frozen && (!errors.Is(err, volume.ErrReadOnly) || len(found) != 0):
			t.Errorf("a frozen branch took a vector: %v", err)
		case !frozen && (err != nil || found[100] == nil):
			t.Errorf("found %v: %v", found, err)
		}
	}
}

func TestHighestIDLeavesNone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	bring(t, s, []uint64{math.MaxUint64}, 1, 2)
	a := s.NewAppender()
	if err := a.Append(context.Background(), nil, make([]byte, 8)); !errors.Is(err, volume.ErrInput) {
		t.Errorf("the write that completes a vector without an id gave %v", err)
	}
	if err := a.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestHostileDeletedListIsCountedOnce(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	rows := []byte{2, 0, 1, 0, 0, 0}
	rows = append(rows, make([]byte, 16)...)
	if err := writeNew(context.Background(), filelog.Shelf{Files: files}, "a.rvf", newFileContent{
		manifest: &segments.Manifest{Dimension: 2, TotalVectors: 1 << 62, Deleted: []uint64{0, 0, 0, 9}},
		before:   []volume.NewSegment{{Type: segments.TypeVec, Payload: rows}},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	status, err := s.Status(context.Background())
	if err != nil || status.LiveVectors != 0 || status.DeletedVectors != 1 || status.TotalVectors != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

package store

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestFileOfManyNamesIsNotWritten: programs that lock by name would not see each
// other.
func TestFileOfManyNamesIsNotWritten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := emptyStore(t)
	bring(t, s, []uint64{1, 2}, 1, 2, 3, 4)
	stream := s.NewAppender()
	if err := stream.Append(ctx, []uint64{3}, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	link := func() {
		t.Helper()
		if err := files.Link("a.rvf", "b.rvf"); err != nil {
			t.Fatal(err)
		}
	}
	unlink := func() {
		t.Helper()
		if err := files.Remove("b.rvf"); err != nil {
			t.Fatal(err)
		}
	}
	link()
	before := bytes.Clone(files.Content("a.rvf"))
	other, err := Open(context.Background(), "b.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]error{}
	_, _, refused["commit of a stream that began before"] = stream.Commit(context.Background())
	_, refused["append"] = s.Ingest(ctx, []uint64{4}, []float32{1, 2})
	_, refused["delete"] = s.Delete(ctx, []uint64{1})
	_, refused["compaction"] = s.Compact(ctx)
	_, refused["append by the other name"] = other.Ingest(ctx, []uint64{5}, []float32{1, 2})
	_, refused["compaction by the other name"] = other.Compact(ctx)
	refused["move"] = moveTo(t.Context(), s, "c.rvf")
	for what, err := range refused {
		if !errors.Is(err, volume.ErrManyNames) || !strings.Contains(err.Error(), "cp ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !bytes.Equal(before, files.Content("a.rvf")) {
		t.Error("the file changed")
	}
	status, err := s.Status(ctx)
	if err != nil || status.Names != 2 || !status.ReadOnly {
		t.Errorf("status %+v, %v", status, err)
	}
	found, err := VerifySnapshot(ctx, reopenStore(t, s))
	if err != nil || found.Damages != 0 || !strings.Contains(found.Findings[0].Text, "2 hard links") {
		t.Errorf("verify: %+v, %v", found, err)
	}
	unlink()
	bring(t, s, []uint64{6}, 1, 2)
	if status, err = s.Status(ctx); err != nil || status.Names != 0 || status.ReadOnly {
		t.Errorf("status %+v, %v", status, err)
	}
	if len(files.Names) != 1 {
		t.Errorf("left: %v", files.Names)
	}
}

// TestLeftTemporaryNameIsDropped: stores once got their names by a link, and an
// interruption left the temporary name too.
func TestLeftTemporaryNameIsDropped(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "folder/a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	left, another := filelog.TemporaryName("folder/a.rvf"), filelog.TemporaryName("folder/a.rvf")
	if err := files.Link("folder/a.rvf", left); err != nil {
		t.Fatal(err)
	}
	putFile(t, files, another, []byte("of a compaction under way"))
	bring(t, s, []uint64{1}, 1, 2)
	if _, there := files.Names[left]; there {
		t.Error("the second name is still there")
	}
	if _, there := files.Names[another]; !there {
		t.Error("the temporary file of something else is gone")
	}
}

// TestTwoNamesInTurnShareALock: a name that was made and another that was removed
// while a stream was open must not let two writers in.
func TestTwoNamesInTurnShareALock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := emptyStore(t)
	for _, compacts := range []bool{false, true} {
		stream := s.NewAppender()
		if err := stream.Append(ctx, []uint64{3}, make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		if compacts {
			if _, err := s.Compact(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := files.Rename("a.rvf", "b.rvf"); err != nil {
			t.Fatal(err)
		}
		other, err := Open(context.Background(), "b.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Ingest(ctx, []uint64{5}, []float32{1, 2}); !errors.Is(err, volume.ErrHeld) {
			t.Errorf("beside a stream, compacted %t: %v", compacts, err)
		}
		if err := files.Rename("b.rvf", "a.rvf"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := stream.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMoveWaitsForTheNewName: whoever is making a store of that name has its lock.
func TestMoveWaitsForTheNewName(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := filelog.Acquire(context.Background(), files, "b.rvf", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := moveTo(t.Context(), s, "b.rvf"); !errors.Is(err, volume.ErrHeld) {
		t.Errorf("move: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if err := moveTo(t.Context(), s, "b.rvf"); err != nil {
		t.Error(err)
	}
	if _, there := files.Names["b.rvf"]; !there || len(files.Names) != 1 {
		t.Errorf("left: %v", files.Names)
	}
}

// moveTo gives a store another name in its folder, or below that.
func moveTo(ctx context.Context, s *Store, name string) error {
	files, former := filelog.FilesOf(s.shelf), s.Path()
	return s.MoveInto(ctx, s.shelf, name, func() error { return files.RenameNew(former, name) }, func(tail, moved string) error {
		return files.RenameNew(filelog.Beside(former, tail), filelog.Beside(name, moved))
	})
}

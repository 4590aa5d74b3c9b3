package memory

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"rvffs/store/volume/filelog"
)

// TestOnlyWhatWasNotSyncedIsLost crashes at some points of a log.
func TestOnlyWhatWasNotSyncedIsLost(t *testing.T) {
	t.Parallel()
	files := New()
	file, err := files.Create("a", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { _, err := file.WriteAt([]byte("one"), 0); return err },
		file.SyncData,
		func() error { return files.SyncDirectory("a") },
		func() error { _, err := file.WriteAt([]byte("two"), 3); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	all := func(int) bool { return true }
	for _, c := range []struct {
		crash Crash
		want  string
	}{
		{Crash{After: 5, Torn: -1}, "onetwo"},
		{Crash{After: 5, Torn: 1}, "onet"},
		{Crash{After: 5, Torn: -1, Lost: all}, "one"},
		{Crash{After: 2, Torn: -1, Lost: all}, ""},
	} {
		got := ""
		if node, known := files.State(c.crash).Names["a"]; known {
			got = string(node.Content)
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.crash, got, c.want)
		}
	}
}

// TestFoldersAreMovedWithWhatIsInThem crashes before and after a folder gets another
// name, which is certain only once it has settled.
func TestFoldersAreMovedWithWhatIsInThem(t *testing.T) {
	t.Parallel()
	files := New()
	place := files.Volume()
	ctx := t.Context()
	for _, step := range []func() error{
		func() error { return place.MakeFolder(ctx, "a", 0o755) },
		func() error {
			file, err := filelog.FilesOf(place.Shelf()).Create("a/b", 0o644)
			if err == nil {
				err = file.Close()
			}
			return err
		},
		func() error { return place.Settle(ctx, "a/b") },
		func() error { return place.Move(ctx, "a", "c") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	moved := files.Changes()
	if err := place.Settle(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	all := func(int) bool { return true }
	for _, c := range []struct {
		crash Crash
		want  string
	}{
		{Crash{After: moved, Torn: -1}, "[c c/b]"},
		{Crash{After: moved, Torn: -1, Lost: all}, "[a a/b]"},
		{Crash{After: moved + 1, Torn: -1, Lost: all}, "[c c/b]"},
		{Crash{After: 1, Torn: -1, Lost: all}, "[]"},
	} {
		if got := fmt.Sprint(slices.Sorted(maps.Keys(files.State(c.crash).Names))); got != c.want {
			t.Errorf("%+v: %s, want %s", c.crash, got, c.want)
		}
	}
}

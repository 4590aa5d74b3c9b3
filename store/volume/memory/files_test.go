package memory

import "testing"

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

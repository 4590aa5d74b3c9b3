package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsChangedThroughAReadOnlyMount by commands that are given its folders. Those
// that read work.
func TestNothingIsChangedThroughAReadOnlyMount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeStore(t, filepath.Join(dir, "store.rvf"), 3, []float32{1, 2, 3})
	before := readFile(t, filepath.Join(dir, "store.rvf"))
	m := serve(t, dir, "-o", "ro")
	ids := writeFile(t, filepath.Join(t.TempDir(), "ids"), []byte("1\n"))
	rows := writeFile(t, filepath.Join(t.TempDir(), "rows.jsonl"), jsonLines(2))
	for _, line := range [][]string{
		{"rm", m.path("store.rvf")},
		{"compact", m.path("store.rvf")},
		{"import", m.path("store.rvf"), rows},
		{"delete", m.path("store.rvf"), ids},
		{"remove", m.path("store.rvf"), "kernel"},
		{"create", m.path("new.rvf")},
		{"derive", m.path("store.rvf"), m.path("child.rvf")},
	} {
		got := try(t, program, line...)
		if got.code != 1 || !strings.Contains(got.stderr, "is mounted read-only") {
			t.Errorf("%v: %+v", line, got)
		}
	}
	run(t, program, "verify", m.path("store.rvf"))
	run(t, program, "status", m.path("store.rvf"))
	if !bytes.Equal(readFile(t, filepath.Join(dir, "store.rvf")), before) {
		t.Error("the store was changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the backing folder has %v, %v", entries, err)
	}
}

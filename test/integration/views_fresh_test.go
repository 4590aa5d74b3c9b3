package integration

import (
	"bytes"
	"path/filepath"
	"testing"
)

// TestViewsAreAsNewAsTheStatus: by their names, views of vectors show what a command has
// stored when it ends, and what another program has stored as soon as status.json does.
func TestViewsAreAsNewAsTheStatus(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	run(t, program, "create", m.backing("e.rvf"), "--dimension", "2")
	soon(t, m, "e.rvf")
	lines := func() int { return bytes.Count(readFile(t, m.path("e.rvf", "vectors", "vectors.jsonl")), []byte("\n")) }
	vector := filepath.Join(t.TempDir(), "v.jsonl")
	writeFile(t, vector, []byte("[1,2]\n"))
	for stored := 0; stored < 10; stored += 2 {
		if got := lines(); got != stored {
			t.Errorf("%d vectors are shown where %d are stored", got, stored)
		}
		run(t, program, "import", m.path("e.rvf"), vector)
		if got := lines(); got != stored+1 {
			t.Errorf("a command has stored vector %d, and %d are shown", stored+1, got)
		}
		run(t, program, "import", m.backing("e.rvf"), vector)
		if status, err := decode[struct {
			Live int `json:"live_vectors"`
		}](m.path("e.rvf", "status.json")); err != nil || status.Live != stored+2 {
			t.Errorf("status.json has %d, %v", status.Live, err)
		}
		if got := lines(); got != stored+2 {
			t.Errorf("status.json shows that vector %d is stored, and %d are shown", stored+2, got)
		}
	}
}

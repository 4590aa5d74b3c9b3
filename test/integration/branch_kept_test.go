package integration

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestBranchFilesAreNoVectors: what a branch shows of its parent's is not in its file, so
// that is taken for the vectors of another store by no way, and what to do is said. Its views
// bring all.
func TestBranchFilesAreNoVectors(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
	withVectors(t, m.backing("p.rvf"), model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", m.backing("p.rvf"), m.backing("b.rvf"))
	withVectors(t, m.backing("b.rvf"), model{7: {7, 7}})
	run(t, program, "create", m.backing("new.rvf"), "--dimension", "2")
	soon(t, m, "new.rvf")
	awaitFile(t, m.path("p.rvf", "b.rvf", "status.json"))
	raw := readFile(t, m.path("p.rvf", "b.rvf", "raw"))
	const says = "append its vectors/vectors.jsonl"
	if err := pour(m.path("new.rvf", "vectors.append"), raw); err == nil {
		t.Error("vectors.append took the file of a branch")
	}
	if said := string(readFile(t, m.path("new.rvf", "append.log"))); !strings.Contains(said, says) {
		t.Errorf("append.log does not say what to do: %s", said)
	}
	if err := os.WriteFile(m.path("new.rvf", "incoming", "b.rvf"), raw, 0o644); err == nil {
		eventually(t, "the receipt says what to do", func() error {
			for _, name := range names(t, m.path("new.rvf", "incoming")) {
				if bytes.Contains(readFile(t, m.path("new.rvf", "incoming", name)), []byte(says)) {
					return nil
				}
			}
			return os.ErrNotExist
		})
	}
	if refused := try(t, program, "import", m.backing("new.rvf"), m.backing("b.rvf")); refused.code != 1 || !strings.Contains(refused.stderr, says) {
		t.Errorf("import of the file of a branch: %d, %s", refused.code, refused.stderr)
	}
	if shown := readFile(t, m.path("new.rvf", "vectors", "vectors.jsonl")); len(shown) > 0 {
		t.Errorf("what was refused has left vectors: %s", shown)
	}
	shell(t, `cp "$1/vectors/vectors.jsonl" "$2/vectors.append"`, m.path("p.rvf", "b.rvf"), m.path("new.rvf"))
	if got, want := readFile(t, m.path("new.rvf", "vectors", "vectors.jsonl")), readFile(t, m.path("p.rvf", "b.rvf", "vectors", "vectors.jsonl")); !bytes.Equal(got, want) {
		t.Errorf("the views of the branch brought\n%s, and it shows\n%s", got, want)
	}
}

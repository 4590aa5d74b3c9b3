package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsSayWhatIsSo: names are printed as letters, a branch is called one, and what cannot
// be meant is refused.
func TestCommandsSayWhatIsSo(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	strange := m.backing("a\nb\x1b[31m.rvf")
	if got := run(t, program, "create", strange, "--dimension", "2"); !strings.Contains(got, `a\u000ab\u001b[31m.rvf: `) {
		t.Errorf("create says %q", got)
	}
	run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
	withVectors(t, m.backing("p.rvf"), model{1: {1, 2}, 2: {3, 4}})
	soon(t, m, "p.rvf")
	ids := filepath.Join(t.TempDir(), "ids")
	writeFile(t, ids, []byte("1\n"))
	if got := try(t, program, "derive", m.backing("p.rvf"), m.backing("c.rvf"), "--copy", "--ids", ids); got.code == 0 || !strings.Contains(got.stderr, "give one of the two") || exists(m.backing("c.rvf")) {
		t.Errorf("derive --copy --ids: %+v", got)
	}
	run(t, program, "branch", m.backing("p.rvf"), m.backing("b.rvf"))
	if got := run(t, program, "verify", m.backing("b.rvf")); !strings.Contains(got, " 0 ids of its own as a branch, ") {
		t.Errorf("verify says %s", got)
	}

	// Stores without extension are stores, in a store's folder, too.
	demand(t, "derive", os.Mkdir(m.path("p.rvf", "noext"), 0o755))
	withVectors(t, m.backing("noext"), model{3: {1, 2}})
	if got := try(t, program, "query", m.path("p.rvf", "noext"), "--id", "3"); got.code != 0 {
		t.Errorf("query of a store without extension: %+v", got)
	}
	if got := try(t, program, "status", m.path("p.rvf", "raw")); got.code == 0 || !strings.Contains(got.stderr, "lies in the folder of one") {
		t.Errorf("status of a view: %+v", got)
	}
	demand(t, "derive", os.Mkdir(m.path("p.rvf", "c.rvf"), 0o755))
	for _, command := range []string{"branch", "derive"} {
		elsewhere := m.path("p.rvf", "c.rvf", "z.rvf")
		if got := try(t, program, command, m.path("p.rvf"), elsewhere); got.code == 0 || !strings.Contains(got.stderr, "name it "+m.path("p.rvf", "z.rvf")) || exists(m.backing("z.rvf")) {
			t.Errorf("%s to the folder of another store: %+v", command, got)
		}
	}
	run(t, program, "branch", m.path("p.rvf"), m.path("p.rvf", "z.rvf"))
}

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNobodyCopiesWhatHeMayNotRead: who owns a branch and may not read its parent's file gets
// nothing of what the branch inherits, by whatever copies it for him. Who may read both
// does.
func TestNobodyCopiesWhatHeMayNotRead(t *testing.T) {
	t.Parallel()
	const user = 4242
	for _, derive := range []string{"empty", "branch", "copy"} {
		t.Run(derive, func(t *testing.T) {
			t.Parallel()
			m := commons(t, nil, "--derive="+derive)
			run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
			withVectors(t, m.backing("p.rvf"), numbered(0, randomRows(1, 10, 2)))
			run(t, program, "branch", m.backing("p.rvf"), m.backing("b.rvf"))
			give(t, m.backing("p.rvf"), 0, 0o600)
			give(t, m.backing("b.rvf"), user, 0o644)
			demand(t, "folder", os.Chmod(m.backing(), 0o777))
			branch := m.path("b.rvf")
			awaitFile(t, filepath.Join(branch, "status.json"))
			before := readFile(t, m.backing("b.rvf"))
			person := newPerson(t, user)
			person.cannot("read", []string{filepath.Join(branch, "vectors", "vectors.f32")}, syscall.EACCES)
			person.cannot("write", []string{filepath.Join(branch, "ctl"), "flatten\n"}, syscall.EACCES)
			child := filepath.Join(branch, "k.rvf")
			if derive == "empty" {
				person.must("mkdir", child, "755")
			} else {
				person.cannot("mkdir", []string{child, "755"}, syscall.EACCES)
			}
			if string(readFile(t, m.backing("b.rvf"))) != string(before) {
				t.Error("the branch has changed")
			}
			demand(t, "open", os.Chmod(m.backing("p.rvf"), 0o644))
			awaitFile(t, filepath.Join(branch, "status.json"))
			person.must("write", filepath.Join(branch, "ctl"), "flatten\n")
			if shown := person.must("read", filepath.Join(branch, "vectors", "vectors.jsonl")); strings.Count(shown, "\n") != 10 {
				t.Errorf("the flattened branch shows %q", shown)
			}
		})
	}
}

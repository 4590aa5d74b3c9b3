package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMovedBranchesLeaveTheList ends branches that were moved since their parent listed them, in
// each way: the list has them under their former names, and no more.
func TestMovedBranchesLeaveTheList(t *testing.T) {
	t.Parallel()
	for moved, move := range map[string]func(*testing.T, *mount){
		"in the mount": func(t *testing.T, m *mount) {
			shell(t, `mv "$1/p.rvf/b.rvf" "$1/p.rvf/c.rvf"`, m.Point)
		},
		"behind the mount": func(t *testing.T, m *mount) {
			demand(t, "move", os.Rename(m.backing("b.rvf"), m.backing("c.rvf")))
			eventually(t, "it is shown", func() error { _, err := os.Stat(m.path("p.rvf", "c.rvf", "ctl")); return err })
		},
	} {
		for ended, end := range map[string]string{
			"flattened by the command": `"$2" flatten "$3"`,
			"flattened through ctl":    `echo flatten > "$1/ctl"`,
			"removed by the command":   `"$2" rm "$3"`,
			"removed by rmdir":         `seq 0 29 > "$1/vectors.delete"; rmdir "$1"`,
		} {
			t.Run(moved+", "+ended, func(t *testing.T) {
				t.Parallel()
				m := serve(t, t.TempDir(), "--derive=branch")
				run(t, program, "create", m.backing("p.rvf"), "--dimension", "3")
				soon(t, m, "p.rvf")
				demand(t, "append", pour(m.path("p.rvf", "vectors.append"), numbered(0, randomRows(1, 30, 3)).jsonLines(t)))
				demand(t, "make a branch", os.Mkdir(m.path("p.rvf", "b.rvf"), 0o755))
				if listed := run(t, "jq", "-r", ".branches[].file", m.path("p.rvf", "status.json")); listed != "b.rvf\n" {
					t.Fatalf("listed is %q", listed)
				}
				move(t, m)
				shell(t, end, m.path("p.rvf", "c.rvf"), program, m.backing("c.rvf"))
				if listed := run(t, "jq", "-c", ".branches", m.path("p.rvf", "status.json")); listed != "null\n" {
					t.Errorf("listed is still %s", listed)
				}
				_ = os.Remove(m.backing("c.rvf"))
				run(t, program, "rm", m.backing("p.rvf"))
			})
		}
	}
}

// TestNamesOfBranchesInLetters: what a terminal would not take for letters in the name of a
// branch, which may come from the parent's file, is not what people are told.
func TestNamesOfBranchesInLetters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent, branch := filepath.Join(dir, "p.rvf"), filepath.Join(dir, "e\x1b]0;x\a.rvf")
	run(t, program, "create", parent, "--dimension", "3")
	withVectors(t, parent, model{1: {1, 2, 3}})
	run(t, program, "branch", parent, branch)
	for _, words := range [][]string{{"rm", parent}, {"status", branch}, {"inspect", branch}, {"verify", branch}, {"rm", branch}} {
		got := try(t, program, words...)
		if text := got.stdout + got.stderr; strings.ContainsAny(text, "\x1b\a") || words[0] != "inspect" && !strings.Contains(text, `e\u001b]0;x\u0007.rvf`) {
			t.Errorf("%s says %q", words[0], text)
		}
	}
}

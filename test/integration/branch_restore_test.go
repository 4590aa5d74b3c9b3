package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRestoreBranches: a backup of a branch comes back through a mount beside its parent,
// before it and without it, by the programs that people use, and shows what it showed as soon
// as the parent is there.
func TestRestoreBranches(t *testing.T) {
	t.Parallel()
	for how, makeBranch := range map[string]string{
		"by the command": `"$3" branch "$1/parent.rvf" "$1/branch.rvf"`,
		"by setfattr":    `mkdir "$2/parent.rvf/branch.rvf"; setfattr -n user.rvf.derivation_type -v branch "$2/parent.rvf/branch.rvf"`,
	} {
		for when, restore := range map[string]string{
			"beside its parent": `"$3" rm "$2/branch.rvf"; cp "$4/branch.rvf" "$2"`,
			"by incoming":       `"$3" rm "$2/branch.rvf"; cp "$4/branch.rvf" "$2/incoming/"`,
			"after its parent":  `"$3" rm "$2/branch.rvf" "$2/parent.rvf"; cp "$4/parent.rvf" "$2"; cp "$4/branch.rvf" "$2"`,
			"before its parent": `"$3" rm "$2/branch.rvf" "$2/parent.rvf"; cp "$4/branch.rvf" "$2"; ! cat "$2/branch.rvf/vectors/vectors.jsonl" 2> /dev/null; cp "$4/parent.rvf" "$2"`,
			"all by rsync":      `"$3" rm "$2/branch.rvf" "$2/parent.rvf"; rsync -a "$4/" "$2"`,
		} {
			t.Run(how+", "+when, func(t *testing.T) {
				t.Parallel()
				demandProgram(t, "setfattr")
				demandProgram(t, "rsync")
				m, saved := serve(t, t.TempDir()), t.TempDir()
				branch := m.path("parent.rvf", "branch.rvf")
				shell(t, `mkdir "$2/parent.rvf"; printf '[1,2]\n[3,4]\n[5,6]\n' > "$2/parent.rvf/vectors.append"`+"\n"+makeBranch, m.Dir, m.Point, program)
				eventually(t, "the branch is shown", func() error { _, err := os.Stat(branch); return err })
				shell(t, `printf '[7,8]\n' > "$1/vectors.append"; cp "$1/raw" "$3/branch.rvf"; cp "$2/raw" "$3/parent.rvf"`, branch, m.path("parent.rvf"), saved)
				want := readFile(t, filepath.Join(branch, "vectors", "vectors.jsonl"))
				if lines := strings.Count(string(want), "\n"); lines != 4 {
					t.Fatalf("the branch shows %d vectors", lines)
				}
				shell(t, restore, m.Dir, m.Point, program, saved)
				eventually(t, "the branch is shown again", func() error {
					got := try(t, "cat", filepath.Join(branch, "vectors", "vectors.jsonl"))
					if got.stdout != string(want) {
						return fmt.Errorf("it shows %q, %s; want %q", got.stdout, got.stderr, want)
					}
					return nil
				})
				run(t, program, "verify", m.backing("branch.rvf"), m.backing("parent.rvf"))
			})
		}
	}
}

// TestDamagedBranchesAreNotRestored: the parent may be missing, but what the file of a branch
// holds itself has to be right.
func TestDamagedBranchesAreNotRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(dir, "branch.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}})
	run(t, program, "branch", parent, branch)
	withVectors(t, branch, model{2: {7, 8}})
	content := readFile(t, branch)
	m := serve(t, t.TempDir())
	for what, at := range map[string][]byte{"vectors": rawRows([]float32{7, 8}), "filter": []byte("BMVR"), "map": []byte("MCVR")} {
		flipped := bytes.Clone(content)
		where := bytes.Index(flipped, at)
		if where < 0 {
			t.Fatalf("no %s in the branch", what)
		}
		flipped[where] ^= 1
		wantRefusal(t, try(t, "cp", writeFile(t, filepath.Join(t.TempDir(), "branch.rvf"), flipped), m.Point), syscall.EINVAL)
	}
	if got := names(t, m.Dir); len(got) > 0 {
		t.Errorf("the backing folder has %q", got)
	}
	run(t, "cp", branch, m.Point)
}

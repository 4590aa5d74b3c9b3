package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheEndOfABranchIsToldToItsParentAlone: copies of that which list the branch, too, are not
// touched, however many there are, and nothing lists it any more that counts.
func TestTheEndOfABranchIsToldToItsParentAlone(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"rm", "flatten"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			parent, branch := at("p.rvf"), at("b.rvf")
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, model{1: {1, 2}, 2: {3, 4}})
			run(t, program, "branch", parent, branch)
			for _, name := range []string{"a.rvf", "z.rvf"} {
				run(t, "cp", parent, at(name))
			}
			before := readFile(t, parent)
			if got := try(t, program, command, branch); got.code != 0 || got.stderr != "" {
				t.Fatalf("%+v", got)
			}
			for _, name := range []string{"a.rvf", "z.rvf"} {
				if !bytes.Equal(readFile(t, at(name)), before) {
					t.Errorf("the copy %s was changed", name)
				}
			}
			if listed := run(t, program, "status", parent, "--json"); strings.Contains(listed, `"branches"`) {
				t.Errorf("the parent has %s", listed)
			}
			if command == "flatten" {
				run(t, program, "rm", branch)
			}
			run(t, program, "rm", at("z.rvf"), at("a.rvf")) // the parent says that the branch is gone
			run(t, program, "rm", parent)
		})
	}
}

// TestCopiesThatNoBranchNeedsMayGo while the file that branches have their vectors from stays; of
// that one, and where it is not known, rm says why it keeps it.
func TestCopiesThatNoBranchNeedsMayGo(t *testing.T) {
	t.Parallel()
	const made = `P t; B t/p.rvf t/b.rvf; `
	for name, test := range map[string]struct{ script, says string }{
		"a copy":                             {script: made + `cp t/p.rvf t/a.rvf; "$rvffs" rm t/a.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy in another folder":           {script: made + `cp t/p.rvf t/o/; "$rvffs" rm t/o/p.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy of the parent of a child":    {script: made + `"$rvffs" derive t/p.rvf t/c.rvf; cp t/p.rvf t/a.rvf; "$rvffs" rm t/a.rvf; N t/b.rvf`},
		"the original":                       {made + `cp t/p.rvf t/a.rvf; refused "$rvffs" rm t/p.rvf; refused "$rvffs" rm t/p.rvf t/a.rvf; K t/p.rvf; N t/b.rvf`, "has branches, which would lose the vectors that they show of it: b.rvf"},
		"the parent of a child":              {`P t; "$rvffs" derive t/p.rvf t/c.rvf; cp t/p.rvf t/a.rvf; refused "$rvffs" rm t/p.rvf; N t/p.rvf`, "t/p.rvf is the parent of c.rvf"},
		"a copy that a branch reads":         {made + `cp t/p.rvf t/a.rvf; B t/a.rvf t/n.rvf; refused "$rvffs" rm t/a.rvf; K t/a.rvf; N t/n.rvf`, "show of it: n.rvf"},
		"a copy of one that lists it not":    {`P t; B t/p.rvf t/b.rvf; cp t/p.rvf t/a.rvf; mkdir t/q; mv t/b.rvf t/q/; "$rvffs" rm --force t/p.rvf; refused "$rvffs" rm t/a.rvf; N t/q/b.rvf`, "b.rvf"},
		"the original is damaged":            {made + `cp t/p.rvf t/a.rvf; truncate -s 200 t/p.rvf; refused "$rvffs" rm t/a.rvf; N t/b.rvf`, "b.rvf"},
		"an older copy lacks the branch":     {`P t; cp t/p.rvf old; "$rvffs" delete t/p.rvf 39; echo '{"id":39,"vector":[9,9]}' | "$rvffs" import t/p.rvf -; B t/p.rvf t/b.rvf; cp t/p.rvf t/a.rvf; cp old t/p.rvf; refused "$rvffs" rm t/a.rvf; N t/b.rvf`, "b.rvf"},
		"a branch is gone":                   {made + `cp t/p.rvf t/a.rvf; rm t/b.rvf; refused "$rvffs" rm t/a.rvf; N t/p.rvf`, "rvffs rm --branch b.rvf t/a.rvf"},
		"a branch was removed":               {script: made + `cp t/p.rvf t/a.rvf; "$rvffs" rm t/b.rvf; "$rvffs" rm t/a.rvf; N t/p.rvf`},
		"a branch is gone, as was said":      {script: made + `cp t/p.rvf t/a.rvf; rm t/b.rvf; "$rvffs" rm --branch b.rvf t/p.rvf; "$rvffs" rm t/a.rvf; N t/p.rvf`},
		"something else has a branch's name": {made + `cp t/p.rvf t/a.rvf; mv t/b.rvf t/o/x.rvf; echo x > t/b.rvf; refused "$rvffs" rm t/a.rvf; N t/p.rvf`, "b.rvf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := "cd \"$1\"; rvffs=" + must(filepath.Abs(program))(t) + familyWords + test.script
			got := strings.TrimSpace(shell(t, script, t.TempDir()))
			if lines := strings.Split(got, "\n"); lines[len(lines)-1] != "40" || !strings.Contains(got, test.says) {
				t.Errorf("it says no %q, or not 40 vectors are left:\n%s", test.says, got)
			}
		})
	}
}

// TestWhatRmSaysOfLostBranchesCanBeDone: the very command that lets go of what the list has, for
// names of which a shell would make something.
func TestWhatRmSaysOfLostBranchesCanBeDone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := filepath.Join(dir, "the parent.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}})
	for _, name := range []string{"it's.rvf", "b.rvf"} {
		run(t, program, "branch", parent, filepath.Join(dir, name))
		demand(t, "remove", os.Remove(filepath.Join(dir, name)))
	}
	got := try(t, program, "rm", parent)
	_, after, said := strings.Cut(got.stderr, "say rvffs")
	words, _, ends := strings.Cut(after, ", and it can be removed")
	if got.code != 1 || !said || !ends {
		t.Fatalf("rm: %+v", got)
	}
	shell(t, fmt.Sprintf(`"$1" %s && "$1" rm "$2"`, words), program, parent)
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBranchesThatMove parts a branch and its parent in every way, by mv in the mount and
// behind it. Then the parent's file is compacted where no mount is: the branch shows what it
// did, byte for byte, also when all is mounted again, and the parent is not removed.
func TestBranchesThatMove(t *testing.T) {
	t.Parallel()
	const inMount, behind = true, false
	type move struct {
		mount    bool
		from, to string
	}
	for _, test := range []struct {
		name           string
		parent, branch string // where their files are first
		moves          []move
		at, branchAt   string // and then
	}{
		{"the parent", "p.rvf", "b.rvf", []move{{inMount, "p.rvf", "x/p.rvf"}}, "x/p.rvf", "b.rvf"},
		{"the parent, to another name", "x/p.rvf", "x/b.rvf", []move{{inMount, "x/p.rvf", "q.rvf"}}, "q.rvf", "x/b.rvf"},
		{"the parent, and back", "p.rvf", "b.rvf", []move{{inMount, "p.rvf", "x/p.rvf"}, {inMount, "x/p.rvf", "p.rvf"}}, "p.rvf", "b.rvf"},
		{"the parent, twice", "p.rvf", "b.rvf", []move{{inMount, "p.rvf", "x/p.rvf"}, {inMount, "x/p.rvf", "x/y/p.rvf"}}, "x/y/p.rvf", "b.rvf"},
		{"the parent, then its folder", "x/p.rvf", "x/b.rvf", []move{{inMount, "x/p.rvf", "x/y/p.rvf"}, {inMount, "x/y", "z"}}, "z/p.rvf", "x/b.rvf"},
		{"the folder of both", "x/p.rvf", "x/b.rvf", []move{{inMount, "x", "z"}}, "z/p.rvf", "z/b.rvf"},
		{"the folder of both, nested", "x/y/p.rvf", "x/y/b.rvf", []move{{inMount, "x/y", "y"}, {inMount, "y/p.rvf", "x/p.rvf"}}, "x/p.rvf", "y/b.rvf"},
		{"the folder of both, then the parent", "x/p.rvf", "x/b.rvf", []move{{inMount, "x", "z"}, {inMount, "z/p.rvf", "p.rvf"}}, "p.rvf", "z/b.rvf"},
		{"the folder of the branch", "p.rvf", "x/b.rvf", []move{{inMount, "x", "z"}}, "p.rvf", "z/b.rvf"},
		{"the folder of the parent", "x/p.rvf", "b.rvf", []move{{inMount, "x", "z"}}, "z/p.rvf", "b.rvf"},
		{"the folders of either", "x/p.rvf", "y/b.rvf", []move{{inMount, "x", "u"}, {inMount, "y", "u/v"}}, "u/p.rvf", "u/v/b.rvf"},
		{"the branch behind the mount", "p.rvf", "b.rvf", []move{{behind, "b.rvf", "x/b.rvf"}}, "p.rvf", "x/b.rvf"},
		{"the parent behind the mount", "p.rvf", "b.rvf", []move{{behind, "p.rvf", "x/p.rvf"}}, "x/p.rvf", "b.rvf"},
		{"the branch, then the parent", "p.rvf", "b.rvf", []move{{behind, "b.rvf", "x/b.rvf"}, {inMount, "p.rvf", "x/y/p.rvf"}}, "x/y/p.rvf", "x/b.rvf"},
		{"the parent, then the branch", "p.rvf", "b.rvf", []move{{inMount, "p.rvf", "x/p.rvf"}, {behind, "b.rvf", "x/y/c.rvf"}}, "x/p.rvf", "x/y/c.rvf"},
		{"both behind the mount", "p.rvf", "b.rvf", []move{{behind, "p.rvf", "x/p.rvf"}, {behind, "b.rvf", "b2.rvf"}}, "x/p.rvf", "b2.rvf"},
		{"a folder behind the mount", "x/p.rvf", "b.rvf", []move{{behind, "x", "z"}}, "z/p.rvf", "b.rvf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := serve(t, t.TempDir())
			for _, folder := range []string{"x/y", "y"} {
				demand(t, "make a folder", os.MkdirAll(m.backing(folder), 0o755))
			}
			if strings.HasPrefix(test.moves[0].to, "y") {
				demand(t, "remove a folder", os.Remove(m.backing("y")))
			}
			rows := numbered(0, randomRows(1, 30, 3))
			run(t, program, "create", m.backing(test.parent), "--dimension", "3")
			soon(t, m, test.parent)
			parent := m.path(test.parent)
			if err := pour(filepath.Join(parent, "vectors.append"), rows.jsonLines(t)); err != nil {
				t.Fatal(err)
			}
			run(t, program, "branch", m.backing(test.parent), m.backing(test.branch))
			awaitFile(t, m.path(test.branch, "status.json"))
			want := branchViews(t, m.path(test.branch))
			if err := errors.Join(pour(filepath.Join(parent, "vectors.append"), numbered(0, randomRows(2, 10, 3)).jsonLines(t)), pour(filepath.Join(parent, "vectors.delete"), []byte("20\n21\n"))); err != nil {
				t.Fatal(err)
			}
			for _, move := range test.moves {
				if move.mount {
					run(t, "mv", "-T", m.path(move.from), m.path(move.to))
				} else {
					run(t, "mv", "-T", m.backing(move.from), m.backing(move.to))
					awaitGone(t, m, move.from)
				}
			}
			before := branchViews(t, m.path(test.branchAt))
			for name, content := range want {
				if !bytes.Equal(before[name], content) {
					t.Errorf("after the moves, %s of the branch has %d bytes, and had %d", name, len(before[name]), len(content))
				}
			}
			// What a compaction keeps for branches stands behind what the parent goes on having.
			check := func(moment string) {
				t.Helper()
				got := branchViews(t, m.path(test.branchAt))
				for name, content := range want {
					now := got[name]
					if len(now) != len(content) || !slices.Contains([]string{".npy", ".f32"}, filepath.Ext(name)) && !slices.Equal(sortedLines(now), sortedLines(content)) {
						t.Errorf("%s, %s of the branch is\n%q, and was\n%q", moment, name, now, content)
					}
				}
			}
			apart := filepath.Dir(test.at) != filepath.Dir(test.branchAt)
			listed := func() error {
				names(t, m.Point) // a mount at which nobody looks sees no moves
				return listsBranch(t, m.backing(test.at), m.backing(test.branchAt))
			}
			if apart && !test.moves[len(test.moves)-1].mount {
				eventually(t, "the parent lists the branch when the mount has seen the move", listed)
			}
			run(t, program, "compact", m.backing(test.at))
			check("after a compaction of the parent's file")
			if refused := try(t, program, "rm", m.backing(test.at)); refused.code != 1 || !strings.Contains(refused.stderr, filepath.Base(test.branchAt)) {
				t.Errorf("rm of the parent's file: %d, %s", refused.code, refused.stderr)
			}
			if apart {
				eventually(t, "the parent lists the branch where it is", listed)
			}
			m.stop()
			run(t, program, "compact", m.backing(test.at))
			m = serve(t, m.Dir)
			check("mounted again")
		})
	}
}

// awaitFile waits until there is something at a path.
func awaitFile(t testing.TB, path string) {
	t.Helper()
	eventually(t, path+" is there", func() error {
		_, err := os.Stat(path)
		return err
	})
}

// awaitGone waits until the mount knows that nothing stands at a name any more.
func awaitGone(t testing.TB, m *mount, name string) {
	t.Helper()
	eventually(t, name+" is gone", func() error {
		if slices.Contains(names(t, filepath.Dir(m.path(name))), filepath.Base(name)) {
			return fmt.Errorf("%s is listed", name)
		}
		return nil
	})
}

// sortedLines are the lines of a text in order.
func sortedLines(text []byte) []string {
	lines := strings.Split(string(text), "\n")
	slices.Sort(lines)
	return lines
}

// branchViews are views of a store's vectors.
func branchViews(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	views := map[string][]byte{}
	for _, name := range []string{"vectors.f32", "vectors.npy", "ids.npy", "vectors.jsonl", "vectors.csv"} {
		content, err := os.ReadFile(filepath.Join(folder, "vectors", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		views[name] = content
	}
	return views
}

// listsBranch fails unless the store in a file lists a branch by the path that leads to it.
func listsBranch(t testing.TB, file, branch string) error {
	status := run(t, program, "status", file, "--json")
	var told struct {
		Branches []struct{ File string }
	}
	if err := json.Unmarshal([]byte(status), &told); err != nil {
		return err
	}
	for _, listed := range told.Branches {
		if filepath.Join(filepath.Dir(file), listed.File) == branch {
			return nil
		}
	}
	return fmt.Errorf("%s lists %v, and not %s", file, told.Branches, branch)
}

// TestMovesThatWouldPartBranches: a parent that cannot list its branches is not moved away
// from them, nothing is changed, and the log says why.
func TestMovesThatWouldPartBranches(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	demand(t, "make a folder", os.Mkdir(m.backing("x"), 0o755))
	for _, name := range []string{"frozen", "held"} {
		run(t, program, "create", m.backing(name+".rvf"), "--dimension", "2")
		withVectors(t, m.backing(name+".rvf"), model{1: {1, 2}, 2: {3, 4}})
	}
	// So their branches cannot be listed when they are made either.
	run(t, program, "freeze", m.backing("frozen.rvf"))
	unlock := lockAsPeer(t, m.backing("held.rvf"))
	for _, name := range []string{"frozen", "held"} {
		run(t, program, "branch", m.backing(name+".rvf"), m.backing(name+"-branch.rvf"))
		awaitFile(t, m.path(name+".rvf", name+"-branch.rvf", "status.json"))
	}
	says := map[string]string{"frozen": "read-only: the store is frozen", "held": "another writer holds the store"}
	for name, want := range map[string]error{"frozen": unix.EROFS, "held": unix.EBUSY} {
		before := readFile(t, m.backing(name+".rvf"))
		if err := os.Rename(m.path(name+".rvf"), m.path("x", name+".rvf")); !errors.Is(err, want) {
			t.Errorf("the move of %s.rvf: %v, want %v", name, err, want)
		}
		if !bytes.Equal(readFile(t, m.backing(name+".rvf")), before) {
			t.Errorf("the move that was refused has changed %s.rvf", name)
		}
		if log := string(readFile(t, m.path(".rvffs", "log"))); !strings.Contains(log, "a branch and its parent would lie in different folders, and the parent cannot list it: "+says[name]) {
			t.Errorf("of %s.rvf the log says %s", name, log)
		}
	}
	unlock()
	run(t, "mv", m.path("held.rvf"), m.path("x", "held.rvf"))
}

// TestCommandsFindParentsNearby: a command that reads a branch finds its parent by its id in
// the folders near its own, when it is not where the branch has it.
func TestCommandsFindParentsNearby(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ parent, branch string }{
		{"below/deep/p.rvf", "b.rvf"}, {"p.rvf", "x/b.rvf"}, {"p.rvf", "x/y/b.rvf"}, {"sibling/p.rvf", "x/b.rvf"}, {"p.rvf", "b.rvf"},
	} {
		dir := filepath.Join(t.TempDir(), "a", "b", "c")
		parent, branch := filepath.Join(dir, test.parent), filepath.Join(dir, test.branch)
		first := filepath.Join(dir, "first")
		demand(t, "make folders", errors.Join(os.MkdirAll(filepath.Dir(parent), 0o755), os.MkdirAll(filepath.Dir(branch), 0o755), os.MkdirAll(first, 0o755)))
		run(t, program, "create", filepath.Join(first, "p.rvf"), "--dimension", "2")
		withVectors(t, filepath.Join(first, "p.rvf"), model{1: {1, 2}, 2: {3, 4}})
		run(t, program, "branch", filepath.Join(first, "p.rvf"), filepath.Join(first, "b.rvf"))
		demand(t, "move", errors.Join(os.Rename(filepath.Join(first, "p.rvf"), parent), os.Rename(filepath.Join(first, "b.rvf"), branch)))
		for _, command := range [][]string{
			{"export", branch, "-f", "jsonl", "-o", "-"}, {"query", branch, "--vector", "[1,2]", "-k", "1"}, {"status", branch}, {"verify", branch},
			{"branch", branch, filepath.Join(filepath.Dir(branch), "second.rvf")}, {"flatten", branch},
		} {
			if got := try(t, program, command...); got.code != 0 || strings.Contains(got.stdout+got.stderr, "cannot be read") {
				t.Errorf("parent %s, branch %s: %s: %+v", test.parent, test.branch, command[0], got)
			}
		}
	}
}

// TestBranchesOfParentsThatAreNew: who makes a parent and a branch of it behind a mount reads
// the branch through the mount at once.
func TestBranchesOfParentsThatAreNew(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	names(t, m.path())
	for i := range 8 {
		parent, branch := fmt.Sprintf("p%d.rvf", i), fmt.Sprintf("b%d.rvf", i)
		run(t, program, "create", m.backing(parent), "--dimension", "2")
		withVectors(t, m.backing(parent), numbered(0, randomRows(1, 30, 2)))
		run(t, program, "branch", m.backing(parent), m.backing(branch))
		if shown := readFile(t, m.path(branch, "vectors", "vectors.jsonl")); bytes.Count(shown, []byte("\n")) != 30 {
			t.Errorf("%s shows %q", branch, shown)
		}
		var status struct{ Branch struct{ Problem string } }
		demand(t, "status", json.Unmarshal(readFile(t, m.path(branch, "status.json")), &status))
		if status.Branch.Problem != "" {
			t.Errorf("%s: %s", branch, status.Branch.Problem)
		}
	}
}

// TestCommandsAskTheMount: a branch that is named by its folder in a mount is read by commands
// as the mount shows it, however far its parents were moved there.
func TestCommandsAskTheMount(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	for _, folder := range []string{"y", "z", "w/w/w/w/d", "v/v/v/v/d"} {
		demand(t, "folder", os.MkdirAll(m.backing(folder), 0o755))
	}
	run(t, program, "create", m.backing("y/p.rvf"), "--dimension", "2")
	withVectors(t, m.backing("y/p.rvf"), numbered(0, randomRows(1, 30, 2)))
	run(t, program, "branch", m.backing("y/p.rvf"), m.backing("y/b.rvf"))
	run(t, program, "branch", m.backing("y/b.rvf"), m.backing("z/bb.rvf"))
	demand(t, "move", os.Rename(m.backing("y/b.rvf"), m.backing("v/v/v/v/d/b.rvf")))
	demand(t, "move", os.Rename(m.backing("y/p.rvf"), m.backing("w/w/w/w/d/p.rvf")))
	awaitFile(t, m.path("w/w/w/w/d/p.rvf/b.rvf/bb.rvf/status.json"))
	branch := m.path("w/w/w/w/d/p.rvf/b.rvf/bb.rvf")
	if shown := run(t, program, "export", branch, "-f", "jsonl"); strings.Count(shown, "\n") != 30 {
		t.Errorf("export brings %q", shown)
	}
	for _, command := range []string{"status", "verify", "flatten"} {
		run(t, program, command, branch)
	}
}

// TestVerifyFindsParents: verify finds the parent of a branch, and of a store that is none,
// among the files given and near it, and says where it looked when there is none.
func TestVerifyFindsParents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir, "a", "b"}, names...)...) }
	demand(t, "make folders", errors.Join(os.MkdirAll(at("1/2/3/4/5"), 0o755), os.MkdirAll(at("beside"), 0o755)))
	run(t, program, "create", at("p.rvf"), "--dimension", "2")
	withVectors(t, at("p.rvf"), model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", at("p.rvf"), at("b.rvf"))
	run(t, program, "derive", at("p.rvf"), at("c.rvf"))
	demand(t, "move", errors.Join(os.Rename(at("b.rvf"), at("1/2/3/4/5/b.rvf")), os.Rename(at("c.rvf"), at("beside/c.rvf"))))

	if got := try(t, program, "verify", at("p.rvf"), at("1/2/3/4/5/b.rvf")); got.code != 0 || strings.Count(got.stdout, "lineage verified, damages 0, notes 0") != 1 {
		t.Errorf("a branch whose parent is given: %+v", got)
	}
	if got := try(t, program, "verify", at("beside/c.rvf")); got.code != 0 || !strings.Contains(got.stdout, "lineage verified, damages 0, notes 0") {
		t.Errorf("a child whose parent is near: %+v", got)
	}
	if got := try(t, program, "lineage", at("beside/c.rvf")); got.code != 0 || !strings.Contains(got.stdout, "verified") {
		t.Errorf("its lineage: %+v", got)
	}
	got := try(t, program, "verify", at("1/2/3/4/5/b.rvf"))
	if want := "nor in the folders up to 3 below that of the branch, and in the 2 above: they can be read when it is back, or beside the branch"; got.code != 1 || !strings.Contains(got.stdout, want) {
		t.Errorf("a branch whose parent is nowhere near: %+v", got)
	}
}

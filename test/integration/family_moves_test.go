package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFamiliesThatMove gives a parent, its children and the folders that they are in other
// names, in the mount and behind it: children are known by their parent's id, stay below it,
// are verified, and a branch goes on to show its vectors.
func TestFamiliesThatMove(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	want := numbered(0, randomRows(1, 30, 3))
	run(t, program, "create", m.backing("parent.rvf"), "--dimension", "3")
	soon(t, m, "parent.rvf")
	if err := pour(m.path("parent.rvf", "vectors.append"), want.jsonLines(t)); err != nil {
		t.Fatal(err)
	}
	demand(t, "derive", os.Mkdir(m.path("parent.rvf", "child.rvf"), 0o755))
	demand(t, "derive", os.Mkdir(m.path("parent.rvf", "child.rvf", "grand.rvf"), 0o755))
	run(t, program, "branch", m.backing("parent.rvf"), m.backing("branch.rvf"))

	// Where the files of the family are by now, below the mount.
	parent, child, branch, status := "parent.rvf", "child.rvf", "branch.rvf", "verified"
	check := func(moment string) {
		t.Helper()
		eventually(t, moment, func() error {
			for name, shown := range map[string]string{child: filepath.Base(child), branch: filepath.Base(branch), "grand.rvf": filepath.Join(filepath.Base(child), "grand.rvf")} {
				shown = filepath.Join(parent, shown)
				if real, err := filepath.EvalSymlinks(m.path(name)); err != nil || real != must(filepath.EvalSymlinks(m.Point))(t)+"/"+shown {
					return fmt.Errorf("%s leads to %q, want %s, %w", name, real, shown, errors.Join(err, errors.New("not yet")))
				}
				identity := string(readFile(t, m.path(shown, "identity.json")))
				if !strings.Contains(identity, `"status": "`+status+`"`) && name != "grand.rvf" {
					return fmt.Errorf("%s is not verified: %s", name, identity)
				}
			}
			got, err := os.ReadFile(m.path(parent, filepath.Base(branch), "vectors", "vectors.f32"))
			if err == nil && len(got) != 4*3*len(want) {
				err = fmt.Errorf("the branch shows %d bytes of vectors", len(got))
			}
			return err
		})
	}
	check("as it was made")
	run(t, "mv", m.path("parent.rvf"), m.path("renamed.rvf"))
	parent = "renamed.rvf"
	// At once: what mv has done is not only known when somebody looks again.
	if got := string(readFile(t, m.path("renamed.rvf", "child.rvf", "identity.json"))); !strings.Contains(got, `"parent": "renamed.rvf"`) {
		t.Errorf("the child names another parent after its mv: %s", got)
	}
	check("the parent has another name")
	run(t, "mv", m.path("renamed.rvf", "child.rvf"), m.path("renamed.rvf", "kid.rvf"))
	child = "kid.rvf"
	check("the child has another name")
	demand(t, "make a folder", os.Mkdir(m.path("team"), 0o755))
	run(t, "mv", m.path("renamed.rvf"), m.path("team", "renamed.rvf"))
	parent = "team/renamed.rvf"
	check("the parent is in a folder")
	run(t, "mv", m.path("team"), m.path("crew"))
	parent = "crew/renamed.rvf"
	check("the folder has another name")
	run(t, "mv", m.backing("branch.rvf"), m.backing("kid.rvf"), m.backing("crew"))
	child, branch = "crew/kid.rvf", "crew/branch.rvf"
	check("the children's files were moved behind the mount")
	run(t, "mv", m.backing("crew"), m.backing("gang"))
	parent, child, branch = "gang/renamed.rvf", "gang/kid.rvf", "gang/branch.rvf"
	check("the folder was renamed behind the mount")
	run(t, "mv", m.backing("gang", "renamed.rvf"), m.backing("back.rvf"))
	parent = "back.rvf"
	check("the parent's file was moved behind the mount")

	eventually(t, "the parent has listed the branch", func() error {
		names(t, m.Point)
		return listsBranch(t, m.backing(parent), m.backing(branch))
	})
	// A copy, whatever its name and place, takes nobody away, nor does one that is older.
	for _, name := range []string{"aaa.rvf", "zzz.rvf"} {
		run(t, "cp", m.backing("back.rvf"), m.backing(name))
		run(t, "touch", "-d", "2001-01-01", m.backing(name))
		soon(t, m, name)
		check("beside a copy " + name)
	}
	// Neither does it when all is mounted again, nor after a rewrite of the parent, of which
	// the file is younger than the copies.
	m.stop()
	m = serve(t, m.Dir)
	check("mounted again beside the copies")
	demand(t, "delete", os.WriteFile(m.path("back.rvf", "vectors.delete"), []byte("3\n"), 0o644))
	run(t, program, "compact", m.backing("back.rvf"))
	status = "attested"
	check("after a compaction")
	run(t, "cp", "-a", m.backing("back.rvf"), m.backing("bbb.rvf")) // with its extended attributes
	soon(t, m, "bbb.rvf")
	m.stop()
	m = serve(t, m.Dir)
	check("mounted again after a compaction")
	agree := func() {
		t.Helper()
		for _, name := range []string{child, branch} {
			if told := run(t, program, "verify", m.backing(child), m.backing(parent), m.backing("aaa.rvf")); !strings.Contains(told, "parent "+m.backing(parent)+", chosen among others of its id: ") {
				t.Errorf("verify says %s", told)
			}
			if told := readFile(t, m.path(parent, filepath.Base(name), "identity.json")); !strings.Contains(string(told), `"parent": "`+parent+`"`) {
				t.Errorf("identity.json says %s", told)
			}
			if told := must(filepath.EvalSymlinks(m.path(parent, filepath.Base(name), "lineage", "parent")))(t); told != must(filepath.EvalSymlinks(m.path(parent)))(t) {
				t.Errorf("lineage/parent leads to %s", told)
			}
		}
		tree := run(t, program, "lineage", m.Dir)
		if _, below, _ := strings.Cut(tree, m.backing(parent)+" "); !strings.Contains(strings.Split(below, "root")[1], "grand.rvf") {
			t.Errorf("the tree is\n%s", tree)
		}
	}
	agree()
	m.stop()
	demand(t, "remove the copies", errors.Join(os.Remove(m.backing("aaa.rvf")), os.Remove(m.backing("bbb.rvf")), os.Remove(m.backing("zzz.rvf"))))
	m = serve(t, m.Dir)
	check("mounted again")

	// Without its parent each child stands for itself, and a parent that comes back takes
	// them in again.
	run(t, "mv", m.backing("back.rvf"), filepath.Join(filepath.Dir(m.Dir), "away.rvf"))
	eventually(t, "the children stand for themselves", func() error {
		info, err := os.Lstat(m.path("gang", "kid.rvf"))
		if err == nil && !info.IsDir() {
			err = errors.New("the child is a link")
		}
		return err
	})
	eventually(t, "the child says that its parent is missing", func() error {
		got, err := os.ReadFile(m.path("gang", "kid.rvf", "identity.json"))
		if err == nil && !strings.Contains(string(got), "parent-missing") {
			err = fmt.Errorf("without its parent the child says %s", got)
		}
		return err
	})
	run(t, "mv", filepath.Join(filepath.Dir(m.Dir), "away.rvf"), m.backing("again.rvf"))
	parent = "again.rvf"
	check("the parent is there again")
}

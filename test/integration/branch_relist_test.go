package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParentsPutBack: an older copy of a parent takes its place, which does not list the branch
// that was made since. Whoever reads the branch is told; it is listed again by whoever changes it or
// sees it, and found by a compaction when it is near.
func TestParentsPutBack(t *testing.T) {
	t.Parallel()
	const unlisted = "does not list it"
	for _, test := range []struct {
		name, branch string
		then         string // before the parent is compacted, with the branch as $2
		moved        string // where the branch is moved to before that
	}{
		{name: "near", branch: "o/b.rvf"},
		{name: "beside it, and moved", branch: "b.rvf", moved: "x/y/z/b.rvf"},
		{name: "above it", branch: "../b.rvf"},
		{name: "far away, and changed", branch: "../../../far/b.rvf", then: `echo '{"id":70,"vector":[7,7]}' | "$3" import "$2" -`},
		{name: "far away, and less", branch: "../../../far/b.rvf", then: `"$3" delete "$2" 9`},
		{name: "far away, and compacted", branch: "../../../far/b.rvf", then: `"$3" compact "$2"`},
		{name: "far away, and frozen", branch: "../../../far/b.rvf", then: `"$3" freeze "$2"`},
		{name: "far away, and listed", branch: "../../../far/b.rvf", then: `"$3" branch --relist "$1" "$2"`},
		{name: "changed, and moved far away", branch: "o/b.rvf", then: `"$3" delete "$2" 9`, moved: "../../../far/b.rvf"},
		{name: "beside it, changed, and moved far away", branch: "b.rvf", then: `"$3" delete "$2" 9`, moved: "../../../far/b.rvf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			dir := filepath.Join(top, "a", "b", "c")
			for _, folder := range []string{filepath.Join(dir, "o"), filepath.Join(dir, "x", "y", "z"), filepath.Join(top, "far")} {
				demand(t, "make a folder", os.MkdirAll(folder, 0o755))
			}
			parent, branch, backup := filepath.Join(dir, "p.rvf"), filepath.Join(dir, test.branch), filepath.Join(top, "backup")
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, numbered(0, randomRows(1, 60, 2)))
			run(t, "cp", parent, backup)
			run(t, program, "branch", parent, branch)
			run(t, program, "rm", "--force", parent)
			run(t, "cp", backup, parent)
			apart := filepath.Dir(branch) != dir
			for _, command := range []string{"verify", "status", "lineage"} {
				if got := run(t, program, command, branch); strings.Contains(got, unlisted) != apart {
					t.Errorf("%s says: %s", command, got)
				}
			}
			if test.then != "" {
				shell(t, test.then, parent, branch, program)
				for _, command := range []string{"verify", "status", "lineage"} {
					if got := run(t, program, command, branch); strings.Contains(got, unlisted) {
						t.Errorf("after %s, %s says: %s", test.then, command, got)
					}
				}
			}
			want := sortedLines([]byte(run(t, program, "export", branch, "-f", "jsonl", "-o", "-")))
			if test.moved != "" {
				to := filepath.Join(dir, test.moved)
				run(t, "mv", branch, to)
				branch = to
			}
			run(t, program, append([]string{"delete", parent}, strings.Fields("0 1 2 3 4 5 20 21 22 23 24")...)...)
			run(t, program, "compact", parent)
			run(t, program, "compact", parent) // also when it was listed by the first alone
			if test.moved != "" {
				beside := filepath.Join(dir, "back.rvf") // where its parent is found
				run(t, "mv", branch, beside)
				branch = beside
			}
			if got := sortedLines([]byte(run(t, program, "export", branch, "-f", "jsonl", "-o", "-"))); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("it shows %d lines, and has shown %d", len(got), len(want))
			}
		})
	}
}

// TestParentsPutBackBehindMounts is that for a mount: an older copy of a parent is put back in
// its place, as another file or over it, and the branch in another folder stands in its list again.
func TestParentsPutBackBehindMounts(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]string{
		"as another file": `rm "$1/p.rvf"; cp "$2" "$1/p.rvf"`,
		"over it":         `cat "$2" > "$1/p.rvf"`,
		"by mv":           `cp "$2" "$1/.new"; mv "$1/.new" "$1/p.rvf"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, backup := serve(t, t.TempDir()), filepath.Join(t.TempDir(), "backup")
			parent, branch := m.backing("p.rvf"), m.backing("o", "b.rvf")
			demand(t, "make a folder", os.Mkdir(m.backing("o"), 0o755))
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, numbered(0, randomRows(1, 60, 2)))
			run(t, "cp", parent, backup)
			run(t, program, "branch", parent, branch)
			listed := func() error {
				names(t, m.Point) // a mount at which nobody looks sees nothing
				return listsBranch(t, parent, branch)
			}
			demand(t, "list the branch", listed())
			awaitFile(t, m.path("p.rvf", "b.rvf", "status.json"))
			shell(t, restore, m.Dir, backup)
			eventually(t, "the older copy lists the branch", listed)
			m.stop()
			want := sortedLines([]byte(run(t, program, "export", branch, "-f", "jsonl", "-o", "-")))
			run(t, program, "delete", parent, "0", "1", "2", "3", "4", "5", "6", "7")
			demand(t, "move it", errors.Join(os.MkdirAll(m.backing("1/2/3/4/5"), 0o755), os.Rename(branch, m.backing("1/2/3/4/5/b.rvf"))))
			run(t, program, "compact", parent)
			demand(t, "move it back", os.Rename(m.backing("1/2/3/4/5/b.rvf"), branch))
			if got := sortedLines([]byte(run(t, program, "export", branch, "-f", "jsonl", "-o", "-"))); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("it shows %d lines, and has shown %d", len(got), len(want))
			}
		})
	}
}

// TestRemoveMovedBranches: rvffs rm of a branch that was moved finds the parent as other commands
// do, and takes the branch off its list, so that the parent can be removed.
func TestRemoveMovedBranches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, copied string }{{name: "the parent alone"}, {name: "a copy of the parent beside the branch", copied: "p.rvf"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parent, branch, moved := filepath.Join(dir, "a", "p.rvf"), filepath.Join(dir, "a", "b.rvf"), filepath.Join(dir, "c", "b.rvf")
			demand(t, "make folders", errors.Join(os.Mkdir(filepath.Dir(parent), 0o755), os.MkdirAll(filepath.Dir(moved), 0o755)))
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, model{1: {1, 2}})
			if test.copied != "" {
				run(t, "cp", parent, filepath.Join(filepath.Dir(moved), test.copied))
			}
			run(t, program, "branch", parent, branch)
			run(t, "mv", branch, filepath.Dir(moved))
			run(t, "mv", filepath.Dir(parent), filepath.Join(dir, "e"))
			parent = filepath.Join(dir, "e", "p.rvf")
			shell(t, `"$1" delete "$2" 1; "$1" import "$2" - <<< '{"id":1,"vector":[5,6]}'`, program, moved)
			got := try(t, program, "rm", moved)
			if got.code != 0 {
				t.Fatalf("rm: %+v", got)
			}
			if listed := run(t, program, "status", parent, "--json"); strings.Contains(listed, `"branches"`) {
				t.Errorf("rm says %q; the parent has %s", got.stderr, listed)
			}
			run(t, program, "rm", parent)
		})
	}
}

// TestParentsWrittenOver: another content of a parent, such as an older copy of it, is written
// into its very file, by cp, while a mount shows branches of it. They show what they did where
// that content has it, and fail where not; they never show what stands in its place.
func TestParentsWrittenOver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		older bool // than the branch
	}{{name: "by what the branch shows"}, {name: "by what is older than the branch", older: true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, backup := serve(t, t.TempDir()), filepath.Join(t.TempDir(), "backup")
			parent, branch, below := m.backing("p.rvf"), m.backing("b.rvf"), m.backing("c.rvf")
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, numbered(0, randomRows(1, 40, 2)))
			if test.older {
				run(t, "cp", parent, backup)
				withVectors(t, parent, numbered(40, randomRows(2, 20, 2)))
			}
			run(t, program, "branch", parent, branch)
			run(t, program, "branch", branch, below)
			if !test.older {
				run(t, "cp", parent, backup)
			}
			run(t, program, "delete", parent, "1", "2", "3", "5", "8", "13")
			run(t, program, "compact", parent)
			view := func(file, name string) (string, error) {
				content, err := os.ReadFile(m.path(file, "vectors", name))
				return fmt.Sprint(sortedLines(content)), err
			}
			want := map[string]string{}
			for file, at := range map[string]string{"b.rvf": branch, "c.rvf": below} {
				awaitFile(t, m.path(file, "status.json"))
				must(view(file, "vectors.jsonl"))(t)
				want[file] = fmt.Sprint(sortedLines([]byte(run(t, program, "export", at, "-f", "csv", "-o", "-"))))
			}
			held := must(os.Open(m.path("c.rvf", "vectors", "vectors.f32")))(t) // and so its parents' files
			defer held.Close()
			run(t, "cp", backup, parent)
			for file, shown := range want {
				got, err := view(file, "vectors.csv") // of which the kernel has nothing
				if !test.older && (err != nil || got != shown) || test.older && err == nil && got != shown {
					t.Errorf("%s shows %s, %v; want %s", file, got, err, shown)
				}
				if test.older {
					eventually(t, file+" fails", func() error {
						if _, err := view(file, "vectors.csv"); err == nil {
							return errors.New("it does not")
						}
						return nil
					})
				}
			}
		})
	}
}

// TestFarBranchesAreVerified: a branch is verified by the file that its vectors are read from,
// wherever that lies.
func TestFarBranchesAreVerified(t *testing.T) {
	t.Parallel()
	shell(t, `
		rvffs=$1; cd "$2"; mkdir -p in/a/b/c
		"$rvffs" create p.rvf --dimension 2; echo '[1,2]' | "$rvffs" import p.rvf -
		"$rvffs" branch p.rvf in/a/b/c/far.rvf
		"$rvffs" verify --json in/a/b/c/far.rvf | jq -e '.[0].lineage == "verified"'
		"$rvffs" lineage --json in/a/b/c/far.rvf | jq -e '[.stores[].verification.status] == ["root", "verified"]'
		"$rvffs" lineage --json in | jq -e '[.stores[].verification.status] == ["verified"]'
		mv p.rvf in/a/other.rvf # two folders above
		"$rvffs" export in/a/b/c/far.rvf > seen
		"$rvffs" verify --json in/a/b/c/far.rvf | jq -e '.[0].lineage == "verified"'
		"$rvffs" lineage --json in/a/b/c/far.rvf | jq -e '[.stores[].verification.status] == ["root", "verified"]'
	`, program, t.TempDir())
}

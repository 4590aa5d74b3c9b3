package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/test/integration/peer"
)

// TestFrozenStores freezes a store through ctl and by the command, tries every change in a
// mount, in another mount and by commands, and lets the reference runtime read the file and
// rewrite it.
func TestFrozenStores(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	m := serve(t, t.TempDir())
	want := numbered(0, randomRows(1, 20, 3))
	for _, name := range []string{"by-ctl.rvf", "by-command.rvf"} {
		run(t, program, "create", m.backing(name), "--dimension", "3")
		soon(t, m, name)
		if err := pour(m.path(name, "vectors.append"), want.jsonLines(t)); err != nil {
			t.Fatal(err)
		}
	}
	demand(t, "write an image", os.WriteFile(filepath.Join(m.Dir, "image"), []byte("some image"), 0o600))
	run(t, program, "embed-kernel", "--arch", "x86_64", "--type", "custom", m.backing("by-ctl.rvf"), filepath.Join(m.Dir, "image"))
	run(t, program, "embed-kernel", "--arch", "x86_64", "--type", "custom", m.backing("by-command.rvf"), filepath.Join(m.Dir, "image"))

	shell(t, `echo freeze > "$1"`, m.path("by-ctl.rvf", "ctl"))
	if told := run(t, program, "freeze", m.backing("by-command.rvf")); !strings.Contains(told, "frozen") {
		t.Errorf("freeze tells %s", told)
	}
	run(t, program, "freeze", m.backing("by-command.rvf"))
	soon(t, m, "by-command.rvf")

	tryAll := func(moment string) {
		t.Helper()
		for _, name := range []string{"by-ctl.rvf", "by-command.rvf"} {
			soon(t, m, name)
			before := readFile(t, m.backing(name))
			for what, script := range map[string]string{
				"append": `echo '[1,2,3]' > vectors.append`, "delete": `echo 1 > vectors.delete`, "embed": `cp "$2" kernel/image`,
				"remove": `echo remove kernel > ctl`, "compact": `echo compact > ctl`, "drop a file": `echo '[1,2,3]' > incoming/a.jsonl`,
				"remove the store": `rmdir "$1"`,
			} {
				got := try(t, "bash", "-c", `cd "$1" && `+script, "bash", m.path(name), filepath.Join(m.Dir, "image"))
				if got.code == 0 || !strings.Contains(got.stderr, "Read-only file system") {
					t.Errorf("%s: %s may %s: %+v", moment, name, what, got)
				}
			}
			for _, arguments := range [][]string{{"import", m.backing(name), filepath.Join(m.Dir, "all.jsonl")}, {"delete", m.backing(name), "1"}, {"compact", m.backing(name)}, {"remove", m.backing(name), "kernel"}, {"rm", m.backing(name)}, {"rm", m.path(name)}} {
				demand(t, "write vectors", os.WriteFile(filepath.Join(m.Dir, "all.jsonl"), want.jsonLines(t), 0o600))
				if got := try(t, program, arguments...); got.code == 0 || !strings.Contains(got.stderr, "frozen") {
					t.Errorf("%s: %q: %+v", moment, arguments, got)
				}
			}
			if string(readFile(t, m.backing(name))) != string(before) {
				t.Errorf("%s: the file of %s changed", moment, name)
			}
			if got := strings.TrimSpace(run(t, "getfattr", "--only-values", "-n", "user.rvf.frozen", m.path(name))); got != "true" {
				t.Errorf("%s: the attribute of %s says %q", moment, name, got)
			}
			if status := run(t, "jq", "-r", ".frozen, .read_only", m.path(name, "status.json")); status != "true\ntrue\n" {
				t.Errorf("%s: status.json of %s says %s", moment, name, status)
			}
			if told := run(t, program, "inspect", m.backing(name)); !strings.Contains(told, "frozen") || strings.Contains(told, "0xf3") {
				t.Errorf("%s: inspect of %s tells %s", moment, name, told)
			}
			if got := try(t, program, "verify", m.backing(name)); got.code != 0 || strings.Contains(got.stdout, "vendor type") {
				t.Errorf("%s: verify of %s: %+v", moment, name, got)
			}
			agree(t, moment, process, m, name, want)
		}
	}
	tryAll("frozen")
	m.stop()
	m = serve(t, m.Dir)
	tryAll("mounted again")

	theirs := peersTurn(t, process, m.backing("by-ctl.rvf"))
	must(theirs.Compact())(t)
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	tryAll("rewritten by the reference runtime")

	// What was frozen can be a parent, and a copy of it can be changed.
	demand(t, "derive", os.Mkdir(m.path("by-ctl.rvf", "child.rvf"), 0o755))
	run(t, program, "derive", "--copy", m.backing("by-ctl.rvf"), m.backing("copy.rvf"))
	run(t, program, "branch", m.backing("by-ctl.rvf"), m.backing("branch.rvf"))
	for _, child := range []string{"child.rvf", "copy.rvf", "branch.rvf"} {
		eventually(t, "the child is shown", func() error {
			_, err := os.Stat(m.path(child, "vectors.append"))
			return err
		})
		if err := pour(m.path(child, "vectors.append"), model{77: {1, 2, 3}}.jsonLines(t)); err != nil {
			t.Errorf("a child of a frozen store: %v", err)
		}
	}
}

// TestPeersFrozenBranches: a branch that the reference runtime has frozen is frozen for us.
func TestPeersFrozenBranches(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	parent, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(dir, "branch.rvf")
	theirs := must(process.Create(parent, 2, "l2"))(t)
	ids, rows := numberedRows(0, 30, 1)
	must(theirs.Ingest(ids, rows))(t)
	made := must(theirs.Branch(branch))(t)
	if err := made.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if got := try(t, program, "delete", branch, "1"); got.code == 0 || !strings.Contains(got.stderr, "frozen") {
		t.Errorf("delete: %+v", got)
	}
	if told := run(t, program, "inspect", branch); !strings.Contains(told, "frozen") {
		t.Errorf("inspect tells %s", told)
	}
	run(t, program, "derive", "--copy", branch, filepath.Join(dir, "copy.rvf"))
	run(t, program, "delete", filepath.Join(dir, "copy.rvf"), "1")
}

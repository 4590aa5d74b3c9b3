package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhyABranchHasNoParent: what is said of a parent that is there and cannot be had: outside of
// what is mounted, or where who asks may not read it.
func TestWhyABranchHasNoParent(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	demandProgram(t, "setpriv")
	dir := folder(t, map[string][]byte{"sub/.keep": nil})
	letIn(t, filepath.Join(dir, "sub"))
	own, parent, branch := filepath.Join(dir, "rvffs"), filepath.Join(dir, "p.rvf"), filepath.Join(dir, "sub", "b.rvf")
	run(t, "install", "-m", "755", program, own)
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}})
	run(t, program, "branch", parent, branch)
	demand(t, "chmod", os.Chmod(branch, 0o644))

	m := serve(t, filepath.Join(dir, "sub"))
	for _, view := range []string{"b.rvf/status.json", ".rvffs/log"} {
		_, _ = os.ReadFile(m.path("b.rvf", "vectors", "vectors.jsonl"))
		told := string(readFile(t, m.path(view)))
		if !strings.Contains(told, "outside of what is mounted") || strings.Contains(told, "is there") {
			t.Errorf("%s in a mount that holds the branch alone says: %s", view, told)
		}
	}
	m.stop()

	demand(t, "chmod", os.Chmod(parent, 0o600))
	if got := tryAs(t, carol, own, "query", branch, "--id", "1"); got.code != 1 || strings.Count(got.stderr, "permission denied") != 1 || strings.Contains(got.stderr, "is there") {
		t.Errorf("to whom may not read the parent: %+v", got)
	}
	demand(t, "remove", os.Remove(parent))
	if got := tryAs(t, carol, own, "query", branch, "--id", "1"); got.code != 1 || !strings.Contains(got.stderr, "no store of that id is there, nor in the folders") {
		t.Errorf("when it is gone: %+v", got)
	}
}

// TestOneReasonIsSaidOnce however many files it is true of.
func TestOneReasonIsSaidOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run(t, program, "create", at("p.rvf"), "--dimension", "2")
	run(t, "cp", at("p.rvf"), at("older"))
	withVectors(t, at("p.rvf"), model{1: {1, 2}})
	run(t, program, "branch", at("p.rvf"), at("b.rvf"))
	for i := range 6 {
		run(t, "cp", at("older"), at(fmt.Sprintf("p%d.rvf", i)))
	}
	run(t, "mv", at("older"), at("p.rvf"))
	got := try(t, program, "query", at("b.rvf"), "--id", "1")
	if got.code != 1 || strings.Count(got.stderr, "lost its end, of which rvffs recover --list tells") != 1 || strings.Count(got.stderr, ".rvf\"") != 5 || !strings.Contains(got.stderr, "3 more") {
		t.Errorf("%+v", got)
	}
}

// TestWhatIsKeptBesideAStoreIsNoStore, and who asks reads what it is.
func TestWhatIsKeptBesideAStoreIsNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "p.rvf")
	run(t, program, "create", file, "--dimension", "2")
	withVectors(t, file, model{1: {1, 2}})
	info := must(os.Stat(file))(t)
	demand(t, "truncate", os.Truncate(file, info.Size()-1))
	withVectors(t, file, model{2: {1, 2}})
	kept := file + ".tail-0"
	for _, command := range []string{"verify", "status", "export"} {
		got := try(t, program, command, kept)
		if told := got.stdout + got.stderr; got.code != 1 || strings.Contains(told, "no RVF file") || !strings.Contains(told, "kept when that was cut off: `rvffs recover "+file+"`") {
			t.Errorf("%s: %+v", command, got)
		}
	}
}

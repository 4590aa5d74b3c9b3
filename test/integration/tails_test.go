package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// tailsSeenBy are the tails of which a store's folder tells a person.
func tailsSeenBy(t *testing.T, who *person, folder string) (files []string) {
	t.Helper()
	var seen tailsView
	if err := json.Unmarshal([]byte(who.must("read", filepath.Join(folder, "status.json"))), &seen); err != nil {
		t.Fatal(err)
	}
	for _, tail := range seen.Tails {
		files = append(files, fmt.Sprint(tail.File, ":", tail.Vectors))
	}
	return files
}

// lostEnd is a store of which the last commit, of some vectors, lost its manifest.
func lostEnd(name string, count int) []byte {
	built := rawfile.NewBuilder(name, 3).Manifest().Vec(numbered(0, randomRows(1, count, 3))).Manifest().Bytes
	return built[:len(built)-10]
}

// firstTail is the name that a tail of such a store gets when it is free.
const firstTail = ".tail-1"

// runAs runs the program as a user, who has no way to where it is.
func runAs(t *testing.T, user uint32, arguments ...string) (output string, code int) {
	t.Helper()
	linked := filepath.Join(publicFolder(t), "rvffs")
	if err := os.Link(program, linked); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(linked, arguments...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

// sticky is a folder in which everybody may make names, and take none of others away.
const sticky = fs.ModeSticky | 0o777

// TestNobodyForgesTails has alice put files beside bob's stores that have the names, and
// all that is in them, of what was kept of them.
func TestNobodyForgesTails(t *testing.T) {
	t.Parallel()
	whole := func() *rawfile.Builder { return rawfile.NewBuilder("forged", 3).Vec(dimension3).Manifest() }
	// A tail of the highest id but one, made of a copy as anybody can.
	copied := filepath.Join(t.TempDir(), "s.rvf")
	forged := whole().Vec(model{1<<64 - 2: {666, 666, 666}}).Manifest().Bytes
	writeFile(t, copied, forged[:len(forged)-10])
	run(t, program, "delete", copied, "999999")
	kept, err := filepath.Glob(copied + ".tail-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	name := filepath.Base(kept[0])
	m := commons(t, []planted{
		{name: "sh", mode: sticky},
		{name: "sh/s.rvf", owner: bob, group: bob, mode: 0o644, content: whole().Bytes},
		{name: "sh/" + name, owner: alice, group: alice, mode: 0o666, content: readFile(t, kept[0])},
		{name: "sh/e.rvf", owner: bob, group: bob, mode: 0o644, content: rawfile.NewBuilder("empty", 3).Bytes},
		{name: "sh/e.rvf.tail-0", owner: alice, group: alice, mode: 0o666, content: []byte("mine")},
		{name: "sh/priv.rvf", owner: bob, group: bob, mode: 0o600, content: lostEnd("private", 7)},
		{name: "sh/u.rvf", owner: bob, group: bob, mode: 0o600, content: lostEnd("unlucky", 7)},
		{name: "away", owner: bob, group: bob, mode: 0o700},
	})
	hers, his := newPerson(t, alice), newPerson(t, bob)
	if seen := tailsSeenBy(t, his, m.path("sh", "s.rvf")); len(seen) > 0 {
		t.Errorf("bob is told of %v", seen)
	}
	his.must("write", m.path("sh", "s.rvf", "vectors.append"), "[1,2,3]\n[4,5,6]\n[7,8,9]\n")
	his.must("rmdir", m.path("sh", "e.rvf"))
	file := m.backing("sh", "s.rvf")
	if got := try(t, program, "recover", file); got.code != 0 || !strings.Contains(got.stdout, "nothing to recover") {
		t.Errorf("root's recover: exit status %d: %s%s", got.code, got.stdout, got.stderr)
	}
	if text, code := runAs(t, bob, "recover", file); code != 0 || !strings.Contains(text, "nothing to recover") {
		t.Errorf("bob's recover: exit status %d: %s", code, text)
	}
	if got := try(t, program, "recover", file, name); got.code != 1 || !strings.Contains(got.stderr, fmt.Sprintf("belongs to user %d", alice)) {
		t.Errorf("recover by name: exit status %d: %s%s", got.code, got.stdout, got.stderr)
	}
	run(t, program, "verify", file)
	if text := his.must("read", m.path("sh", "s.rvf", "vectors", "vectors.jsonl")); strings.Contains(text, "666") {
		t.Errorf("the store has %s", text)
	}

	// What was kept of bob's private store is told to nobody who makes one of its name.
	his.must("write", m.path("sh", "priv.rvf", "vectors.append"), "[1,2,3]\n")
	if seen := tailsSeenBy(t, his, m.path("sh", "priv.rvf")); fmt.Sprint(seen) != "[priv.rvf"+firstTail+":7]" {
		t.Errorf("bob is told of %v", seen)
	}
	his.must("rename", m.backing("sh", "priv.rvf"), m.backing("away", "priv.rvf"))
	eventually(t, "alice makes a store of that name", func() error {
		_, err := hers.do("mkdir", m.path("sh", "priv.rvf"), "755")
		return err
	})
	if seen := tailsSeenBy(t, hers, m.path("sh", "priv.rvf")); len(seen) > 0 {
		t.Errorf("alice is told of %v", seen)
	}
	hers.must("rmdir", m.path("sh", "priv.rvf"))

	// A link that leads nowhere is not followed, and is no reason to fail.
	hers.must("symlink", "nowhere", m.backing("sh", "u.rvf"+firstTail))
	his.must("write", m.path("sh", "u.rvf", "vectors.append"), "[1,2,3]\n")
	if seen := tailsSeenBy(t, his, m.path("sh", "u.rvf")); fmt.Sprint(seen) != "[u.rvf"+firstTail+"-2:7]" {
		t.Errorf("bob is told of %v", seen)
	}
	for _, left := range []string{name, "e.rvf.tail-0"} {
		if _, err := os.Lstat(m.backing("sh", left)); err != nil {
			t.Error(err)
		}
	}
}

// TestRenameTakesTailsAlong under other numbers, where those are taken. What cannot go
// along does not undo what has been done.
func TestRenameTakesTailsAlong(t *testing.T) {
	t.Parallel()
	m := commons(t, []planted{
		{name: "sh", mode: sticky},
		{name: "sh/r.rvf", owner: bob, group: bob, mode: 0o600, content: lostEnd("renamed", 7)},
		{name: "sh/r2.rvf" + firstTail, owner: alice, group: alice, mode: 0o600, content: []byte("hers")},
	})
	hers, his := newPerson(t, alice), newPerson(t, bob)
	hers.must("symlink", "nowhere", m.backing("sh", "r2.rvf"+firstTail+"-2"))
	his.must("write", m.path("sh", "r.rvf", "vectors.append"), "[1,2,3]\n")
	his.must("rename", m.path("sh", "r.rvf"), m.path("sh", "r2.rvf"))
	kept := "r2.rvf" + firstTail + "-3"
	if seen := tailsSeenBy(t, his, m.path("sh", "r2.rvf")); fmt.Sprint(seen) != "["+kept+":7]" {
		t.Errorf("bob is told of %v", seen)
	}
	want := fmt.Sprintf("[r2.rvf r2.rvf%s r2.rvf%s-2 %s]", firstTail, firstTail, kept)
	if got := fmt.Sprint(names(t, m.backing("sh"))); got != want {
		t.Errorf("the folder holds %s, want %s", got, want)
	}
	if got := string(readFile(t, m.backing("sh", "r2.rvf"+firstTail))); got != "hers" {
		t.Errorf("alice's file is %q", got)
	}

	// Of a tail of root's he has no right to the name.
	if err := os.Chown(m.backing("sh", kept), 0, 0); err != nil {
		t.Fatal(err)
	}
	text, code := runAs(t, bob, "recover", m.backing("sh", "r2.rvf"))
	if code != 1 || strings.Contains(text, "nothing to recover") || !strings.Contains(text, kept) {
		t.Errorf("bob's recover of what he cannot read: exit status %d: %s", code, text)
	}
	if err := os.Chmod(m.backing("sh", kept), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, vectors := range []string{"7 vectors recovered, 0 were", "0 vectors recovered, 7 were"} {
		text, code = runAs(t, bob, "recover", m.backing("sh", "r2.rvf"))
		if code != 1 || !strings.Contains(text, vectors) || !strings.Contains(text, kept+" stays, for it cannot be removed") {
			t.Errorf("bob's recover: exit status %d: %s", code, text)
		}
	}
	his.must("rename", m.path("sh", "r2.rvf"), m.path("sh", "r3.rvf"))
	his.must("read", m.path("sh", "r3.rvf", "raw"))
	if log := m.log(); !strings.Contains(log, kept) || !strings.Contains(log, "r3.rvf"+firstTail) {
		t.Errorf("log: %s", log)
	}
	if _, err := os.Stat(m.backing("sh", kept)); err != nil {
		t.Error(err)
	}
}

package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRmRemovesAStore with what is kept of it, and nothing on which others depend.
func TestRmRemovesAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a.rvf", "other.rvf", "torn.rvf"} {
		run(t, program, "create", at(name), "--dimension", "2")
		withVectors(t, at(name), model{1: {1, 2}, 2: {3, 4}})
	}
	run(t, program, "derive", at("a.rvf"), at("child.rvf"))
	if got := try(t, program, "rm", at("a.rvf")); got.code != 1 || !strings.Contains(got.stderr, "is the parent of child.rvf") || !strings.Contains(got.stderr, "--force") {
		t.Errorf("rm of a parent: %+v", got)
	}
	if err := os.Symlink("a.rvf", at("link.rvf")); err != nil {
		t.Fatal(err)
	}
	if got := try(t, program, "rm", at("link.rvf")); got.code != 1 || !strings.Contains(got.stderr, "symbolic link") {
		t.Errorf("rm of a link: %+v", got)
	}
	if err := os.Remove(at("link.rvf")); err != nil {
		t.Fatal(err)
	}
	// A store given together with its child stays if the child has to.
	run(t, program, "derive", at("child.rvf"), at("grandchild.rvf"))
	if got := try(t, program, "rm", at("a.rvf"), at("child.rvf")); got.code != 1 || !strings.Contains(got.stderr, "child.rvf is the parent of grandchild.rvf") || !strings.Contains(got.stderr, "a.rvf is the parent of child.rvf") {
		t.Errorf("rm of a parent with its child: %+v", got)
	}
	run(t, program, "rm", at("grandchild.rvf"))
	if got := try(t, program, "rm", at("child.rvf"), at("none.rvf")); got.code != 1 {
		t.Errorf("rm of what is not there: %+v", got)
	}
	// Somebody is at work with it.
	unlock := lockAsPeer(t, at("other.rvf"))
	if got := try(t, program, "rm", at("other.rvf")); got.code != 1 || !strings.Contains(got.stderr, "another writer") {
		t.Errorf("rm of a store that somebody writes to: %+v", got)
	}
	unlock()
	if got := strings.Join(names(t, dir), " "); got != "a.rvf child.rvf other.rvf torn.rvf" {
		t.Fatalf("refused removals left %s", got)
	}
	m := serve(t, dir)
	if got := run(t, program, "rm", at("a.rvf"), at("other.rvf"), at("child.rvf")); !strings.Contains(got, at("a.rvf")+": removed a.rvf\n") {
		t.Errorf("rm says %q", got)
	}
	eventually(t, "the mount shows it", func() error {
		if got := strings.Join(names(t, m.Point), " "); got != "torn.rvf" {
			return errStillThere(got)
		}
		return nil
	})
	m.stop()
	// A file that lost its end: what a writer cut off goes with the store.
	info, err := os.Stat(at("torn.rvf"))
	if err == nil {
		err = os.Truncate(at("torn.rvf"), info.Size()-1)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, program, "delete", at("torn.rvf"), "77777")
	shell(t, `echo '[5,6]' | "$2" import "$1" -`, at("torn.rvf"), program)
	if before := names(t, dir); len(before) != 2 {
		t.Fatalf("nothing was kept of the torn file: %v", before)
	}
	run(t, program, "rm", "--force", at("torn.rvf"))
	// One to which nobody can write.
	demand(t, "write", os.WriteFile(at("wire.rvf"), wireFile([][]float32{{1, 2}}, make([]byte, 32)), 0o644))
	run(t, program, "rm", at("wire.rvf"))
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// lockAsPeer locks a store as the reference runtime does in this process, until unlock.
func lockAsPeer(t testing.TB, file string) (unlock func()) {
	t.Helper()
	lock := make([]byte, 104)
	copy(lock, "FLVR")
	binary.LittleEndian.PutUint32(lock[4:], uint32(os.Getpid()))
	host, _ := os.Hostname()
	copy(lock[8:], host)
	binary.LittleEndian.PutUint64(lock[0x48:], uint64(time.Now().UnixNano()))
	if err := os.WriteFile(file+".lock", lock, 0o644); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(file + ".lock"); err != nil {
			t.Fatal(err)
		}
	}
}

type errStillThere string

func (e errStillThere) Error() string { return "shown: " + string(e) }

// TestRemovingAStoresFilesLosesNothing, and the log says once what to do instead.
func TestRemovingAStoresFilesLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.rvf", "b.rvf"} {
		storeWithImages(t, filepath.Join(dir, name))
	}
	before := readFile(t, filepath.Join(dir, "a.rvf"))
	m := serve(t, dir)
	got := try(t, "rm", "-r", m.path("a.rvf"), m.path("b.rvf"))
	wantRefusal(t, got, syscall.EPERM)
	log := string(readFile(t, m.path(".rvffs", "log")))
	if count := strings.Count(log, "rvffs rm STORE"); count != 2 {
		t.Errorf("the log says %d times what to do with two stores:\n%s", count, log)
	}
	if lines := strings.Count(log, "\n"); lines > 12 {
		t.Errorf("%d lines were logged:\n%s", lines, log)
	}
	m.stop()
	if !bytes.Equal(before, readFile(t, filepath.Join(dir, "a.rvf"))) {
		t.Error("the store has changed")
	}
}

// TestRmIsSeenAtOnce through the mount in which the store was named: what stood there can
// be restored by the next command.
func TestRmIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	saved := filepath.Join(t.TempDir(), "saved.rvf")
	run(t, "cp", m.path("store.rvf", "raw"), saved)
	for range 3 {
		shell(t, `"$1" rm "$2" && cp "$3" "$2"`, program, m.path("store.rvf"), saved)
	}
	if err := fileHolds(m.backing("store.rvf"), dimension3); err != nil {
		t.Error(err)
	}
}

// TestNoStreamGoesOnWithoutItsFile: whose store is removed under an open stream hears of it,
// also where all that he has brought was committed before.
func TestNoStreamGoesOnWithoutItsFile(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*mount) error{
		"by rm": func(m *mount) error {
			if got := try(t, program, "rm", m.path("store.rvf")); got.code != 0 {
				return errors.New(got.stderr)
			}
			return nil
		},
		"in the folder": func(m *mount) error { return os.Remove(m.backing("store.rvf")) },
	} {
		t.Run(name, func(t *testing.T) {
			m := smallStore(t, "--flush-interval=10ms")
			file := must(os.OpenFile(m.path("store.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
			if _, err := file.WriteString("[7,8,9]\n"); err != nil {
				t.Error(err)
			}
			eventually(t, "the vector is committed", func() error {
				status, err := decode[statusView](m.path("store.rvf", "status.json"))
				if err == nil && int(status.LiveVectors) != len(dimension3)+1 {
					err = fmt.Errorf("%d vectors", status.LiveVectors)
				}
				return err
			})
			if err := remove(m); err != nil {
				t.Fatal(err)
			}
			if err := file.Sync(); err == nil {
				t.Error("fsync says that all is well")
			}
			if err := file.Close(); err == nil {
				t.Error("close says that all is well")
			}
		})
	}
}

// TestRmTellsOfBranches: what is said of several of them, of one whose parent is frozen, and
// when nothing was removed.
func TestRmTellsOfBranches(t *testing.T) {
	t.Parallel()
	dir, far := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	parent, away := at("parent.rvf"), filepath.Join(far, "away.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}, 2: {3, 4}})
	for _, branch := range []string{at("a.rvf"), at("b.rvf"), away} {
		run(t, program, "branch", parent, branch)
	}
	relative := must(filepath.Rel(dir, away))(t)
	want := "rvffs: " + parent + ": not empty: it has branches, which would lose the vectors that they show of it: " + relative + ", a.rvf, b.rvf; remove these first, or say rvffs rm --force\n"
	if got := try(t, program, "rm", parent); got.code != 1 || got.stderr != want {
		t.Errorf("rm of a parent: %+v, want %q", got, want)
	}
	if got := try(t, program, "rm", at("a.rvf"), at("none.rvf")); got.code != 1 || !strings.Contains(got.stderr, "none.rvf") || !strings.Contains(got.stderr, "nothing was removed") {
		t.Errorf("rm of one that is there and one that is not: %+v", got)
	}
	run(t, program, "freeze", parent)
	want = "rvffs: " + away + " was removed; its parent " + parent + " goes on listing it, for it is frozen, which harms nothing\n"
	if got := try(t, program, "rm", away); got.code != 0 || got.stderr != want {
		t.Errorf("rm of a branch of a frozen store: %+v, want %q", got, want)
	}
}

// TestRmIsSeenBelowTheParent: when a branch is removed by the link to its folder, that is
// gone, too, and does not come back with a restore that fails.
func TestRmIsSeenBelowTheParent(t *testing.T) {
	t.Parallel()
	demandProgram(t, "setfattr")
	m := smallStore(t)
	half, branch := filepath.Join(t.TempDir(), "b.rvf"), m.path("store.rvf", "b.rvf")
	for range 3 {
		shell(t, `mkdir "$1"; setfattr -n user.rvf.derivation_type -v branch "$1"; ls -la "$2" "$1"; head -c 300 "$1/raw" > "$3"`, branch, m.Point, half)
		run(t, program, "rm", m.path("b.rvf"))
		if got, err := os.ReadDir(branch); err == nil {
			t.Errorf("the folder of a removed branch lists %v", got)
		}
		wantRefusal(t, try(t, "cp", half, m.Point), syscall.EINVAL)
		if got, err := os.ReadDir(branch); err == nil {
			t.Errorf("the folder of a removed branch lists %v after a restore that failed", got)
		}
	}
}

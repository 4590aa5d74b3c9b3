package statedir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// newParent is a directory that only this user can change. The system's own for temporary
// files is one that others have names in, as it is allowed above.
func newParent(t *testing.T) string {
	t.Helper()
	parent, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.Chmod(parent, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

func openIn(t *testing.T, parent, folder string) *State {
	t.Helper()
	s, err := open(parent, folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, s *State, log string) string {
	t.Helper()
	text, err := s.Load(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLogsOutlastTheirMount, as far as their limit goes, in whole lines, and without what
// a crash left behind.
func TestLogsOutlastTheirMount(t *testing.T) {
	t.Parallel()
	parent := newParent(t)
	s := openIn(t, parent, "x")
	const lines = 2 * logLimit / 16
	for i := range lines {
		s.Keep("log", fmt.Appendf(nil, "{\"line\":%7d}\n", i))
		if i%1000 == 0 {
			s.Keep("other", []byte("{}\n"))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(parent, "x", "log"), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = file.WriteString("\x00\x00\x00\n{\"cut o")
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, parent, "x")
	s.Keep("log", []byte("{\"line\":\"after\"}\n"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, parent, "x")
	defer s.Close()
	text := load(t, s, "log")
	if len(text) > logLimit || len(text) < logLimit/4 || !strings.HasSuffix(text, fmt.Sprintf("{\"line\":%7d}\n{\"line\":\"after\"}\n", lines-1)) || !strings.HasPrefix(text, "{\"line\":") {
		t.Errorf("%d bytes, %.40q to %q", len(text), text, text[max(0, len(text)-80):])
	}
	if other := load(t, s, "other"); other != strings.Repeat("{}\n", (lines+999)/1000) {
		t.Errorf("the other log is %q", other)
	}
}

// TestTwoMountsShareALog, and no line is cut or lost while it is not too long.
func TestTwoMountsShareALog(t *testing.T) {
	t.Parallel()
	parent := newParent(t)
	var mounts sync.WaitGroup
	for mount := range 2 {
		s := openIn(t, parent, "x")
		mounts.Go(func() {
			for i := range 20_000 {
				s.Keep("log", fmt.Appendf(nil, "{\"mount\":%d,\"line\":%6d}\n", mount, i))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	mounts.Wait()
	raw, err := os.ReadFile(filepath.Join(parent, "x", "log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		if !bytes.HasPrefix(line, []byte(`{"mount":`)) || !bytes.HasSuffix(line, []byte("}\n")) {
			t.Fatalf("a line is cut: %q", line)
		}
	}
	if len(raw) > logLimit || len(raw) < logLimit/4 {
		t.Errorf("%d bytes are kept", len(raw))
	}
}

// TestNobodyElseDecidesWhereItGoes: links and directories that others can change are
// refused, and what they lead to stays as it is.
func TestNobodyElseDecidesWhereItGoes(t *testing.T) {
	t.Parallel()
	parent, victim := newParent(t), filepath.Join(newParent(t), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, parent, "x")
	if err := os.Symlink(victim, filepath.Join(parent, "x", "log")); err != nil {
		t.Fatal(err)
	}
	s.Keep("log", []byte("{}\n"))
	if _, err := s.Load("log"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link is read: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q is in the place of what the link leads to, %v", text, err)
	}
	if err := os.Symlink(filepath.Dir(victim), filepath.Join(parent, "y")); err != nil {
		t.Fatal(err)
	}
	if _, err := open(parent, "y"); err == nil {
		t.Error("a link to a folder is taken for one")
	}
	open := filepath.Join(parent, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []candidate{{base: open}, {base: open, own: "rvffs"}, {base: filepath.Join(open, "state"), own: "rvffs"}, {base: parent, own: "open/rvffs"}} {
		if path, err := c.make(); !errors.Is(err, errUnsafe) {
			t.Errorf("%+v makes %q, %v", c, path, err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(parent, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if path, err := (candidate{base: parent, own: "rvffs"}).make(); !errors.Is(err, errUnsafe) {
			t.Errorf("in somebody else's directory root makes %q, %v", path, err)
		}
	}
}

// TestPlaces are tried in order, and a service manager's comes first.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environment map[string]string
		uid         int
		want        []candidate
	}{
		"service": {map[string]string{"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, 5, []candidate{{"/var/lib/a", ""}, {"/h", ".local/state/rvffs"}}},
		"XDG":     {map[string]string{"XDG_STATE_HOME": "/s", "HOME": "/h"}, 5, []candidate{{"/s", "rvffs"}}},
		"home":    {map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/h"}, 5, []candidate{{"/h", ".local/state/rvffs"}}},
		"root":    {nil, 0, []candidate{{"/var/lib", "rvffs"}}},
		"none":    {nil, 5, nil},
	} {
		if got := candidates(func(name string) string { return c.environment[name] }, c.uid); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestOldFoldersGo, but none that a mount uses.
func TestOldFoldersGo(t *testing.T) {
	t.Parallel()
	parent := newParent(t)
	used := openIn(t, parent, "used")
	for i := range mostFolders + 10 {
		s := openIn(t, parent, fmt.Sprint(i))
		s.Keep("log", []byte("{}\n"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := openIn(t, parent, "last").Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) > mostFolders+2 {
		t.Errorf("there are %d folders", len(entries))
	}
	used.Keep("log", []byte("{}\n"))
	if err := used.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(parent, "used", "log")); err != nil {
		t.Error(err)
	}
}

// TestCrashIsToldOnce to the mounts that come.
func TestCrashIsToldOnce(t *testing.T) {
	t.Parallel()
	parent := newParent(t)
	s := openIn(t, parent, "x")
	if before := s.CrashBefore(); before != "" {
		t.Errorf("a crash of before is told: %s", before)
	}
	_, err := s.Crash().WriteString("panic: at the disco\n")
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, parent, "x")
	before := s.CrashBefore()
	if text, err := os.ReadFile(before); err != nil || string(text) != "panic: at the disco\n" {
		t.Errorf("%q: %q, %v", before, text, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, parent, "x")
	defer s.Close()
	if before := s.CrashBefore(); before != "" {
		t.Errorf("the crash is told again: %s", before)
	}
}

// TestLogsMove, in the order in which they are told to, in the place of others; what is kept
// of the log until then goes along, and is found at once.
func TestLogsMove(t *testing.T) {
	t.Parallel()
	parent := newParent(t)
	s := openIn(t, parent, "x")
	s.Keep("a", []byte("{\"line\":1}\n"))
	s.Keep("b", []byte("{\"line\":0}\n"))
	s.Move("a", "b")
	s.Keep("a", []byte("{\"line\":3}\n"))
	s.Keep("b", []byte("{\"line\":2}\n"))
	s.Move("none", "b")
	expect := func() {
		t.Helper()
		for log, want := range map[string]string{"a": "{\"line\":3}\n", "b": "{\"line\":1}\n{\"line\":2}\n", "none": ""} {
			if got := load(t, s, log); got != want {
				t.Errorf("of %s is kept %q, want %q", log, got, want)
			}
		}
	}
	expect()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, parent, "x")
	expect()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPassedOverPlaces: whose service manager has made a directory hears why it is not used. It
// changes the environment, and so is not run beside other tests.
func TestPassedOverPlaces(t *testing.T) {
	wide, other := newParent(t), newParent(t)
	t.Setenv("XDG_STATE_HOME", other)
	for mode, passed := range map[os.FileMode]bool{0o700: false, 0o777: true} {
		if err := os.Chmod(wide, mode); err != nil {
			t.Fatal(err)
		}
		t.Setenv("STATE_DIRECTORY", wide)
		s, err := Open("/srv/vectors", "/mnt/vectors")
		if err != nil {
			t.Fatal(err)
		}
		if errors.Is(s.Passed(), errUnsafe) != passed || strings.HasPrefix(s.Path(), wide) == passed {
			t.Errorf("with mode %o it is %s: %v", mode, s.Path(), s.Passed())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogFollowsTheFile: a store whose file is renamed in the backing directory goes on with
// its append.log, whether or not anybody has read that before.
func TestLogFollowsTheFile(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"team/.keep": nil}))
	// Each store has brought another number of vectors, which its log counts.
	told := func(name string, accepted ...int) {
		t.Helper()
		appears(t, m, name)
		log := string(readFile(t, m.path(name, "append.log")))
		if lines := strings.Count(log, "\n"); lines != len(accepted) {
			t.Errorf("%s tells of %d streams, want %d:\n%s", name, lines, len(accepted), log)
		}
		for _, count := range accepted {
			if !strings.Contains(log, fmt.Sprintf(`"accepted":%d,`, count)) {
				t.Errorf("%s does not tell of %d vectors:\n%s", name, count, log)
			}
		}
	}
	for i, name := range []string{"a.rvf", "b.rvf", "c.rvf"} {
		run(t, "mkdir", m.path(name))
		put(t, m.path(name, "vectors.append"), strings.Repeat("[1,2]\n", i+1))
	}
	told("a.rvf", 1)
	run(t, "mv", m.backing("a.rvf"), m.backing("team", "x.rvf"))
	told("team/x.rvf", 1)
	put(t, m.path("team", "x.rvf", "vectors.append"), strings.Repeat("[1,2]\n", 7))
	told("team/x.rvf", 1, 7)
	run(t, "mv", m.backing("team"), m.backing("people"))
	told("people/x.rvf", 1, 7)
	shell(t, `echo compact > "$1"`, m.path("people", "x.rvf", "ctl"))
	run(t, "mv", m.backing("people", "x.rvf"), m.backing("y.rvf"))
	told("y.rvf", 1, 7)
	// What stands at the former name then is another store.
	run(t, "mkdir", m.path("a.rvf"))
	told("a.rvf")

	demand(t, "exchange", unix.Renameat2(unix.AT_FDCWD, m.backing("b.rvf"), unix.AT_FDCWD, m.backing("c.rvf"), unix.RENAME_EXCHANGE))
	eventually(t, "the exchange is seen", func() error {
		if got := strings.TrimSpace(run(t, "jq", ".live_vectors", m.path("b.rvf", "status.json"))); got != "3" {
			return errors.New(got)
		}
		return nil
	})
	told("b.rvf", 3)
	told("c.rvf", 2)
	m.stop()

	m = serve(t, m.Dir)
	told("y.rvf", 1, 7)
	if _, err := os.Stat(m.path("b.rvf")); err != nil {
		t.Fatal(err)
	}
	run(t, "mv", m.backing("b.rvf"), m.backing("z.rvf"))
	told("z.rvf", 3)
	run(t, "cp", m.backing("z.rvf"), m.backing("copy.rvf"))
	told("copy.rvf")
}

// TestLogGoesThereAndBack: a store that is renamed, its folder too, and gets its name back has
// each line of append.log once, also in the next mount, and whether or not anybody read it
// in between. What has its former name by then tells nothing of it.
func TestLogGoesThereAndBack(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"team/.keep": nil}))
	log := func(name ...string) string {
		t.Helper()
		appears(t, m, filepath.Join(name...))
		return strings.Join(regexp.MustCompile(`"accepted":\d+`).FindAllString(string(readFile(t, m.path(append(name, "append.log")...))), -1), " ")
	}
	remount := func() {
		t.Helper()
		m.stop()
		m = serve(t, m.Dir)
	}
	wants := func(when, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s it tells of %s, want %s", when, got, want)
		}
	}
	const one, two, three = `"accepted":1`, `"accepted":1 "accepted":2`, `"accepted":1 "accepted":2 "accepted":3`
	run(t, "mkdir", m.path("a.rvf"))
	put(t, m.path("a.rvf", "vectors.append"), "[1,2]\n")
	run(t, "mv", m.path("a.rvf"), m.path("b.rvf"))
	wants("away", log("b.rvf"), one)
	put(t, m.path("b.rvf", "vectors.append"), strings.Repeat("[1,2]\n", 2))
	run(t, "mv", m.path("b.rvf"), m.path("a.rvf"))
	wants("back", log("a.rvf"), two)
	remount()
	wants("in the next mount", log("a.rvf"), two)

	// The same in the backing directory, and with what has another name meanwhile.
	run(t, "mv", m.backing("a.rvf"), m.backing("c.rvf"))
	wants("renamed by another program", log("c.rvf"), two)
	put(t, m.path("c.rvf", "vectors.append"), strings.Repeat("[1,2]\n", 3))
	run(t, "cp", m.backing("c.rvf"), m.backing("a.rvf"))
	wants("a copy with the former name", log("a.rvf"), "")
	run(t, "rm", m.backing("a.rvf"))
	eventually(t, "the copy is gone", func() error {
		if _, err := os.Stat(m.path("a.rvf")); err == nil {
			return errors.New("shown")
		}
		return nil
	})
	run(t, "mv", m.backing("c.rvf"), m.backing("a.rvf"))
	wants("back by another program", log("a.rvf"), three)
	remount()
	wants("in the next mount", log("a.rvf"), three)

	// Nobody reads it under its new name, nor in the mount in which it is renamed.
	remount()
	run(t, "mv", m.path("a.rvf"), m.path("team", "d.rvf"))
	run(t, "mv", m.path("team"), m.path("people"))
	remount()
	wants("renamed unread", log("people", "d.rvf"), three)
	run(t, "mv", m.path("people"), m.path("team"))
	wants("in a folder that is renamed", log("team", "d.rvf"), three)
	run(t, "mv", m.path("team"), m.path("people"))
	put(t, m.path("people", "d.rvf", "vectors.append"), strings.Repeat("[1,2]\n", 4))
	remount()
	wants("in a folder with its name back", log("people", "d.rvf"), three+` "accepted":4`)
}

// TestLogTellsAtOnce: who hears from close that a stream stops inside a record finds the
// reason in append.log then, and once.
func TestLogTellsAtOnce(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	log := m.path("store.rvf", "append.log")
	for i := range 100 {
		stream := must(os.OpenFile(m.path("store.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
		_, err := stream.WriteString("[1, 2")
		demand(t, "write", err)
		wantErrno(t, "close", stream.Close(), unix.EINVAL)
		if told := strings.Count(string(readFile(t, log)), `"rejected":1,`); told != i+1 {
			t.Fatalf("after %d refusals append.log tells of %d", i+1, told)
		}
	}
	// As long as somebody else has it open, the rest may come.
	stream := must(os.OpenFile(m.path("store.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
	other, err := unix.Dup(int(stream.Fd()))
	demand(t, "dup", err)
	_, err = stream.WriteString("[1, 2")
	demand(t, "write", err)
	wantErrno(t, "close", stream.Close(), unix.EINVAL)
	before := string(readFile(t, log))
	if _, err := unix.Write(other, []byte(", 3]\n")); err != nil {
		t.Fatal(err)
	}
	demand(t, "close", unix.Close(other))
	if after, added := strings.CutPrefix(string(readFile(t, log)), before); !added || !strings.Contains(after, `"accepted":1,`) || strings.Count(after, "\n") != 1 {
		t.Errorf("append.log went on with %s", after)
	}
}

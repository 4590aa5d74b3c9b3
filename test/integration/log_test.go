package integration

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/test/integration/rawfile"
)

// entry is a line of the mount's log.
type entry struct {
	Store, Folder, Operation, Errno, Cause, Format string
	Row, Line, Byte                                *int64
}

func entriesIn(t testing.TB, log string) (entries []entry) {
	t.Helper()
	for line := range strings.Lines(log) {
		var one entry
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("%v in the line %s", err, line)
		}
		entries = append(entries, one)
	}
	return entries
}

// TestLogIsForReaders has bob fail in all kinds of ways, with a word in everything that
// he writes, and looks for it and for his files in what others see of the log.
func TestLogIsForReaders(t *testing.T) {
	t.Parallel()
	const word = "xyzzy"
	newStore := func(name string) []byte { return rawfile.NewBuilder(name, 3).Vec(dimension3).Manifest().Bytes }
	m := commons(t, []planted{
		{name: "public.rvf", mode: 0o666, content: newStore("public")},
		{name: "unreadable.rvf", owner: bob, group: bob, mode: 0o600, content: newStore("unreadable")},
		{name: "hidden", owner: bob, group: bob, mode: 0o700},
		{name: "hidden/private.rvf", owner: bob, group: bob, mode: 0o666, content: newStore("private")},
		{name: "shared", mode: 0o777 | fs.ModeSticky},
		{name: "shared/handed.rvf", owner: bob, group: bob, mode: 0o600, content: newStore("handed")},
	})
	hers, his, root := newPerson(t, alice), newPerson(t, bob), newPerson(t, 0)
	stores := []string{"public.rvf", "unreadable.rvf", "hidden/private.rvf", "shared/handed.rvf"}
	for _, store := range stores {
		in := func(name string) string { return m.path(store, name) }
		for _, try := range []struct {
			verb string
			args []string
		}{
			{"write", []string{in("vectors.append"), "1,2,3\n1," + word + ",3\n"}},
			{"write", []string{in("vectors.append"), `{"id":1,"vector":[1,2,"` + word + `"]}` + "\n"}},
			{"write", []string{in("vectors.append"), `{"` + word + `":1,"vector":[1,2,3]}` + "\n"}},
			{"write", []string{in("vectors.append.csv"), word + "\n"}},
			{"write", []string{in("vectors.append.npy"), "\x93NUMPY\x01\x00\x76\x00{'descr': '" + word + "', 'fortran_order': False, 'shape': (3,), }" + strings.Repeat(" ", 60) + "\n"}},
			{"write", []string{in("vectors.delete"), "1\n" + word + "\n"}},
			{"write", []string{in("ctl"), word + "\n"}},
			{"ask", []string{in("query"), `{"vector":[1,2,"` + word + `"]}`}},
			{"ask", []string{in("query"), word}},
			{"mkdir", []string{in(word + ".txt"), "755"}},
			{"mkdir", []string{in(word + ".rvf.lock"), "755"}},
			{"rename", []string{in("raw"), in(word)}},
			{"rmdir", []string{in(word)}},
			{"set xattr", []string{m.path(store), "user.rvf.derivation_type", word}},
			{"set xattr", []string{m.path(store), "user.rvf." + word, word}},
			{"read", []string{in("vectors/by-id/" + word + ".json")}},
			{"rename", []string{m.path(store), m.path(filepath.Dir(store), word+".txt")}},
		} {
			if text, err := his.do(try.verb, try.args...); err == nil {
				t.Errorf("%s %s went well: %s", try.verb, try.args, text)
			}
		}
		if told := his.must("read", in("append.log")); !strings.Contains(told, word) {
			t.Errorf("append.log of %s, which is for the readers of the store, does not say what was wrong:\n%s", store, told)
		}
	}
	his.cannot("mkdir", []string{m.path("hidden", word+".lock"), "755"}, syscall.EINVAL)
	his.cannot("mkdir", []string{m.path(word), "755"}, syscall.EACCES)

	logs := map[string]string{}
	for who, reader := range map[string]*person{"alice": hers, "bob": his, "root": root} {
		log := reader.must("read", m.path(".rvffs", "log"))
		if strings.Contains(log, word) {
			t.Errorf("to %s the log quotes what bob wrote:\n%s", who, log)
		}
		logs[who] = log
		about := map[string]int{}
		for _, one := range entriesIn(t, log) {
			about[one.Store]++
		}
		for _, store := range stores {
			if may := who != "alice" || store == "public.rvf"; (about[store] > 0) != may {
				t.Errorf("%s reads %d entries about %s", who, about[store], store)
			}
		}
		if (about[""] > 0) != (who == "root") {
			t.Errorf("%s reads %d entries about no store", who, about[""])
		}
	}
	for _, name := range []string{"hidden", "unreadable", "handed"} {
		if strings.Contains(logs["alice"], name) {
			t.Errorf("alice reads of %s:\n%s", name, logs["alice"])
		}
	}
	placed := 0
	for _, one := range entriesIn(t, logs["alice"]) {
		if one.Operation == "" || one.Errno == "" || one.Cause == "" {
			t.Errorf("an entry without operation, errno or cause: %+v", one)
		}
		if one.Format != "" && one.Byte != nil && one.Line != nil {
			placed++
		}
	}
	if placed == 0 {
		t.Errorf("no entry says where a bad record stands:\n%s", logs["alice"])
	}

	// A name that passes to somebody else takes nothing along.
	if err := os.Remove(m.backing("shared", "handed.rvf")); err != nil {
		t.Fatal(err)
	}
	hers.must("create", m.backing("shared", "handed.rvf"), string(newStore("hers")))
	eventually(t, "her store is seen", func() error {
		_, err := hers.do("read", m.path("shared", "handed.rvf", "raw"))
		return err
	})
	for _, name := range []string{"append.log", "status.json"} {
		if told := hers.must("read", m.path("shared", "handed.rvf", name)); strings.Contains(told, word) {
			t.Errorf("%s of her store tells of his:\n%s", name, told)
		}
	}
	for _, one := range entriesIn(t, hers.must("read", m.path(".rvffs", "log"))) {
		if one.Store == "shared/handed.rvf" && one.Cause == "bad input" {
			t.Errorf("the log tells her of his store: %+v", one)
		}
	}
}

// TestLogFileIsJSONToItsEnd, also of a mount in the background whose end tells of an error,
// once: its standard error is the log file.
func TestLogFileIsJSONToItsEnd(t *testing.T) {
	t.Parallel()
	dir, point := t.TempDir(), t.TempDir()
	log := filepath.Join(t.TempDir(), "log")
	run(t, program, "mount", "--flush-interval", "60s", "--log-file", log, dir, point)
	demand(t, "make a store", os.Mkdir(filepath.Join(point, "s.rvf"), 0o755))
	stream, err := os.OpenFile(filepath.Join(point, "s.rvf", "vectors.append"), os.O_WRONLY, 0)
	demand(t, "open", err)
	defer stream.Close()
	_, err = stream.WriteString("[1,2]\n[3,")
	demand(t, "write", err)
	var config struct{ PID int }
	text, err := os.ReadFile(filepath.Join(point, ".rvffs", "config.json"))
	demand(t, "read", err)
	demand(t, "parse", json.Unmarshal(text, &config))
	process, err := os.FindProcess(config.PID)
	demand(t, "find", err)
	demand(t, "signal", process.Signal(syscall.SIGTERM))
	for gone := time.Now().Add(time.Minute); process.Signal(syscall.Signal(0)) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(gone) {
			t.Fatal("the mount does not end")
		}
	}
	content, err := os.ReadFile(log)
	demand(t, "read", err)
	entriesIn(t, string(content))
	if told := strings.Count(string(content), "ends inside a record"); told != 1 {
		t.Errorf("the error is told %d times:\n%s", told, content)
	}
}

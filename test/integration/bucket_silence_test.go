package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/test/objectstore"
)

// silences are the ways in which a server does not answer.
var silences = []string{objectstore.Hangs, objectstore.Lost, objectstore.Unsaid, objectstore.Busy}

// changeOf is a change and what tells whether it is there.
type changeOf struct {
	name, script string
	// done fails unless that is there, whole, and undone unless it is not.
	done, undone func(m *mount) error
	names        bool // it changes names, so that the kernel keeps others from their folder
}

// changes is what is done in a mount, $1, or by a command, $2, to the place that it shows, $3, while
// the server does not answer. Each is a process of its own: what a program has open, its children
// close.
var changes = []changeOf{
	{"append", `cp "$4" "$1/appended.rvf/vectors.append"`, counts("appended.rvf", 3), counts("appended.rvf", 1), false},
	{"fsync", `dd if="$4" of="$1/synced.rvf/vectors.append" conv=fsync,notrunc status=none`, counts("synced.rvf", 3), counts("synced.rvf", 1), false},
	{"delete", `echo 0 | dd of="$1/deleted.rvf/vectors.delete" conv=fsync,notrunc status=none`, counts("deleted.rvf", 0), counts("deleted.rvf", 1), false},
	{"compact", `echo compact > "$1/compacted.rvf/ctl"`, counts("compacted.rvf", 1), counts("compacted.rvf", 1), false},
	{"import", `"$2" import "$3/imported.rvf" "$4"`, counts("imported.rvf", 3), counts("imported.rvf", 1), false},
	{"mkdir", `mkdir "$1/made.rvf"`, counts("made.rvf", 0), lacks("made.rvf"), true},
	{"mkdir of a folder", `mkdir "$1/folder"`, has("folder"), lacks("folder"), true},
	{"rmdir", `rmdir "$1/removed.rvf"`, lacks("removed.rvf"), counts("removed.rvf", 0), true},
	{"rename", `mv "$1/from.rvf" "$1/to.rvf"`, counts("to.rvf", 1), counts("from.rvf", 1), true},
}

// change makes a change.
func change(t *testing.T, m *mount, script, input string) error {
	if got := tryShell(t, script, m.Point, program, m.Dir, input); got.code != 0 {
		return errors.New(strings.ToLower(got.stderr))
	}
	return nil
}

// beforeSilence makes the stores that changes are about.
const beforeSilence = `
	cd "$1"; mkdir removed.rvf read.rvf
	for s in appended synced deleted compacted from imported read; do mkdir -p $s.rvf; echo '[0,0]' > $s.rvf/vectors.append; done
	cat read.rvf/vectors/vectors.csv > /dev/null; cat */status.json > /dev/null
`

func counts(store string, want int) func(*mount) error {
	return func(m *mount) error {
		status, err := decode[struct {
			Live int `json:"live_vectors"`
		}](m.path(store + "/status.json"))
		if err == nil && status.Live != want {
			err = fmt.Errorf("%s holds %d vectors, want %d", store, status.Live, want)
		}
		return err
	}
}

func has(name string) func(*mount) error {
	return func(m *mount) error {
		_, err := os.Stat(m.path(name))
		return err
	}
}

func lacks(name string) func(*mount) error {
	return func(m *mount) error {
		if _, err := os.Stat(m.path(name)); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is there: %v", name, err)
		}
		return nil
	}
}

// silenced is a mount of a place with stores, what stands between it and its server, and a file of
// two vectors.
func silenced(t *testing.T, timeout string) (spoiler *objectstore.Spoiler, m *mount, input string) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	spoiler = objectstore.Spoil(t, server.Endpoints[0], 1<<30, 1)
	t.Setenv("AWS_ENDPOINT_URL", spoiler.URL)
	input = filepath.Join(t.TempDir(), "input.jsonl")
	writeFile(t, input, []byte("[1,1]\n[2,2]\n"))
	m = serveBucket(t, server, spoiler.URL, "team", "--commit-timeout", timeout)
	shell(t, beforeSilence, m.Point)
	return spoiler, m, input
}

// saysSilence is what the log says of a server that does not answer.
const saysSilence = "the server does not answer"

// readsOn fails unless what was read before can be read, by its name.
func readsOn(t *testing.T, m *mount) {
	t.Helper()
	if got := try(t, "cat", m.path("read.rvf/vectors/vectors.csv")); got.code != 0 || !strings.Contains(got.stdout, "0,0") {
		t.Errorf("what was read before is %+v", got)
	}
}

// TestBucketWaitsForItsServer: who changes something while the server does not answer waits
// for it, and it is done, once; who reads what was read before goes on meanwhile. The log says
// so, once.
func TestBucketWaitsForItsServer(t *testing.T) {
	for _, silence := range silences {
		t.Run(silence, func(t *testing.T) {
			spoiler, m, input := silenced(t, "60s")
			spoiler.Always(silence)
			ended := make([]chan error, len(changes))
			begin := func(names bool) {
				for i, c := range changes {
					if c.names == names {
						ended[i] = make(chan error, 1)
						go func() { ended[i] <- change(t, m, c.script, input) }()
					}
				}
			}
			begin(false)
			eventually(t, "the log says it", func() error {
				if !strings.Contains(m.output.String(), saysSilence) {
					return errors.New(m.output.String())
				}
				return nil
			})
			readsOn(t, m)
			for i, c := range changes {
				select {
				case err := <-ended[i]:
					t.Errorf("%s does not wait: %v", c.name, err)
					ended[i] <- err
				default:
				}
			}
			begin(true) // their folder is the kernel's meanwhile
			spoiler.Always("")
			for i, c := range changes {
				if err := <-ended[i]; err != nil {
					t.Errorf("%s: %v", c.name, err)
					continue
				}
				eventually(t, c.name+" is done", func() error { return c.done(m) })
			}
			// Of what is not there, also the answers that are lost say so.
			if log := m.output.String(); silence != objectstore.Unsaid && (strings.Count(log, saysSilence) != 1 || strings.Count(log, "the server answers again") != 1) {
				t.Errorf("the log says:\n%s", log)
			}
		})
	}
}

// TestBucketWithoutServer: who changes something in a bucket whose server stays away is told EIO
// when --commit-timeout is over; when it is back, each change is there, whole, or not at all.
func TestBucketWithoutServer(t *testing.T) {
	for _, silence := range []string{objectstore.Hangs, objectstore.Unsaid} {
		t.Run(silence, func(t *testing.T) {
			spoiler, m, input := silenced(t, "2s")
			spoiler.Always(silence)
			ended := make(chan error)
			// A command waits for as long as mounts do that are told nothing else.
			changes := slices.DeleteFunc(slices.Clone(changes), func(c changeOf) bool { return c.name == "import" })
			for _, c := range changes {
				go func() {
					began := time.Now()
					err := change(t, m, c.script, input)
					took := time.Since(began)
					if err == nil || !strings.Contains(err.Error(), syscall.EIO.Error()) || took > patience/2 {
						err = fmt.Errorf("%s: %w after %v", c.name, err, took)
					} else {
						err = nil
					}
					ended <- err
				}()
			}
			for range changes {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			readsOn(t, m)
			spoiler.Always("")
			for _, c := range changes {
				eventually(t, c.name+" is there or not", func() error {
					if done, undone := c.done(m), c.undone(m); done != nil && undone != nil {
						return errors.Join(done, undone)
					}
					return nil
				})
			}
			eventually(t, "a commit succeeds again", func() error {
				return os.WriteFile(m.path("read.rvf/vectors.append"), []byte("{\"id\":77,\"vector\":[7,8]}\n"), 0)
			})
			for _, name := range names(t, m.path(".")) {
				if strings.HasSuffix(name, ".rvf") {
					run(t, program, "verify", m.Dir+"/"+name)
				}
			}
		})
	}
}

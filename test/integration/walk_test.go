package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// walkSteps is how many steps a walk takes unless RVFFS_WALK_STEPS says otherwise; its seed is 1
// unless RVFFS_WALK_SEED does.
const walkSteps = 60

// walk is a tree of folders with stores, and what each of them must show.
type walk struct {
	*mount
	random *rand.Rand
	holds  map[string]model // by path below the folder
	made   int
	told   []string // the steps so far
}

// TestWalk takes stores in two folders through random changes, each by a command or by the mount:
// vectors come, go and are replaced, branches and copies are made of anything, files move by
// either way, are compacted, flattened, cut by some bytes and recovered. After each step one
// store, and in the end every one, shows what it must.
func TestWalk(t *testing.T) {
	t.Parallel()
	w := &walk{
		mount: serve(t, t.TempDir(), "--derive=branch"), random: rand.New(rand.NewPCG(fromEnvironment(t, "RVFFS_WALK_SEED", 1), 0)),
		holds: map[string]model{},
	}
	if err := os.Mkdir(w.backing("inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.create()
	for range fromEnvironment(t, "RVFFS_WALK_STEPS", walkSteps) {
		w.step()
		w.check(w.any())
	}
	verify := []string{"verify"}
	for name := range w.holds {
		w.check(name)
		verify = append(verify, name)
	}
	w.do(verify...)
}

// any is one of the stores.
func (w *walk) any() string {
	names := slices.Sorted(maps.Keys(w.holds))
	return names[w.random.IntN(len(names))]
}

// fresh is a path for a new store.
func (w *walk) fresh() string {
	w.made++
	return filepath.Join([]string{".", "inner"}[w.random.IntN(2)], fmt.Sprintf("s%d.rvf", w.made))
}

func (w *walk) tell(format string, values ...any) {
	w.told = append(w.told, fmt.Sprintf(format, values...))
}

// do runs a command on stores, that are named by their paths.
func (w *walk) do(arguments ...string) {
	w.t.Helper()
	w.tell("rvffs %s", strings.Join(arguments, " "))
	for i, argument := range arguments {
		if strings.HasSuffix(argument, ".rvf") {
			arguments[i] = w.backing(argument)
		}
	}
	if got := try(w.t, program, arguments...); got.code != 0 {
		w.t.Fatalf("%s\nexit status %d: %s", strings.Join(w.told, "\n"), got.code, got.stderr)
	}
}

func (w *walk) create() {
	name := w.fresh()
	w.do("create", name, "--dimension", "3")
	w.holds[name] = model{}
}

// some are vectors with ids below 40, so that many meet.
func (w *walk) some() model {
	vectors := model{}
	for range 1 + w.random.IntN(8) {
		vectors[uint64(w.random.IntN(40))] = []float32{w.random.Float32(), w.random.Float32(), w.random.Float32()}
	}
	return vectors
}

// write brings something to a file of a store in the mount.
func (w *walk) write(name, part string, content []byte) {
	w.t.Helper()
	w.tell("write %s/%s: %s", name, part, content)
	if err := pour(w.path(w.shown(name), part), content); err != nil {
		w.t.Fatalf("%s\n%v", strings.Join(w.told, "\n"), err)
	}
}

// shown is where the mount has a store's folder, or a link to it, once it knows of it.
func (w *walk) shown(name string) string {
	awaitFile(w.t, w.path(name))
	return name
}

func (w *walk) step() {
	name := w.any()
	holds := w.holds[name]
	switch w.random.IntN(14) {
	case 0:
		if len(w.holds) < 10 {
			w.create()
		}
	case 1, 2:
		vectors := w.some()
		w.write(name, "vectors.append", vectors.jsonLines(w.t))
		holds.put(vectors)
	case 3:
		vectors := w.some()
		input := filepath.Join(w.t.TempDir(), "vectors.jsonl")
		if err := os.WriteFile(input, vectors.jsonLines(w.t), 0o644); err != nil {
			w.t.Fatal(err)
		}
		w.do("import", name, input)
		holds.put(vectors)
	case 4, 5:
		id := uint64(w.random.IntN(40))
		if w.random.IntN(2) == 0 {
			w.write(name, "vectors.delete", fmt.Appendf(nil, "%d\n", id))
		} else {
			w.do("delete", name, fmt.Sprint(id))
		}
		holds.remove(id)
	case 6, 7, 8:
		if len(w.holds) >= 14 {
			return
		}
		child := w.fresh()
		switch {
		case w.random.IntN(4) == 0:
			w.do("derive", "--copy", name, child)
		case len(holds) == 0 || w.random.IntN(2) == 0:
			w.do("branch", name, child)
		default:
			child = filepath.Join(filepath.Dir(name), filepath.Base(child)) // as mkdir has it
			w.tell("mkdir %s/%s", name, filepath.Base(child))
			if err := os.Mkdir(w.path(w.shown(name), filepath.Base(child)), 0o755); err != nil {
				w.t.Fatalf("%s\n%v", strings.Join(w.told, "\n"), err)
			}
		}
		w.holds[child] = maps.Clone(holds)
	case 9:
		w.do("compact", name)
	case 10:
		if got := try(w.t, program, "flatten", w.backing(name)); got.code != 0 && !strings.Contains(got.stderr, "no branch") {
			w.t.Fatalf("%s\nrvffs flatten %s: %s", strings.Join(w.told, "\n"), name, got.stderr)
		}
		w.tell("rvffs flatten %s", name)
	case 11:
		moved := w.fresh()
		from, to := w.backing(name), w.backing(moved)
		if w.random.IntN(2) == 0 {
			shown, err := filepath.EvalSymlinks(w.path(w.shown(name))) // a link is not moved in its place
			if err != nil {
				w.t.Fatal(err)
			}
			moved = filepath.Join(filepath.Dir(name), filepath.Base(moved))
			from, to = shown, filepath.Join(filepath.Dir(shown), filepath.Base(moved))
		}
		w.tell("mv %s %s", from, to)
		run(w.t, "mv", from, to)
		w.holds[moved] = holds
		delete(w.holds, name)
	case 12:
		if len(holds) == 0 {
			return // of a store that was only made nothing else tells who it is
		}
		info, err := os.Stat(w.backing(name))
		if err != nil {
			w.t.Fatal(err)
		}
		w.tell("cut %s", name)
		if err := os.Truncate(w.backing(name), info.Size()-1-int64(w.random.IntN(60))); err != nil {
			w.t.Fatal(err)
		}
		w.do("recover", name)
	case 13:
		if len(w.holds) > 8 {
			got := try(w.t, program, "rm", w.backing(name))
			w.tell("rvffs rm %s: %d", name, got.code)
			if got.code == 0 {
				delete(w.holds, name)
			} else if !strings.Contains(got.stderr, "it has branches") && !strings.Contains(got.stderr, "is the parent of") {
				w.t.Fatalf("%s\n%s", strings.Join(w.told, "\n"), got.stderr)
			}
		}
	}
}

// check compares what a store shows, to a command and in the mount, with what it must. A mount
// looks at files that other programs change now and then.
func (w *walk) check(name string) {
	w.t.Helper()
	holds := w.holds[name]
	if err := holds.differs(w.rows(run(w.t, program, "export", w.backing(name), "-f", "jsonl"))); err != nil {
		w.t.Fatalf("%s\nexport of %s: %v", strings.Join(w.told, "\n"), name, err)
	}
	eventually(w.t, strings.Join(w.told, "\n")+"\nthe mount shows "+name, func() error {
		lines, err := os.ReadFile(w.path(name, "vectors", "vectors.jsonl"))
		if err != nil {
			return err
		}
		return holds.differs(w.rows(string(lines)))
	})
}

// rows reads vectors as JSON lines.
func (w *walk) rows(lines string) model {
	w.t.Helper()
	rows := model{}
	for line := range strings.Lines(lines) {
		var row struct {
			ID     uint64
			Vector []float32
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			w.t.Fatalf("%s\n%q: %v", strings.Join(w.told, "\n"), line, err)
		}
		rows[row.ID] = row.Vector
	}
	return rows
}

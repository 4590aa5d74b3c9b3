package integration

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"rvffs/test/integration/rawfile"
)

// TestRawOfAStoreWithDeletions copies stores in which vectors were deleted: what
// they end with decides, however many were deleted and added again on the way.
func TestRawOfAStoreWithDeletions(t *testing.T) {
	t.Parallel()
	stores := map[string][]byte{"from.rvf": rawfile.NewBuilder("deletions", 2).Bytes}
	ways := []string{`cp "$1" "$2"`, `cat "$1" > "$2"`, `dd if="$1" of="$2" bs=100 conv=notrunc status=none`}
	targets := []string{"cp.rvf", "cat.rvf", "dd.rvf"}
	for _, target := range targets {
		stores[target] = rawfile.NewBuilder(target, 2).Bytes
	}
	m := serve(t, folder(t, stores))
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(m.path("from.rvf", path), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	put("vectors.append", `{"id":1,"vector":[1,1]}{"id":2,"vector":[2,2]}{"id":3,"vector":[3,3]}`)
	put("vectors.delete", "1 2")
	put("vectors.append", `{"id":2,"vector":[20,20]}`)
	for i, way := range ways {
		err := exec.Command("bash", "-c", way, "sh", m.path("from.rvf", "raw"), m.path(targets[i], "vectors.append")).Run()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() == 0 {
			t.Errorf("%s of a store with a deleted vector: %v", way, err)
		}
		if rows := readFile(t, m.path(targets[i], "vectors", "vectors.f32")); len(rows) != 0 {
			t.Errorf("%s: %d bytes of vectors came", way, len(rows))
		}
	}
	put("vectors.append", `{"id":1,"vector":[10,10]}`)
	for i, way := range ways {
		shell(t, way, m.path("from.rvf", "raw"), m.path(targets[i], "vectors.append"))
		if rows := floats(readFile(t, m.path(targets[i], "vectors", "vectors.f32"))); !slices.Equal(slices.Sorted(slices.Values(rows)), []float32{3, 3, 10, 10, 20, 20}) {
			t.Errorf("%s: %v", way, rows)
		}
	}
}

// TestRawOfAStoreOfManyCommits copies a store in whose file merged segments stand behind
// those that replace some of their vectors.
func TestRawOfAStoreOfManyCommits(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"from.rvf": rawfile.NewBuilder("from", 2).Bytes, "to.rvf": rawfile.NewBuilder("to", 2).Bytes}))
	shell(t, `for i in $(seq 0 99); do echo "{\"id\":$((i % 34)),\"vector\":[$i,1]}" > "$1/vectors.append"; done
		cp "$1/raw" "$2/vectors.append"`, m.path("from.rvf"), m.path("to.rvf"))
	sorted := func(name string) string {
		return run(t, "sort", m.path(name, "vectors", "vectors.jsonl"))
	}
	if from, to := sorted("from.rvf"), sorted("to.rvf"); from != to {
		t.Errorf("the copy holds\n%s\nthe store\n%s", to, from)
	}
}

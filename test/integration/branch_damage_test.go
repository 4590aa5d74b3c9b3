package integration

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/segments"
)

// TestNoBranchOfVectorsThatLookDamaged: what is wrong with the vectors of a parent and shows without
// reading them, or is known to a mount, is told before a branch lays down which of them it shows.
func TestNoBranchOfVectorsThatLookDamaged(t *testing.T) {
	t.Parallel()
	const payload = segments.HeaderSize
	for name, place := range map[string]uint64{"the header": 4, "the length": 16, "how many there are": payload + 3, "that there are more": payload + 2, "the dimension": payload} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parent, branch := filepath.Join(dir, "p.rvf"), filepath.Join(dir, "b.rvf")
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, numbered(0, randomRows(1, 1000, 2)))
			flipBit(t, parent, vectorsAt(t, parent)+place)
			before := readFile(t, parent)
			got := try(t, program, "branch", parent, branch)
			if _, err := os.Stat(branch); got.code != 1 || !strings.Contains(got.stderr, "corrupt") || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("branch: %+v; the file: %v", got, err)
			}
			if string(readFile(t, parent)) != string(before) {
				t.Error("the parent has changed")
			}
		})
	}
	t.Run("known to a mount", func(t *testing.T) {
		t.Parallel()
		m := serve(t, t.TempDir(), "--derive=branch", "--verify=first")
		run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
		withVectors(t, m.backing("p.rvf"), numbered(0, randomRows(1, 1000, 2)))
		flipBit(t, m.backing("p.rvf"), vectorsAt(t, m.backing("p.rvf"))+payload+segments.VecPrefixSize+12)
		awaitFile(t, m.path("p.rvf", "status.json"))
		if _, err := os.ReadFile(m.path("p.rvf", "vectors", "vectors.f32")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("damaged vectors: %v", err)
		}
		if err := os.Mkdir(m.path("p.rvf", "b.rvf"), 0o755); !errors.Is(err, syscall.EIO) {
			t.Errorf("mkdir: %v", err)
		}
		if left := names(t, m.Dir); len(left) != 1 {
			t.Errorf("it left %q", left)
		}
	})
}

// toldSegment is what inspect tells of a segment.
type toldSegment struct {
	Type   string
	Offset uint64
}

// segmentsTold are those of which inspect tells of a store.
func segmentsTold(t *testing.T, file string) []toldSegment {
	t.Helper()
	var told struct{ Segments []toldSegment }
	demand(t, "inspect", json.Unmarshal([]byte(run(t, program, "inspect", "--json", file)), &told))
	return told.Segments
}

// vectorsAt is where the first vectors of a store stand in its file.
func vectorsAt(t *testing.T, file string) uint64 {
	t.Helper()
	for _, segment := range segmentsTold(t, file) {
		if segment.Type == "vec" {
			return segment.Offset
		}
	}
	t.Fatalf("%s has no vectors", file)
	return 0
}

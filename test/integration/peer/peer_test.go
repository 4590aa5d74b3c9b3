package peer

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDriver walks through every operation once: a driver that answers wrongly
// must not pass for a disagreement of the two programs.
func TestDriver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.rvf")
	process := Start(t)
	store := must(process.Create(path, 2, "inner_product"))(t)

	if got := must(store.Ingest([]uint64{7, 9}, []float32{1, 2, 3, 4}))(t); got.Accepted != 2 || got.Epoch != 1 {
		t.Errorf("ingest: %+v", got)
	}
	want := []Neighbor{{ID: 9, Distance: -11}, {ID: 7, Distance: -5}}
	if got := must(store.Query([]float32{1, 2}, 10))(t); !slices.Equal(got, want) {
		t.Errorf("query: %v, want %v", got, want)
	}
	distances := must(store.OwnDistances([]uint64{7, 8}, []float32{1, 2, 3, 4}, 10))(t)
	if distances[0] == nil || *distances[0] != -5 || distances[1] != nil {
		t.Errorf("own distances: %v", distances)
	}
	if got := must(store.Delete([]uint64{7, 100}))(t); got.Deleted != 1 {
		t.Errorf("delete: %+v", got)
	}
	if got := must(store.ExtractKernel())(t); got != nil {
		t.Errorf("kernel of a store without one: %v", got)
	}
	if err := store.EmbedKernel(Kernel{Image: []byte("image"), Cmdline: "quiet"}); err != nil {
		t.Error(err)
	}
	if got := must(store.ExtractKernel())(t); got == nil || string(got.Bytes) != "imagequiet" || len(got.Header) != 128 {
		t.Errorf("kernel: %v", got)
	}
	if err := store.EmbedEBPF(EBPF{Program: []byte("program"), BTF: []byte("btf")}); err != nil {
		t.Error(err)
	}
	if got := must(store.ExtractEBPF())(t); got == nil || string(got.Bytes) != "programbtf" || len(got.Header) != 64 {
		t.Errorf("ebpf: %v", got)
	}
	if got := must(store.Compact())(t); got.SegmentsCompacted == 0 {
		t.Errorf("compact: %+v", got)
	}
	status := must(store.Status())(t)
	if status.TotalVectors != 1 || status.CurrentEpoch != 5 {
		t.Errorf("status: %+v", status)
	}
	if got := must(store.Segments())(t); len(got) == 0 || got[0].SegType != "vec" {
		t.Errorf("segments: %+v", got)
	}
	if got := must(store.VerifyWitness())(t); got.Entries == 0 {
		t.Errorf("witness: %+v", got)
	}

	child := must(store.Derive(filepath.Join(filepath.Dir(path), "child.rvdna")))(t)
	parent, derived := must(store.Identity())(t), must(child.Identity())(t)
	if derived.ParentID != parent.FileID || derived.LineageDepth != 1 || derived.Metric != "inner_product" || derived.Dimension != 2 {
		t.Errorf("identities: %+v, %+v", parent, derived)
	}

	var refusal *Error
	if _, err := process.Open(path); !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "LockHeld") {
		t.Errorf("second open: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if _, err := store.Status(); !errors.As(err, &refusal) {
		t.Errorf("status of a closed store: %v", err)
	}
	if err := must(process.OpenReadonly(path))(t).Close(); err != nil {
		t.Error(err)
	}
	if err := must(process.Open(path))(t).Close(); err != nil {
		t.Error(err)
	}
}

// must turns a result with an error into the result alone.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

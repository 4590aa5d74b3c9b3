package rawfile

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"rvffs/test/integration/peer"
)

// TestReadsPeer reads what the reference runtime wrote: the oracle must be
// right before it may judge.
func TestReadsPeer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.rvf")
	store := must(peer.Start(t).Create(path, 2, "cosine"))(t)
	must(store.Ingest([]uint64{1, 2, 3}, []float32{1, 2, 3, 4, 5, 6}))(t)
	must(store.Ingest([]uint64{2}, []float32{7, 8}))(t)
	must(store.Delete([]uint64{3}))(t)
	child := must(store.Derive(filepath.Join(filepath.Dir(path), "child.rvf")))(t)
	identity := must(store.Identity())(t)
	tail := must(os.ReadFile(path))(t)
	derived := must(child.Identity())(t)
	if err := child.Close(); err != nil {
		t.Fatal(err)
	}

	file := must(Read(path))(t)
	want := map[uint64][]float32{1: {1, 2}, 2: {7, 8}}
	if got := file.Vectors(); !reflect.DeepEqual(got, want) {
		t.Errorf("vectors %v, want %v", got, want)
	}
	if got := file.StoredIDs(); got != 3 {
		t.Errorf("%d stored ids, want 3", got)
	}
	newest := file.Newest()
	if newest.Epoch != 3 || newest.MetricName() != "cosine" || newest.Dimension != 2 || file.Torn != 0 {
		t.Errorf("manifest %+v, torn %d", newest, file.Torn)
	}
	if newest.Identity == nil || newest.Identity.FileIDHex() != identity.FileID {
		t.Errorf("identity %+v, want %+v", newest.Identity, identity)
	}
	parent := must(Read(filepath.Join(filepath.Dir(path), "child.rvf")))(t).Newest().Identity
	if parent.FileIDHex() != derived.FileID || parent.ParentIDHex() != identity.FileID || parent.Depth != 1 {
		t.Errorf("child's identity %+v, want %+v", parent, derived)
	}
	if parent.ParentHash != Fold(tail) {
		t.Error("the child's parent hash is not the fold over the parent")
	}
}

// TestPeerReadsBuilder lets the reference runtime read what the builder wrote.
func TestPeerReadsBuilder(t *testing.T) {
	t.Parallel()
	builder := NewBuilder("built", 2)
	builder.Vec(map[uint64][]float32{1: {1, 2}, 5: {3, 4}, 9: {5, 6}}).Segment(0xf7, []byte("unknown"))
	builder.Kernel([]byte("image"), "quiet", false).EBPF([]byte("program"), []byte("btf")).Manifest()
	builder.Deleted = []uint64{5}
	builder.Manifest()
	path := builder.Write(t, filepath.Join(t.TempDir(), "built.rvf"))

	file := must(Read(path))(t)
	if want := map[uint64][]float32{1: {1, 2}, 9: {5, 6}}; !maps.EqualFunc(file.Vectors(), want, equal) {
		t.Errorf("vectors %v, want %v", file.Vectors(), want)
	}
	if len(file.Manifests) != 3 || len(file.Live()) != 5 {
		t.Errorf("%d manifests and %d live segments, want 3 and 5", len(file.Manifests), len(file.Live()))
	}

	store := must(peer.Start(t).OpenReadonly(path))(t)
	if status := must(store.Status())(t); status.TotalVectors != 2 || status.CurrentEpoch != 2 {
		t.Errorf("status %+v", status)
	}
	neighbors := must(store.Query([]float32{5, 6}, 10))(t)
	if len(neighbors) != 2 || neighbors[0] != (peer.Neighbor{ID: 9}) {
		t.Errorf("neighbors %v", neighbors)
	}
	if identity := must(store.Identity())(t); identity.FileID != file.Newest().Identity.FileIDHex() {
		t.Errorf("identity %+v", identity)
	}
	if kernel := must(store.ExtractKernel())(t); !bytes.Equal(kernel.Bytes, []byte("imagequiet")) {
		t.Errorf("kernel %q", kernel.Bytes)
	}
	if program := must(store.ExtractEBPF())(t); !bytes.Equal(program.Bytes, []byte("programbtf")) {
		t.Errorf("ebpf %q", program.Bytes)
	}
}

// TestTornTail falls back to the manifest before the one that is not whole,
// wherever the file was cut.
func TestTornTail(t *testing.T) {
	t.Parallel()
	builder := NewBuilder("torn", 1)
	builder.Vec(map[uint64][]float32{1: {1}}).Manifest()
	whole := len(builder.Bytes)
	builder.Vec(map[uint64][]float32{2: {2}}).Manifest()
	for size := whole; size < len(builder.Bytes); size++ {
		file := must(Parse(builder.Bytes[:size]))(t)
		if got := len(file.Vectors()); got != 1 {
			t.Fatalf("cut at %d: %d vectors, want 1", size, got)
		}
	}
	if got := len(must(Parse(builder.Bytes))(t).Vectors()); got != 2 {
		t.Errorf("whole file: %d vectors, want 2", got)
	}
	builder.Bytes[len(builder.Bytes)-1] ^= 1
	if got := len(must(Parse(builder.Bytes))(t).Vectors()); got != 1 {
		t.Errorf("wrong hash: %d vectors, want 1", got)
	}
}

// equal reports whether two vectors are one.
func equal(a, b []float32) bool { return reflect.DeepEqual(a, b) }

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

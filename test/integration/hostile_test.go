package integration

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// fakeManifest is a whole manifest segment with a right hash that claims the
// store to be empty, padded so that its bytes are whole rows of a dimension.
func fakeManifest(store *rawfile.Builder, dimension int) []byte {
	empty := &rawfile.Builder{Dimension: dimension, Identity: store.Identity, Epoch: 1000}
	fake := rawfile.EncodeSegment(rawfile.TypeManifest, 1000, empty.EncodeManifest())
	for len(fake)%(4*dimension) != 0 {
		fake = append(fake, 0)
	}
	return fake
}

// rowsOf cuts bytes into rows of a dimension.
func rowsOf(data []byte, dimension int) [][]float32 {
	var rows [][]float32
	for row := range slices.Chunk(data, 4*dimension) {
		rows = append(rows, floats(row))
	}
	return rows
}

// TestFakeManifests mounts files in which a whole manifest with a right hash
// stands where none can be: the folder must show the true state, and so must
// every reader after the next append.
func TestFakeManifests(t *testing.T) {
	t.Parallel()
	// One row takes the whole fake, which in the file is then without gaps.
	const dimension = 64
	plain := rawfile.NewBuilder("fooled?", dimension)
	fake := fakeManifest(plain, dimension)
	truth := numbered(1, randomRows(1, 3, dimension))
	base := func() *rawfile.Builder { return rawfile.NewBuilder("fooled?", dimension).Vec(truth).Manifest() }
	poison := model{100: floats(fake[:4*dimension])}
	both := model{}
	both.put(truth)
	both.put(poison)

	inVectors := base().Vec(poison).Manifest()
	inOrphan := base()
	inOrphan.Orphan(rawfile.TypeVec, rawfile.EncodeVec(dimension, poison))
	inUnknown := base().Segment(0xf7, fake).Manifest()
	torn := base()
	boundary := len(torn.Bytes)
	torn.Orphan(rawfile.TypeVec, append(rawfile.EncodeVec(dimension, poison), make([]byte, 300)...))
	atFakesEnd := bytes.Index(torn.Bytes[boundary:], fake[:64]) + boundary + len(bytes.TrimRight(fake, "\x00"))
	inDeleted := base()
	inDeleted.Deleted = nil
	for word := range slices.Chunk(append(slices.Clone(fake), make([]byte, 8-len(fake)%8)...), 8) {
		inDeleted.Deleted = append(inDeleted.Deleted, binary.LittleEndian.Uint64(word))
	}
	inDeleted.Manifest()

	for name, file := range map[string]struct {
		bytes []byte
		want  model
	}{
		"vectors":     {inVectors.Bytes, both},
		"orphan":      {inOrphan.Bytes, truth},
		"unknown":     {inUnknown.Bytes, truth},
		"deleted ids": {inDeleted.Bytes, truth},
		"torn":        {torn.Bytes[:len(torn.Bytes)-1], truth},
		"torn at end": {torn.Bytes[:min(atFakesEnd+8, len(torn.Bytes)-1)], truth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			process := peer.Start(t)
			m := serve(t, folder(t, map[string][]byte{"store.rvf": file.bytes}))
			if err := engineHolds(m.backing("store.rvf"), file.want); err != nil {
				t.Errorf("engine: %v", err)
			}
			if got := must(decode[statusView](m.path("store.rvf", "status.json")))(t).LiveVectors; got != len(file.want) {
				t.Errorf("the folder shows %d vectors, want %d", got, len(file.want))
			}
			want := model{500: randomRows(9, 1, dimension)[0]}
			if err := pour(m.path("store.rvf", "vectors.append"), want.jsonLines(t)); err != nil {
				t.Fatal(err)
			}
			want.put(file.want)
			agree(t, "after an append", process, m, "store.rvf", want)
		})
	}
}

// TestPeerIsNotFooled appends vectors whose bytes are a whole manifest, and
// deletes ids that spell one: the reference runtime, which believes whatever
// looks like a manifest at the end of a file, must still see the truth.
func TestPeerIsNotFooled(t *testing.T) {
	t.Parallel()
	const dimension, name = 8, "store.rvf"
	process := peer.Start(t)
	builder := rawfile.NewBuilder("not fooled", dimension)
	m := serve(t, folder(t, map[string][]byte{name: builder.Bytes}), "-o", "allow_nonfinite")
	fake := fakeManifest(builder, dimension)
	want := numbered(0, rowsOf(fake, dimension))
	if err := pour(m.path(name, "vectors.append.f32"), fake); err != nil {
		t.Fatal(err)
	}
	for who, err := range map[string]error{
		"file": fileHolds(m.backing(name), want), "engine": engineHolds(m.backing(name), want),
		"folder": folderShows(m.path(name), m.backing(name)),
	} {
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	store := must(process.OpenReadonly(m.backing(name)))(t)
	if status := must(store.Status())(t); status.TotalVectors != len(want) || status.CurrentEpoch == 1000 {
		t.Errorf("the peer sees %+v", status)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	// One id suffices for what looks like the start of a manifest's header. Both
	// programs have such ids deleted; both must go on after the other.
	spelling := binary.LittleEndian.Uint64([]byte("SFVR\x01\x05\x00\x00"))
	for step, act := range []func(){
		func() {
			added := model{spelling: want[0]}
			if err := pour(m.path(name, "vectors.append"), added.jsonLines(t)); err != nil {
				t.Fatal(err)
			}
			engineDelete(t, m.backing(name), spelling)
		},
		func() {
			store := peersTurn(t, process, m.backing(name))
			must(store.Ingest([]uint64{spelling, 50}, slices.Concat(want[0], want[0])))(t)
			must(store.Delete([]uint64{spelling}))(t)
			want[50] = want[0]
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			added := model{51: want[0]}
			want.put(added)
			if err := pour(m.path(name, "vectors.append"), added.jsonLines(t)); err != nil {
				t.Fatalf("appending where the peer deleted such an id: %v", err)
			}
		},
	} {
		act()
		soon(t, m, name)
		for who, err := range map[string]error{
			"file": fileHolds(m.backing(name), want), "engine": engineHolds(m.backing(name), want),
		} {
			if err != nil {
				t.Errorf("step %d: %s: %v", step, who, err)
			}
		}
		store = must(process.OpenReadonly(m.backing(name)))(t)
		if status := must(store.Status())(t); status.TotalVectors != len(want) {
			t.Errorf("step %d: the peer sees %+v", step, status)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargeManifestAndTail mounts a file whose manifest is far larger than the
// usual tail, and which ends in 100 MB of what a dead writer left.
func TestLargeManifestAndTail(t *testing.T) {
	t.Parallel()
	const name = "store.rvf"
	builder := rawfile.NewBuilder("large", 2)
	want := model{}
	for i := range uint64(4000) {
		vector := model{i: {float32(i), 1}}
		builder.Vec(vector)
		want.put(vector)
	}
	builder.Manifest()
	if len(builder.EncodeManifest()) < 65536 {
		t.Fatal("the manifest is not large")
	}
	m := serve(t, folder(t, map[string][]byte{name: builder.Bytes}))
	torn := rawfile.EncodeSegment(rawfile.TypeVec, 9999, bytes.Repeat([]byte("SFVR\x01\x05 a torn row"), 1000))
	binary.LittleEndian.PutUint64(torn[16:], 1<<40)
	file := must(os.OpenFile(m.backing(name), os.O_WRONLY|os.O_APPEND, 0))(t)
	must(file.Write(torn))(t)
	if err := file.Truncate(int64(len(builder.Bytes)) + 100<<20); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got := must(decode[statusView](m.path(name, "status.json")))(t); got.LiveVectors != len(want) || got.FileSize != int64(len(builder.Bytes)) {
		t.Errorf("the folder shows %+v", got)
	}
	run(t, "cmp", "-n", "1000000", m.path(name, "raw"), writeFile(t, m.backing("copy"), builder.Bytes))

	want[5000] = []float32{1, 2}
	if err := pour(m.path(name, "vectors.append"), model{5000: want[5000]}.jsonLines(t)); err != nil {
		t.Fatal(err)
	}
	if err := fileHolds(m.backing(name), want); err != nil {
		t.Errorf("after an append: %v", err)
	}
	if size := must(os.Stat(m.backing(name)))(t).Size(); size > int64(len(builder.Bytes))+1<<20 {
		t.Errorf("the torn tail is still there: %d bytes", size)
	}
}

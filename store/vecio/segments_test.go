package vecio

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
)

// segment builds a segment of the runtime dialect; change may spoil the header.
func segment(id uint64, kind segments.Type, payload []byte, change ...func(*segments.Header)) []byte {
	h := segments.Header{
		Version: segments.HeaderVersion, Type: kind, ID: id,
		PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
	}
	for _, f := range change {
		f(&h)
	}
	b := h.Encode()
	return append(b[:], payload...)
}

func vecPayload(dimension int, count uint32, ids []uint64, rows []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(dimension))
	b = binary.LittleEndian.AppendUint32(b, count)
	for i, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, id)
		b = append(b, rows[i*4*dimension:(i+1)*4*dimension]...)
	}
	return b
}

func vecSegment(id uint64, dimension int, ids []uint64, rows []byte, change ...func(*segments.Header)) []byte {
	return segment(id, segments.TypeVec, vecPayload(dimension, uint32(len(ids)), ids, rows), change...)
}

func manifestSegment(id uint64, entries int, deleted ...uint64) []byte {
	m := segments.Manifest{Epoch: 3, Dimension: 2, TotalVectors: 2, Deleted: deleted}
	for i := range entries {
		m.Directory = append(m.Directory, segments.DirectoryEntry{SegmentID: uint64(i), Type: segments.TypeVec})
	}
	return segment(id, segments.TypeManifest, m.Encode())
}

func TestSegments(t *testing.T) {
	t.Parallel()
	two := vecSegment(1, 2, []uint64{7, 1 << 60}, floats(1, 2, 3, 4))
	three := vecSegment(5, 2, []uint64{9}, floats(5, 6))
	empty := vecSegment(2, 2, nil, nil)
	damaged := slices.Clone(two)
	damaged[len(damaged)-1] ^= 1
	size := int64(len(two))
	journal := segment(4, segments.TypeJournal, segments.EncodeJournal(1, []uint64{7}))
	other := segment(3, segments.TypeWitness, []byte("anything at all"))
	cowMap := segment(3, segments.TypeCowMap, segments.NewCowMap(2).Encode())
	manifestOf := func(named ...segments.Type) []byte {
		m := segments.Manifest{Epoch: 3, Dimension: 2}
		for i, kind := range named {
			m.Directory = append(m.Directory, segments.DirectoryEntry{SegmentID: uint64(i), Type: kind})
		}
		return segment(4, segments.TypeManifest, m.Encode())
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	unset := func(h *segments.Header) { h.ContentHash = [16]byte{} }
	for name, c := range map[string]struct {
		dimension   int
		stream      []byte
		options     Options
		rows        int
		offset, row int64
		reason      string
	}{
		"nothing":           {},
		"one":               {stream: two, rows: 2},
		"two":               {dimension: 2, stream: join(two, three), rows: 3},
		"a store":           {stream: join(manifestSegment(1, 0), two, manifestSegment(2, 2), other, empty, three, manifestSegment(9, 3)), rows: 3},
		"without rows":      {stream: empty},
		"empty journal":     {stream: segment(4, segments.TypeJournal, segments.EncodeJournal(1, nil))},
		"no payload":        {stream: segment(4, segments.TypeIndex, nil)},
		"unknown type":      {stream: join(segment(4, 0xf7, []byte{1, 2, 3}), two), rows: 2},
		"slack behind rows": {stream: segment(1, segments.TypeVec, append(vecPayload(1, 1, []uint64{3}, floats(8)), 0, 0, 0)), rows: 1},
		"allowed NaN":       {stream: vecSegment(1, 1, []uint64{3}, floats(nan)), options: Options{AllowNonFinite: true}, rows: 1},

		"deleted, added again":        {stream: join(two, manifestSegment(2, 3, 7, 8), three, manifestSegment(3, 3)), rows: 3},
		"journal, then none deleted":  {stream: join(two, journal, manifestSegment(3, 3)), rows: 2},
		"many journals, at last none": {stream: join(two, journal, manifestSegment(3, 3, 7), three, journal, manifestSegment(4, 3, 7, 9), manifestSegment(5, 3)), rows: 3},

		"cut header":        {stream: join(two, three[:10]), offset: size, row: 2, reason: "inside a segment header"},
		"cut payload":       {stream: join(two, three[:80]), offset: size, row: 2, reason: "after 16 of the 22 bytes of the payload of segment 5 (vec)"},
		"cut row":           {stream: two[:len(two)-1], row: 1, reason: "the stream ends after"},
		"no magic":          {stream: bytes.Repeat([]byte("abcd"), 16), reason: "magic"},
		"version":           {stream: segment(1, segments.TypeVec, nil, func(h *segments.Header) { h.Version = 2 }), reason: "version"},
		"padding":           {stream: join(other, make([]byte, 64)), offset: int64(len(other)), reason: "padding"},
		"damaged":           {stream: damaged, row: 2, reason: "content hash does not match"},
		"no hash":           {stream: vecSegment(1, 1, []uint64{3}, floats(1), unset), reason: "no content hash"},
		"wire dialect":      {stream: vecSegment(1, 1, []uint64{3}, floats(1), func(h *segments.Header) { h.ContentHash[9] ^= 4 }), reason: "not of the runtime dialect"},
		"SHAKE":             {stream: vecSegment(1, 1, []uint64{3}, floats(1), func(h *segments.Header) { h.ChecksumAlgorithm = 2 }), reason: "not of the runtime dialect"},
		"compressed":        {stream: vecSegment(1, 1, []uint64{3}, floats(1), func(h *segments.Header) { h.Compression = 2 }), reason: "compressed"},
		"encrypted":         {stream: vecSegment(1, 1, []uint64{3}, floats(1), func(h *segments.Header) { h.Flags = segments.FlagEncrypted }), reason: "encrypted"},
		"short vectors":     {stream: segment(1, segments.TypeVec, []byte{1, 0, 1}), reason: "a payload of 3 bytes"},
		"dimension 0":       {stream: segment(1, segments.TypeVec, vecPayload(0, 3, nil, nil)), reason: "dimension 0"},
		"count too large":   {stream: segment(1, segments.TypeVec, vecPayload(1, 2, []uint64{3}, floats(8))), reason: "more rows than its payload holds"},
		"count hostile":     {stream: segment(1, segments.TypeVec, vecPayload(65535, 1<<32-1, nil, nil)), reason: "more rows than its payload holds"},
		"other dimension":   {dimension: 3, stream: two, reason: "dimension 2 where it should be 3"},
		"dimension changes": {stream: join(two, vecSegment(8, 1, []uint64{1}, floats(1))), offset: size, row: 2, reason: "dimension 1 where it should be 2"},
		"NaN":               {stream: vecSegment(1, 2, []uint64{3, 4}, floats(1, 2, 3, nan)), row: 1, reason: "value 1 is NaN"},
		"deleted":           {stream: join(two, manifestSegment(2, 3, 7, 8)), offset: size, row: 2, reason: "lists 2 deleted vectors"},
		"deleted at last":   {stream: join(two, manifestSegment(2, 3), journal, manifestSegment(3, 3, 7)), offset: size + int64(len(manifestSegment(2, 3))+len(journal)), row: 2, reason: "lists 1 deleted vectors"},
		"journal at last":   {stream: join(two, manifestSegment(2, 3), journal), offset: size + int64(len(manifestSegment(2, 3))), row: 2, reason: "deletes 1 vectors"},
		"a branch":          {stream: join(cowMap, two, manifestOf(segments.TypeVec, segments.TypeCowMap)), offset: int64(len(cowMap)) + size, row: 2, reason: "is of a branch"},
		"a branch's filter": {stream: join(two, manifestOf(segments.TypeMembership)), offset: size, row: 2, reason: "rvffs flatten"},
		"a branch's map":    {stream: join(two, cowMap), offset: size, row: 2, reason: "not in its file"},
		"a branch once":     {stream: join(cowMap, manifestOf(segments.TypeCowMap), two, manifestSegment(3, 1)), rows: 2},
		"deleted, empty":    {stream: manifestSegment(2, 0, 7), reason: "lists 1 deleted vectors"},
		"journal":           {stream: join(two, journal), offset: size, row: 2, reason: "deletes 1 vectors"},
		"short journal":     {stream: segment(4, segments.TypeJournal, []byte{0, 0}), reason: "too short"},
		"short manifest":    {stream: segment(4, segments.TypeManifest, make([]byte, 25)), reason: "too short"},
		"hostile manifest":  {stream: segment(4, segments.TypeManifest, bytes.Repeat([]byte{0xff}, 60)), reason: "too short"},
		"damaged manifest":  {stream: segment(4, segments.TypeManifest, make([]byte, 26), func(h *segments.Header) { h.ContentHash = segments.ContentHashOfCRC(1) }), reason: "does not match"},
		"endless payload":   {stream: segment(4, segments.TypeKernel, []byte("x"), func(h *segments.Header) { h.PayloadLength = 1<<64 - 1 }), reason: "1 of the 18446744073709551615 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, err := everyCut(t, Segments, c.options, c.dimension, c.stream)
			checkError(t, err, c.offset, 0, c.row, c.reason)
			if err == nil && len(sink.ids) != c.rows {
				t.Errorf("%d rows, want %d", len(sink.ids), c.rows)
			}
		})
	}
}

func TestSegmentsValues(t *testing.T) {
	t.Parallel()
	const dimension, n = 37, 5000
	values := floats(normal(12, dimension*n)...)
	var ids []uint64
	var want []int64
	for i := range n {
		ids = append(ids, uint64(i*i))
		want = append(want, int64(i*i))
	}
	half := n / 2
	stream := slices.Concat(
		vecSegment(1, dimension, ids[:half], values[:half*4*dimension]),
		manifestSegment(2, 1),
		vecSegment(3, dimension, ids[half:], values[half*4*dimension:]))
	for _, most := range []int{11, 5000, 400_000} {
		sink, err := agree(t, Segments, Options{}, 0, stream, pieces(13, most))
		if err != nil || !slices.Equal(sink.ids, want) || !bytes.Equal(sink.rows, values) {
			t.Fatalf("pieces to %d: %v", most, err)
		}
	}
}

// Rows arrive before their segment ends, but may be committed only behind it, and those
// of a store only where it ends.
func TestSegmentsCommittable(t *testing.T) {
	t.Parallel()
	vector := vecSegment(2, 1, []uint64{1, 2}, floats(3, 4))
	for _, front := range [][]byte{nil, manifestSegment(1, 0)} {
		stream := slices.Concat(front, vector)
		vec := len(front) + segments.HeaderSize
		sink := &collector{}
		d := NewDecoder(Segments, sink, Options{})
		for i := range stream {
			if _, err := d.Write(stream[i : i+1]); err != nil {
				t.Fatal(err)
			}
			want := i+1 < vec || i+1 == len(stream)
			if front != nil {
				want = i+1 < len(front)
			}
			if d.Committable() != want {
				t.Fatalf("after %d bytes committable is %v", i+1, !want)
			}
			if rows := min(max(0, i+1-vec-segments.VecPrefixSize)/12, 2); len(sink.ids) != rows {
				t.Fatalf("after %d bytes %d rows", i+1, len(sink.ids))
			}
		}
		if d.Unfinished() != 0 {
			t.Error("unfinished at the end of a segment")
		}
		if front == nil {
			continue
		}
		end := manifestOf(t, stream, 9, len(front))
		if _, err := d.Write(end); err != nil || d.Committable() || d.Unfinished() != 0 || d.Finish() != nil {
			t.Errorf("behind a manifest: %v, committable %t", err, d.Committable())
		}
	}
}

// manifestOf is a manifest that names the segments at these offsets of a stream.
func manifestOf(t *testing.T, stream []byte, epoch uint32, offsets ...int) []byte {
	t.Helper()
	m := segments.Manifest{Epoch: epoch, Dimension: 1}
	for _, offset := range offsets {
		h, err := segments.ParseHeader(stream[offset:])
		if err != nil {
			t.Fatal(err)
		}
		m.Directory = append(m.Directory, segments.DirectoryEntry{SegmentID: h.ID, Offset: int64(offset), PayloadLength: h.PayloadLength, Type: h.Type})
	}
	return segment(99, segments.TypeManifest, m.Encode())
}

// The last manifest of a store says which segments count, and in which order.
func TestSegmentsOrder(t *testing.T) {
	t.Parallel()
	one, two, three := vecSegment(1, 1, []uint64{1, 2}, floats(1, 2)), vecSegment(2, 1, []uint64{3}, floats(3)), vecSegment(3, 1, []uint64{4, 5, 6}, floats(4, 5, 6))
	unvouched := vecSegment(4, 1, []uint64{7}, floats(nan), func(h *segments.Header) { h.ContentHash = [16]byte{} })
	base := slices.Concat(one, two, three)
	at := []int{0, len(one), len(one) + len(two)}
	later := func(stream []byte, epoch uint32, offsets ...int) []byte {
		return slices.Concat(stream, manifestOf(t, stream, epoch, offsets...))
	}
	withDead := slices.Concat(one, unvouched, two)
	for name, c := range map[string]struct {
		stream []byte
		order  []Run // nil: as they came
		bad    bool  // nothing vouches for what counts
	}{
		"no manifest":                      {stream: base},
		"all, in their order":              {stream: later(base, 1, at...)},
		"none":                             {stream: later(base, 1), order: []Run{}},
		"the last first":                   {stream: later(base, 1, at[2], at[0], at[1]), order: []Run{{3, 3}, {0, 3}}},
		"one is dead":                      {stream: later(base, 1, at[0], at[2]), order: []Run{{0, 2}, {3, 3}}},
		"the last manifest counts":         {stream: later(later(base, 1, at[2]), 2, at[1], at[0]), order: []Run{{2, 1}, {0, 2}}},
		"rows behind it count":             {stream: slices.Concat(later(base, 1, at[2]), one), order: []Run{{3, 5}}},
		"a restated state":                 {stream: later(later(base, 1, at[2]), 1, at[2]), order: []Run{{3, 3}}},
		"another place than it was":        {stream: slices.Concat(two, later(base, 1, at[2], at[0]))},
		"a store behind another":           {stream: slices.Concat(later(base, 5, at[2]), later(base, 1, at[1]))},
		"named twice":                      {stream: later(base, 1, at[2], at[2])},
		"what is dead needs no hash":       {stream: later(withDead, 1, 0, len(one)+len(unvouched))},
		"what counts does":                 {stream: later(withDead, 1, 0, len(one)), bad: true},
		"and what may":                     {stream: slices.Concat(later(base, 1, at...), unvouched), bad: true},
		"or may in a store behind another": {stream: slices.Concat(later(base, 5, at[2]), unvouched, later(base, 1, at[1])), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, most := range []int{1, 30, len(c.stream)} {
				d := NewDecoder(Auto, &collector{}, Options{})
				for piece := range slices.Chunk(c.stream, most) {
					if _, err := d.Write(piece); err != nil {
						t.Fatal(err)
					}
				}
				order, _ := d.(Ordered).Order()
				if err := d.Finish(); (err != nil) != c.bad || c.bad && !strings.Contains(err.Error(), "no content hash") {
					t.Fatalf("%v", err)
				}
				if !c.bad && (!slices.Equal(order, c.order) || (order == nil) != (c.order == nil)) {
					t.Errorf("in pieces of %d: %v, want %v", most, order, c.order)
				}
			}
		})
	}
}

// Files that the reference runtime wrote go in as they are.
func TestSegmentsOfPublishedStores(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]int{
		"basic_store.rvf": 100, "sealed_engine.rvf": 200, "swarm_knowledge.rvf": 83, "lineage_snapshot.rvdna": 0,
	} {
		stream, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "examples", name))
		if err != nil {
			t.Skip("the published stores are not here")
		}
		for _, f := range []Format{Segments, Auto} {
			sink, err := agree(t, f, Options{}, 0, stream, pieces(14, 3000))
			if err != nil || len(sink.ids) != rows {
				t.Errorf("%s: %d rows, %v", name, len(sink.ids), err)
			}
		}
	}
}

// Behind a deletion the stream cannot end, but go on to where all is there again.
func TestSegmentsDeletionsAreJudgedWhereTheStreamEnds(t *testing.T) {
	t.Parallel()
	two := vecSegment(1, 2, []uint64{7, 8}, floats(1, 2, 3, 4))
	journal, manifest := segment(4, segments.TypeJournal, segments.EncodeJournal(1, []uint64{7})), manifestSegment(2, 1, 7)
	again := append(vecSegment(3, 2, []uint64{7}, floats(5, 6)), manifestSegment(5, 2)...)
	d := NewDecoder(Segments, &collector{}, Options{})
	for _, part := range []struct {
		bytes       []byte
		unfinished  int
		committable bool
	}{
		{two, 0, true},
		{journal, len(journal), false},
		{manifest, len(manifest), false},
		{again[:100], len(manifest) + 100, false},
		{again[100:], 0, true}, // the manifests name what is not there: this is no store
	} {
		if _, err := d.Write(part.bytes); err != nil {
			t.Fatal(err)
		}
		if got := d.Unfinished(); got != int64(part.unfinished) || d.Committable() != part.committable {
			t.Errorf("%d bytes unfinished, committable %t; want %d, %t", got, d.Committable(), part.unfinished, part.committable)
		}
	}
	if err := d.Finish(); err != nil {
		t.Error(err)
	}
}

func FuzzSegments(f *testing.F) {
	f.Add(vecSegment(1, 2, []uint64{7, 8}, floats(1, 2, 3, 4)), uint8(0), uint8(5))
	f.Add(append(manifestSegment(1, 1), segment(2, segments.TypeJournal, segments.EncodeJournal(1, []uint64{7}))...), uint8(2), uint8(1))
	f.Add(manifestSegment(1, 2, 5), uint8(2), uint8(70))
	f.Add(segment(1, segments.TypeVec, vecPayload(65535, 1<<32-1, nil, nil)), uint8(0), uint8(9))
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8) {
		// Hashes that fit, so that damage behind them is reached too.
		for at := 0; at+segments.HeaderSize <= len(stream); {
			h, err := segments.ParseHeader(stream[at:])
			rest := stream[at+segments.HeaderSize:]
			if err != nil || h.PayloadLength > uint64(len(rest)) {
				break
			}
			hash := segments.ContentHash(rest[:h.PayloadLength])
			copy(stream[at+40:], hash[:])
			at += segments.HeaderSize + int(h.PayloadLength)
		}
		agree(t, Segments, Options{}, int(dimension), stream, pieces(15, 1+int(most)))
	})
}

func BenchmarkSegments(b *testing.B) {
	const dimension, n = 384, 2000
	stream := vecSegment(1, dimension, make([]uint64, n), floats(normal(16, dimension*n)...))
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		d := NewDecoder(Segments, &probeSink{}, Options{})
		for at := 0; at < len(stream); at += 1 << 20 {
			if _, err := d.Write(stream[at:min(at+1<<20, len(stream))]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

package segments

import (
	"bytes"
	"crypto/sha3"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"

	"rvffs/lineage"
)

// wireTestBlock is a block for the encoder below: its columns as raw bytes.
type wireTestBlock struct {
	dimension, dataType int
	columns             []byte
	ids                 []uint64
	delta               bool
	restart             int
}

func (w wireTestBlock) encode() []byte {
	b := slices.Clone(w.columns)
	encoding := byte(wireIDsRaw)
	if w.delta {
		encoding = wireIDsDelta
	}
	b = append(b, encoding)
	b = binary.LittleEndian.AppendUint16(b, uint16(w.restart))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.ids)))
	for i, id := range w.ids {
		switch {
		case !w.delta:
			b = binary.LittleEndian.AppendUint64(b, id)
		case i == 0 || w.restart > 0 && i%w.restart == 0:
			b = binary.AppendUvarint(b, id)
		default:
			b = binary.AppendUvarint(b, id-w.ids[i-1])
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return padded(b)
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&(Alignment-1))...) }

// encodeWireVec returns the payload of a vector segment of the wire dialect.
func encodeWireVec(blocks ...wireTestBlock) []byte {
	directory := binary.LittleEndian.AppendUint32(nil, uint32(len(blocks)))
	var data []byte
	start := len(padded(make([]byte, wireBlockCountSize+wireBlockEntrySize*len(blocks))))
	for _, block := range blocks {
		directory = binary.LittleEndian.AppendUint32(directory, uint32(start+len(data)))
		directory = binary.LittleEndian.AppendUint32(directory, uint32(len(block.ids)))
		directory = binary.LittleEndian.AppendUint16(directory, uint16(block.dimension))
		directory = append(directory, byte(block.dataType), 0)
		data = append(data, block.encode()...)
	}
	return append(padded(directory), data...)
}

// wireSegment appends a segment in the wire dialect to file.
func wireSegment(file []byte, kind Type, id uint64, algorithm uint8, payload []byte) ([]byte, Segment) {
	file = padded(file)
	h := Header{Version: 1, Type: kind, ID: id, PayloadLength: uint64(len(payload)), ChecksumAlgorithm: algorithm}
	if algorithm == ChecksumSHAKE {
		sum := lineage.Hash(sha3.SumSHAKE256(payload, lineage.HashSize))
		h.ContentHash = [16]byte(sum[:16])
	} else {
		sum := xxh3.Hash128(payload)
		binary.LittleEndian.PutUint64(h.ContentHash[0:], sum.Lo)
		binary.LittleEndian.PutUint64(h.ContentHash[8:], sum.Hi)
	}
	s := Segment{h, int64(len(file))}
	encoded := h.Encode()
	return append(append(file, encoded[:]...), payload...), s
}

// wireManifest appends a manifest of the wire dialect that names what is
// given.
func wireManifest(file []byte, named ...Segment) ([]byte, Segment) {
	file = padded(file)
	record := func(tag uint16, value []byte) []byte {
		b := binary.LittleEndian.AppendUint16(nil, tag)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		b = append(b, 0, 0)
		b = append(b, value...)
		return append(b, make([]byte, -len(b)&7)...)
	}
	var directory []byte
	for _, s := range named {
		entry := binary.LittleEndian.AppendUint64(nil, s.ID)
		entry = append(entry, byte(s.Type), 0, 0, 0, 0, 0, 0, 0)
		entry = binary.LittleEndian.AppendUint64(entry, uint64(s.Offset))
		entry = binary.LittleEndian.AppendUint64(entry, s.PayloadLength)
		directory = append(directory, append(entry, make([]byte, wireDirectoryEntry-len(entry))...)...)
	}
	records := record(7, []byte("something else"))
	records = append(records, record(wireTagDirectory, directory)...)
	root := make([]byte, wireRootSize)
	binary.LittleEndian.PutUint32(root, wireRootMagic)
	binary.LittleEndian.PutUint64(root[0x08:], uint64(len(file)+HeaderSize))
	binary.LittleEndian.PutUint64(root[0x10:], uint64(len(records)))
	binary.LittleEndian.PutUint64(root[0x18:], 12)
	binary.LittleEndian.PutUint16(root[0x20:], 3)
	binary.LittleEndian.PutUint32(root[0x24:], 41)
	identity, _ := testIdentity.AppendBinary(nil)
	copy(root[wireRootIdentity:], identity)
	sealRoot(root)
	return wireSegment(file, TypeManifest, 99, ChecksumRuntime, append(records, root...))
}

func sealRoot(root []byte) {
	binary.LittleEndian.PutUint32(root[wireRootCRC:], crc32.Checksum(root[:wireRootCRC], castagnoli))
}

// wireStore returns a file with two vector segments of dimension 3 and ids 1
// to 12, and these segments.
func wireStore() ([]byte, []Segment, Segment) {
	column := func(count, dimension int) []byte {
		var b []byte
		for d := range dimension {
			for row := range count {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(100*d+row)))
			}
		}
		return b
	}
	first := encodeWireVec(
		wireTestBlock{3, int(wireF32), column(5, 3), []uint64{1, 2, 3, 4, 5}, false, 0},
		wireTestBlock{3, int(wireF32), column(4, 3), []uint64{6, 7, 8, 9}, true, 2})
	second := encodeWireVec(wireTestBlock{3, int(wireF32), column(3, 3), []uint64{10, 11, 12}, true, 0})
	file, a := wireSegment(nil, TypeVec, 1, ChecksumXXH3, first)
	file, x := wireSegment(file, 0xF7, 2, ChecksumSHAKE, []byte("unknown"))
	file, b := wireSegment(file, TypeVec, 3, ChecksumRuntime, second)
	file, m := wireManifest(file, a, x, b)
	return file, []Segment{a, x, b}, m
}

func TestFindStateWire(t *testing.T) {
	t.Parallel()
	file, named, manifest := wireStore()
	s := mustFind(t, file)
	if s.Dialect != DialectWire || s.Segment != manifest || s.End != int64(len(file)) || !s.Clean {
		t.Fatalf("got %+v", s)
	}
	m := s.Manifest
	if m.Epoch != 41 || m.Dimension != 3 || m.TotalVectors != 12 || !m.HasIdentity || m.Identity != testIdentity {
		t.Errorf("got %+v", m)
	}
	if len(m.Directory) != len(named) {
		t.Fatalf("directory: %+v", m.Directory)
	}
	var ids []uint64
	for i, entry := range m.Directory {
		if entry != entryOf(named[i]) {
			t.Errorf("entry %d: %+v, want %+v", i, entry, named[i])
		}
		if v, err := VerifySegment(bytes.NewReader(file), named[i]); v != HashMatch || err != nil {
			t.Errorf("segment %d: %v, %v", i, v, err)
		}
		if entry.Type != TypeVec {
			continue
		}
		v, err := OpenVec(bytes.NewReader(file), named[i], s.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]uint64, v.Count())
		if err := v.ReadIDs(0, part); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, part...)
	}
	if want := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(ids, want) {
		t.Errorf("ids: %v", ids)
	}
}

func TestFindStateWireDamaged(t *testing.T) {
	t.Parallel()
	file, _, manifest := wireStore()
	root := len(file) - wireRootSize
	for name, c := range map[string]struct {
		damage func(file []byte) []byte
		ok     bool
	}{
		"first header": {func(f []byte) []byte { f[0] = 0; return f }, true},
		"root":         {func(f []byte) []byte { f[root+100]++; return f }, false},
		"cut":          {func(f []byte) []byte { return f[:len(f)-1] }, false},
		"longer":       {func(f []byte) []byte { return append(f, 0) }, false},
		"records beyond the file": {func(f []byte) []byte {
			binary.LittleEndian.PutUint64(f[root+8:], math.MaxUint64)
			sealRoot(f[root:])
			return f
		}, false},
		"records too long": {func(f []byte) []byte {
			binary.LittleEndian.PutUint64(f[root+16:], math.MaxUint64)
			sealRoot(f[root:])
			return f
		}, false},
		"record too long": {func(f []byte) []byte {
			binary.LittleEndian.PutUint32(f[manifest.PayloadOffset()+2:], math.MaxUint32)
			return f
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := c.damage(slices.Clone(file))
			s, err := FindState(bytes.NewReader(f), int64(len(f)), FindOptions{})
			switch {
			case c.ok && (err != nil || s.Dialect != DialectWire || s.Segment != manifest):
				t.Errorf("got %+v, %v", s, err)
			case !c.ok && !errors.Is(err, ErrNoManifest):
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

// A file is of the wire dialect by the root at its end, whatever became of the
// manifest's segment: as a store of the other dialect it would look empty, and the
// next commit would cut the root off.
func TestFindStateWireManifestZeroed(t *testing.T) {
	t.Parallel()
	file, named, manifest := wireStore()
	start := int64(len(file) - wireRootSize)
	// rooted puts a root behind what is there, as a small file that ends with a root
	// of its own does: it names no records.
	rooted := func(b []byte) []byte {
		root := slices.Clone(file[start:])
		clear(root[0x08:0x18])
		sealRoot(root)
		return append(padded(b), root...)
	}
	small := func(payload []byte, hash bool) []byte {
		f, s := wireSegment(slices.Clone(file[:manifest.Offset]), TypeManifest, 99, ChecksumRuntime, payload)
		if !hash {
			clear(f[s.Offset+0x28 : s.Offset+0x38])
		}
		return rooted(f)
	}
	zeroRange := func(from, to int64) []byte {
		f := slices.Clone(file)
		clear(f[from:to])
		return f
	}
	for name, c := range map[string]struct {
		file   []byte
		walked bool // the directory is what a walk found
	}{
		"a small one of zeros, without a hash":    {small(make([]byte, 32), false), true},
		"a small one of zeros, its hash is right": {small(make([]byte, 32), true), true},
		"a small one of other bytes":              {small([]byte("no manifest of either dialect"), true), true},
		"no segment at all":                       {rooted(slices.Clone(file[:manifest.Offset])), true},
		"its records":                             {zeroRange(manifest.PayloadOffset(), start), true},
		"its records and its hash": {func() []byte {
			f := zeroRange(manifest.PayloadOffset(), start)
			clear(f[manifest.Offset+0x28 : manifest.Offset+0x38])
			return f
		}(), true},
		"its header":                 {zeroRange(manifest.Offset, manifest.PayloadOffset()), false},
		"the header's first byte":    {zeroRange(manifest.Offset, manifest.Offset+1), false},
		"its header and its records": {zeroRange(manifest.Offset, start), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, limit := range []int64{0, 1, 5000} {
				s, err := FindState(bytes.NewReader(c.file), int64(len(c.file)), FindOptions{ScanLimit: limit})
				if err != nil {
					t.Fatal(err)
				}
				if s.Dialect != DialectWire || s.End != int64(len(c.file)) || s.Walked != c.walked || s.Manifest.TotalVectors != 12 || s.Manifest.Identity != testIdentity {
					t.Fatalf("got %+v", s)
				}
				var want []DirectoryEntry
				for _, segment := range named {
					want = append(want, entryOf(segment))
				}
				if !slices.Equal(s.Manifest.Directory, want) {
					t.Errorf("directory %+v, want %+v", s.Manifest.Directory, want)
				}
				if s.Segment.Type != TypeManifest || s.Segment.End() > s.End {
					t.Errorf("the manifest is said to be %+v", s.Segment)
				}
			}
		})
	}
	// Nor is what lost a part of its root, or all of it, an empty store of the other dialect.
	for _, hash := range []bool{false, true} {
		whole := small(make([]byte, 32), hash)
		for _, cut := range []int{1, 100, wireRootSize - 1, wireRootSize, wireRootSize + 4} {
			left := whole[:len(whole)-cut]
			if s, err := FindState(bytes.NewReader(left), int64(len(left)), FindOptions{}); !errors.Is(err, ErrNoManifest) {
				t.Errorf("cut by %d, with a hash: %t: %+v, %v", cut, hash, s, err)
			}
		}
	}
	// Of a runtime store's manifest the hash tells.
	b, want := twoCommits()
	b.bytes = rooted(b.bytes)
	if s := b.find(t); s.Dialect != DialectRuntime || s.Segment != want {
		t.Errorf("a runtime store with a root behind it: %+v", s)
	}
}

// A root at the end of a runtime file is only bytes: in an orphan, in the
// newest manifest's deleted list, and in a torn tail.
func TestFindStateFakeRoot(t *testing.T) {
	t.Parallel()
	wire, _, _ := wireStore()
	root := wire[len(wire)-wireRootSize:]
	check := func(name string, b *storeBuilder, want Segment) {
		if s := b.find(t); s.Dialect != DialectRuntime || s.Segment != want {
			t.Errorf("%s: dialect %v, manifest at %d", name, s.Dialect, s.Segment.Offset)
		}
	}
	b, want := twoCommits()
	b.orphan(TypeVec, root)
	check("orphan", b, want)
	b, want = twoCommits()
	b.raw(root)
	check("torn", b, want)
	b = &storeBuilder{anonymous: true, deleted: parseIDs(root)}
	want = b.commit()
	check("deleted", b, want)
}

func TestWireVec(t *testing.T) {
	t.Parallel()
	f16 := []byte{0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0xFF, 0x7B, 0x00, 0x7C, 0x00, 0x80}
	wantF16 := []float32{1, -2, 1.0 / (1 << 24), 65504, float32(math.Inf(1)), float32(math.Copysign(0, -1))}
	ids := []uint64{5, 7, 1 << 40}
	for name, c := range map[string]struct {
		block wireTestBlock
		want  []float32 // by column
	}{
		"f16":  {wireTestBlock{2, int(wireF16), f16, ids, false, 0}, wantF16},
		"bf16": {wireTestBlock{1, int(wireBF16), []byte{0x80, 0x3F, 0x00, 0xC0, 0x00, 0x00}, ids, true, 1}, []float32{1, -2, 0}},
		"i8":   {wireTestBlock{2, int(wireI8), []byte{0, 1, 0xFF, 0x80, 0x7F, 2}, ids, true, 2}, []float32{0, 1, -1, -128, 127, 2}},
		"u8":   {wireTestBlock{2, int(wireU8), []byte{0, 1, 0xFF, 0x80, 0x7F, 2}, ids, true, 0}, []float32{0, 1, 255, 128, 127, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, s := wireSegment(nil, TypeVec, 1, ChecksumXXH3, encodeWireVec(c.block))
			v, err := OpenVec(bytes.NewReader(file), s, DialectWire)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]uint64, 3)
			rows := make([]byte, 3*4*v.Dimension())
			if err := v.ReadRows(0, got, rows); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, ids) {
				t.Errorf("ids %v", got)
			}
			for i, want := range c.want {
				column, row := i/3, i%3
				bits := binary.LittleEndian.Uint32(rows[4*(row*v.Dimension()+column):])
				if bits != math.Float32bits(want) {
					t.Errorf("row %d column %d: %v, want %v", row, column, math.Float32frombits(bits), want)
				}
			}
		})
	}
}

// Every range of rows of a segment with several blocks, in any order, also
// where only little of each column is wanted.
func TestWireVecRanges(t *testing.T) {
	t.Parallel()
	var blocks []wireTestBlock
	var ids []uint64
	for i, count := range []int{1, 3000, 0, 7} {
		block := wireTestBlock{dimension: 2, dataType: int(wireF32), delta: i%2 == 1, restart: 16 * i}
		for row := range count {
			block.ids = append(block.ids, uint64(i*10_000+row*3))
		}
		for d := range 2 {
			for _, id := range block.ids {
				block.columns = binary.LittleEndian.AppendUint32(block.columns, math.Float32bits(float32(id)+float32(d)/2))
			}
		}
		ids = append(ids, block.ids...)
		blocks = append(blocks, block)
	}
	file, s := wireSegment(nil, TypeVec, 1, ChecksumXXH3, encodeWireVec(blocks...))
	v, err := OpenVec(bytes.NewReader(file), s, DialectWire)
	if err != nil {
		t.Fatal(err)
	}
	if v.Count() != len(ids) || v.Dimension() != 2 {
		t.Fatalf("%d × %d", v.Count(), v.Dimension())
	}
	for _, r := range [][2]int{{0, 3008}, {3000, 8}, {0, 1}, {1, 1}, {2000, 5}, {1999, 3}, {2001, 1000}, {3007, 1}, {3008, 0}} {
		got, rows := make([]uint64, r[1]), make([]byte, 8*r[1])
		if err := v.ReadRows(r[0], got, rows); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		if !slices.Equal(got, ids[r[0]:r[0]+r[1]]) {
			t.Errorf("%v: other ids", r)
		}
		for i, id := range got {
			x := math.Float32frombits(binary.LittleEndian.Uint32(rows[8*i:]))
			y := math.Float32frombits(binary.LittleEndian.Uint32(rows[8*i+4:]))
			if x != float32(id) || y != float32(id)+0.5 {
				t.Fatalf("%v: row %d is %v, %v for id %d", r, i, x, y, id)
			}
		}
	}
}

func TestWireVecHostile(t *testing.T) {
	t.Parallel()
	ids := []uint64{1, 2, 3}
	columns := make([]byte, 3*2*4)
	good := encodeWireVec(wireTestBlock{2, int(wireF32), columns, ids, false, 0})
	for name, c := range map[string]struct {
		damage func(p []byte) []byte
		want   error
	}{
		"empty":                {func(p []byte) []byte { return nil }, ErrPayload},
		"blocks":               {func(p []byte) []byte { binary.LittleEndian.PutUint32(p, math.MaxUint32); return p }, ErrPayload},
		"vectors":              {func(p []byte) []byte { binary.LittleEndian.PutUint32(p[8:], math.MaxUint32); return p }, ErrPayload},
		"offset":               {func(p []byte) []byte { binary.LittleEndian.PutUint32(p[4:], math.MaxUint32); return p }, ErrPayload},
		"offset in directory":  {func(p []byte) []byte { binary.LittleEndian.PutUint32(p[4:], 8); return p }, ErrPayload},
		"dimension":            {func(p []byte) []byte { binary.LittleEndian.PutUint16(p[12:], math.MaxUint16); return p }, ErrPayload},
		"product quantization": {func(p []byte) []byte { p[14] = 7; return p }, ErrVecType},
		"id count":             {func(p []byte) []byte { p[64+24+3] = 4; return p }, ErrPayload},
		"id encoding":          {func(p []byte) []byte { p[64+24] = 9; return p }, ErrPayload},
		"cut":                  {func(p []byte) []byte { return p[:64+24+7+20] }, ErrPayload},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, s := wireSegment(nil, TypeVec, 1, ChecksumXXH3, c.damage(slices.Clone(good)))
			if v, err := OpenVec(bytes.NewReader(file), s, DialectWire); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
	t.Run("deltas", func(t *testing.T) {
		t.Parallel()
		p := encodeWireVec(wireTestBlock{2, int(wireF32), columns, []uint64{math.MaxUint64, 2, 3}, true, 0})
		file, s := wireSegment(nil, TypeVec, 1, ChecksumXXH3, p)
		v, err := OpenVec(bytes.NewReader(file), s, DialectWire)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.ReadIDs(0, make([]uint64, 3)); !errors.Is(err, ErrPayload) {
			t.Errorf("overflow: %v", err)
		}
	})
}

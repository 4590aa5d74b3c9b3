package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"rvffs/lineage"
)

func TestFindStatePlain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		build func() (*storeBuilder, Segment)
		end   int64 // bytes left over
		clean bool
	}{
		{"empty store", func() (*storeBuilder, Segment) { b := &storeBuilder{}; return b, b.commit() }, 0, true},
		{"two commits", twoCommits, 0, true},
		{"duplicated segment ids", func() (*storeBuilder, Segment) {
			b := &storeBuilder{sameIDs: true}
			for range 5 {
				b.add(TypeVec, vecPayload(4, 7))
				b.commit()
			}
			return b, b.commit()
		}, 0, true},
		{"no identity", func() (*storeBuilder, Segment) {
			b := &storeBuilder{anonymous: true}
			b.add(TypeVec, vecPayload(4, 7))
			return b, b.commit()
		}, 0, true},
		{"manifest above 64 KiB", func() (*storeBuilder, Segment) {
			b := &storeBuilder{}
			for id := range uint64(20_000) {
				b.deleted = append(b.deleted, id)
			}
			return b, b.commit()
		}, 0, true},
		{"orphan vectors and index", func() (*storeBuilder, Segment) {
			b, m := twoCommits()
			b.orphan(TypeVec, vecPayload(4, 8))
			b.orphan(TypeIndex, []byte("index"))
			return b, m
		}, HeaderSize + VecPrefixSize + 24 + HeaderSize + 5, false},
		{"torn tail", func() (*storeBuilder, Segment) {
			b, m := twoCommits()
			b.raw([]byte("torn"))
			return b, m
		}, 4, false},
		{"newest manifest damaged", func() (*storeBuilder, Segment) {
			b, m := twoCommits()
			b.commit()
			b.bytes[len(b.bytes)-1]++
			return b, m
		}, HeaderSize + 26 + DirectoryEntrySize + 4 + lineage.IdentitySize, false},
		{"newest manifest of version 2", func() (*storeBuilder, Segment) {
			b, m := twoCommits()
			b.bytes[b.commit().Offset+4] = 2
			return b, m
		}, HeaderSize + 26 + DirectoryEntrySize + 4 + lineage.IdentitySize, false},
		{"manifest without hash", func() (*storeBuilder, Segment) {
			b, _ := twoCommits()
			m := b.commit()
			m.ContentHash = [16]byte{}
			clear(b.bytes[m.Offset+40 : m.Offset+56])
			return b, m
		}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, want := c.build()
			s := b.find(t)
			if s.Segment != want || s.Dialect != DialectRuntime || s.Clean != c.clean || s.End != int64(len(b.bytes))-c.end {
				t.Errorf("got manifest at %d, end %d of %d, clean %v; want at %d", s.Segment.Offset, s.End, len(b.bytes), s.Clean, want.Offset)
			}
			if s.Manifest.HasIdentity == b.anonymous {
				t.Errorf("identity: %v", s.Manifest.HasIdentity)
			}
		})
	}
}

func TestFindStateNone(t *testing.T) {
	t.Parallel()
	b, _ := twoCommits()
	onlyVec := encodeSegment(TypeVec, 1, vecPayload(4, 1))
	for name, file := range map[string][]byte{
		"empty":              {},
		"one byte":           {0x53},
		"text":               bytes.Repeat([]byte("not a store\n"), 1000),
		"zeros":              make([]byte, 100_000),
		"vectors only":       onlyVec,
		"shifted store":      append([]byte("shift"), b.bytes...),
		"empty store inside": append([]byte("archive"), fakeManifest(nil)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s, err := FindState(bytes.NewReader(file), int64(len(file)), FindOptions{}); !errors.Is(err, ErrNoManifest) {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

// fakes returns vector payloads that hold a complete manifest with the right
// hash, for a segment that will stand at offset; named is what the store has.
func fakes(offset int64, named []DirectoryEntry) map[string]struct {
	payload []byte
	exact   int // the one length of the payload where the fake cannot be told from the truth, or -1
} {
	result := make(map[string]struct {
		payload []byte
		exact   int
	})
	add := func(name string, data []byte, ambiguous bool) {
		payload, at := disguise(data, 40, 200)
		exact := -1
		if ambiguous {
			exact = at + len(data)
		}
		result[name] = struct {
			payload []byte
			exact   int
		}{payload, exact}
	}
	add("names the real segments", fakeManifest(named), false)
	add("names nothing", fakeManifest(nil), false)
	at := offset + HeaderSize + VecPrefixSize + 40 // where the data will stand
	self := func(length uint64) DirectoryEntry {
		return DirectoryEntry{SegmentID: 4, Offset: offset, PayloadLength: length, Type: TypeVec}
	}
	add("names the orphan, up to itself", fakeManifest(append(slices.Clone(named), self(uint64(VecPrefixSize+40)))), false)
	add("names the orphan, whole", fakeManifest(append(slices.Clone(named), self(1000))), false)
	add("names itself", fakeManifest([]DirectoryEntry{{SegmentID: 999, Offset: at, PayloadLength: 26 + 25 + 72, Type: TypeManifest}}), false)
	companion := encodeSegment(TypeVec, 77, vecPayload(4, 9))
	header, _ := ParseHeader(companion)
	entry := entryOf(Segment{header, at})
	add("brings vectors", append(slices.Clone(companion), fakeManifest(append(slices.Clone(named), entry))...), true)
	return result
}

// The fakes stand in committed vectors: the walk never looks at them.
func TestFindStateFakeCommitted(t *testing.T) {
	t.Parallel()
	base, _ := twoCommits()
	for name, fake := range fakes(int64(len(base.bytes)), base.directory) {
		for _, kind := range []Type{TypeVec, TypeMeta, 0x77, 0xF7} {
			t.Run(fmt.Sprint(name, " in ", kind), func(t *testing.T) {
				t.Parallel()
				b, _ := twoCommits()
				b.add(kind, fake.payload)
				want := b.commit()
				for _, tail := range [][]byte{nil, []byte("torn"), make([]byte, 300), bytes.Repeat([]byte{0xAB}, 300)} {
					if s := mustFind(t, append(slices.Clone(b.bytes), tail...)); s.Segment != want {
						t.Errorf("with %d bytes behind: manifest at %d, want %d", len(tail), s.Segment.Offset, want.Offset)
					}
				}
			})
		}
	}
}

// The fakes stand in an orphan behind the newest manifest, cut at every byte.
func TestFindStateFakeInOrphan(t *testing.T) {
	t.Parallel()
	base, _ := twoCommits()
	for name, fake := range fakes(int64(len(base.bytes)), base.directory) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, want := twoCommits()
			b.orphan(TypeVec, fake.payload)
			zeroed := slices.Clone(b.bytes)
			clear(zeroed[want.End() : want.End()+HeaderSize])
			for size := want.End(); size <= int64(len(b.bytes)); size++ {
				if size == want.End()+HeaderSize+int64(fake.exact) {
					continue
				}
				// With the header written first, and with the header last.
				for _, file := range [][]byte{b.bytes[:size], zeroed[:size]} {
					if s := mustFind(t, file); s.Segment != want || s.End != want.End() {
						t.Fatalf("cut at %d of %d: manifest at %d, end %d", size-want.End(), int64(len(b.bytes))-want.End(), s.Segment.Offset, s.End)
					}
				}
			}
		})
	}
}

// The fake stands in the deleted list of the newest manifest, cut at every
// byte.
func TestFindStateFakeInDeleted(t *testing.T) {
	t.Parallel()
	b, previous := twoCommits()
	fake := fakeManifest(b.directory)
	for len(fake)%8 != 0 {
		fake = append(fake, 0)
	}
	for lead := range uint64(4) {
		b.deleted = append(b.deleted, lead)
	}
	b.deleted = append(b.deleted, parseIDs(fake)...)
	b.deleted = append(b.deleted, math.MaxUint64)
	want := b.commit()
	if i := LooksLikeManifest(b.bytes[want.PayloadOffset():]); i < 0 {
		t.Fatal("the deleted list holds no fake")
	}
	if s := b.find(t); s.Segment != want || !s.Clean {
		t.Errorf("whole: manifest at %d", s.Segment.Offset)
	}
	for size := want.Offset; size < want.End(); size++ {
		if s := mustFind(t, b.bytes[:size]); s.Segment != previous {
			t.Fatalf("cut at %d: manifest at %d", size-want.Offset, s.Segment.Offset)
		}
	}
}

func TestFindStateBehind(t *testing.T) {
	t.Parallel()
	b, want := twoCommits()
	b.orphan(TypeVec, vecPayload(4, 8))
	var kept []Segment
	for _, kind := range []Type{TypeWitness, 0x77, 0xF7, TypeRefcount, TypeDelta, TypeProfile, TypeMeta, TypeKeptState, TypeBranches} { // the last two of another vendor
		kept = append(kept, b.orphan(kind, fakeManifest(b.directory)))
	}
	end := int64(len(b.bytes))
	for _, kind := range []Type{TypeVec, TypeIndex, TypeJournal, TypeKernel, TypeEBPF, TypeWASM, TypeDashboard, TypeCowMap, TypeMembership} {
		b.orphan(kind, []byte("left over"))
	}
	for kind, magic := range map[Type]uint32{TypeKeptState: KeptStateMagic, TypeBranches: BranchesMagic} {
		b.orphan(kind, binary.LittleEndian.AppendUint32(nil, magic))
	}
	s := b.find(t)
	if s.Segment != want || !slices.Equal(s.Behind, kept) || s.End != end || s.Clean {
		t.Errorf("got manifest at %d, %d behind, end %d; want %d, %d, %d", s.Segment.Offset, len(s.Behind), s.End, want.Offset, len(kept), end)
	}
	if s := mustFind(t, b.bytes[:end]); !s.Clean || len(s.Behind) != len(kept) {
		t.Errorf("cut behind them: clean %v, %d behind", s.Clean, len(s.Behind))
	}
	// A torn one is not kept, although its length leads to more bytes.
	damaged := slices.Clone(b.bytes[:end])
	damaged[end-1]++
	damaged = append(damaged, "torn"...)
	if s := mustFind(t, damaged); len(s.Behind) != len(kept)-1 || s.End != kept[len(kept)-1].Offset {
		t.Errorf("last one torn: %d behind, end %d", len(s.Behind), s.End)
	}
}

// Another writer went on behind a torn segment, whatever length that claims.
func TestFindStateAppendedBehindTorn(t *testing.T) {
	t.Parallel()
	for _, present := range []int{0, 1, 63, 64, 100, 777} {
		t.Run(fmt.Sprint(present, " bytes of payload"), func(t *testing.T) {
			t.Parallel()
			b, _ := twoCommits()
			torn := int64(len(b.bytes))
			header := Header{Version: 1, Type: TypeVec, ID: 9, ContentHash: [16]byte{1, 2, 3}}
			encoded := header.Encode()
			b.raw(encoded[:])
			b.raw(bytes.Repeat([]byte{0x3F}, present))
			b.add(TypeVec, vecPayload(4, 10, 11))
			b.commit()
			b.add(TypeVec, vecPayload(4, 12))
			want := b.commit()
			whole := len(b.bytes)
			b.raw([]byte("torn again"))
			for claimed := uint64(present) + 1; claimed < uint64(len(b.bytes))+200; claimed++ {
				binary.LittleEndian.PutUint64(b.bytes[torn+16:], claimed)
				for _, file := range [][]byte{b.bytes, b.bytes[:whole]} {
					if uint64(torn)+HeaderSize+claimed == uint64(len(file)) {
						continue // it is not torn then, as far as anyone can see
					}
					if len(file) > whole {
						copy(file[whole:], "SFVR")
					}
					if s := mustFind(t, file); s.Segment != want || s.End != want.End() {
						t.Fatalf("claiming %d: manifest at %d, want %d", claimed, s.Segment.Offset, want.Offset)
					}
				}
			}
		})
	}
}

// A header rotted in the middle of the file costs its segment, not all the
// commits behind it.
func TestFindStateDamagedHeader(t *testing.T) {
	t.Parallel()
	build := func() (*storeBuilder, []Segment, Segment) {
		b := &storeBuilder{}
		b.commit()
		var vectors []Segment
		var last Segment
		for id := range uint64(4) {
			vectors = append(vectors, b.add(TypeVec, vecPayload(4, id)))
			last = b.commit()
		}
		return b, vectors, last
	}
	for mask := 1; mask < 16; mask++ {
		// The magic, the version, the type, and bytes of the length: a little longer, by
		// some segments, beyond the file.
		for _, damage := range []struct {
			at  int64
			bit byte
		}{{0, 0x80}, {4, 0x80}, {5, 0x80}, {16, 1}, {16, 8}, {17, 1}, {17, 2}, {18, 1}, {23, 0x80}} {
			t.Run(fmt.Sprintf("%04b at %d by %d", mask, damage.at, damage.bit), func(t *testing.T) {
				t.Parallel()
				b, vectors, want := build()
				for i, s := range vectors {
					if mask&(1<<i) != 0 {
						b.bytes[s.Offset+damage.at] ^= damage.bit
					}
				}
				if s := b.find(t); s.Segment != want || s.End != want.End() {
					t.Errorf("manifest at %d, want %d", s.Segment.Offset, want.Offset)
				}
			})
		}
	}
	t.Run("first manifest", func(t *testing.T) {
		t.Parallel()
		b, _, want := build()
		b.bytes[0] = 0
		if s := b.find(t); s.Segment != want {
			t.Errorf("manifest at %d, want %d", s.Segment.Offset, want.Offset)
		}
	})
	t.Run("other store's manifest", func(t *testing.T) {
		t.Parallel()
		b, m := twoCommits()
		b.raw([]byte("torn"))
		vectors := b.add(TypeVec, vecPayload(4, 8))
		other := &Manifest{Directory: []DirectoryEntry{entryOf(vectors)}, Identity: lineage.Identity{FileID: lineage.FileID{9}}, HasIdentity: true}
		b.orphan(TypeManifest, other.Encode())
		if s := b.find(t); s.Segment != m {
			t.Errorf("manifest at %d, want %d", s.Segment.Offset, m.Offset)
		}
	})
}

// More damaged manifests than are remembered.
func TestFindStateManyDamaged(t *testing.T) {
	t.Parallel()
	b, want := twoCommits()
	for range 5 * remembered {
		b.commit()
		b.bytes[len(b.bytes)-1]++
	}
	if s := b.find(t); s.Segment != want {
		t.Errorf("manifest at %d, want %d", s.Segment.Offset, want.Offset)
	}
}

// A long torn tail behind a manifest above 64 KiB, of bytes and of candidates,
// in little time and memory. Not parallel, for it measures.
func TestFindStateLongTail(t *testing.T) {
	b, _ := twoCommits()
	for id := range uint64(10_000) {
		b.deleted = append(b.deleted, id)
	}
	want := b.commit()
	// A believable header whose hash is wrong, over and over.
	bad := Header{Version: 1, Type: TypeManifest, PayloadLength: 1 << 20, ContentHash: [16]byte{1}}.Encode()
	torn := Header{Version: 1, Type: TypeVec, PayloadLength: 1 << 40, ContentHash: [16]byte{1}}.Encode()
	for _, c := range []struct {
		name   string
		length int64
		tail   func(p []byte, offset int64)
	}{
		{"zeros", 100 << 20, func(p []byte, _ int64) { clear(p) }},
		{"torn vectors", 100 << 20, func(p []byte, offset int64) {
			for i := range p {
				p[i] = 0x3F
			}
			if offset < HeaderSize {
				copy(p, torn[offset:])
			}
		}},
		{"magic over and over", 10 << 20, func(p []byte, offset int64) {
			pattern := bytes.Repeat([]byte("SFVR\x01\x05"), 64)
			for n := copy(p, pattern[offset%6:]); n < len(p); {
				n += copy(p[n:], pattern[(offset+int64(n))%6:])
			}
		}},
		{"candidates over and over", 100 << 20, func(p []byte, offset int64) {
			for n := 0; n < len(p); {
				n += copy(p[n:], bad[(offset+int64(n))%HeaderSize:])
			}
			if offset == 0 {
				p[0] = 'X'
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := &generated{head: b.bytes, tail: c.tail, size: int64(len(b.bytes)) + c.length}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			s, err := FindState(file, file.size, FindOptions{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if s.Segment != want || s.End != want.End() {
				t.Errorf("manifest at %d, want %d", s.Segment.Offset, want.Offset)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("allocated %d bytes", n)
			}
			t.Logf("took %v, allocated %d bytes", took, after.TotalAlloc-before.TotalAlloc)
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFindStateGrown(t *testing.T) {
	t.Parallel()
	b, first := twoCommits()
	known := b.find(t)
	from := func(file []byte) (*State, error) {
		// Bytes before the boundary are not read again.
		blind := append(bytes.Repeat([]byte{0xEE}, int(first.End())), file[first.End():]...)
		return FindState(bytes.NewReader(blind), int64(len(blind)), FindOptions{From: first.End(), Known: known})
	}
	same := func(s *State, want Segment, behind int) {
		t.Helper()
		if s.Segment != want || len(s.Behind) != behind {
			t.Errorf("manifest at %d, %d behind; want %d, %d", s.Segment.Offset, len(s.Behind), want.Offset, behind)
		}
	}
	s, err := from(b.bytes)
	if err != nil {
		t.Fatal(err)
	}
	same(s, first, 0)
	b.orphan(TypeWitness, []byte("entry"))
	if s, err = from(b.bytes); err != nil {
		t.Fatal(err)
	}
	same(s, first, 1)
	b.add(TypeVec, vecPayload(4, 20))
	second := b.commit()
	if s, err = from(b.bytes); err != nil {
		t.Fatal(err)
	}
	same(s, second, 0)
	b.raw([]byte("SFVRtorn"))
	if s, err = from(b.bytes); err != nil {
		t.Fatal(err)
	}
	same(s, second, 0)
	// A file that shrank is looked at from the start.
	if s, err = FindState(bytes.NewReader(b.bytes), first.End(), FindOptions{From: second.End(), Known: known}); err != nil {
		t.Fatal(err)
	}
	same(s, first, 0)
}

func TestFindStateScanLimit(t *testing.T) {
	t.Parallel()
	b, want := twoCommits()
	b.raw(bytes.Repeat([]byte{0xEE}, 5000))
	find := func(limit int64) (*State, error) {
		return FindState(bytes.NewReader(b.bytes), int64(len(b.bytes)), FindOptions{ScanLimit: limit})
	}
	if _, err := find(4999); !errors.Is(err, ErrScanLimit) {
		t.Errorf("too little: %v", err)
	}
	if s, err := find(5000); err != nil || s.Segment != want {
		t.Errorf("just enough: %v", err)
	}
	b.add(TypeVec, vecPayload(4, 20))
	newer := b.commit()
	if s, err := find(1000); err != nil || s.Segment != newer {
		t.Errorf("found within the limit: %v", err)
	}
	// The orphan in front of the break is too long to be judged.
	b.orphan(TypeVec, bytes.Repeat([]byte{1}, 4000))
	b.raw([]byte("torn"))
	if _, err := find(1000); !errors.Is(err, ErrScanLimit) {
		t.Errorf("long orphan: %v", err)
	}
}

var errTest = errors.New("test disk failed")

// failing fails every read from a place on.
type failing struct {
	r    io.ReaderAt
	from int64
}

func (f failing) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > f.from {
		return 0, errTest
	}
	return f.r.ReadAt(p, offset)
}

func TestFindStateReadErrors(t *testing.T) {
	t.Parallel()
	b, _ := twoCommits()
	b.raw([]byte("torn"))
	b.add(TypeVec, vecPayload(4, 20))
	b.commit()
	size := int64(len(b.bytes))
	for at := range size {
		if s, err := FindState(failing{bytes.NewReader(b.bytes), at}, size, FindOptions{}); !errors.Is(err, errTest) {
			t.Fatalf("failing from %d: %+v, %v", at, s, err)
		}
		// The file is shorter than it was.
		if s, err := FindState(bytes.NewReader(b.bytes[:at]), size, FindOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("truncated to %d: %+v, %v", at, s, err)
		}
	}
}

func TestLooksLikeManifest(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                              -1,
		"SFVR":                          -1,
		"SFVR\x01":                      -1,
		"SFVR\x01\x05":                  0,
		"SFVR\x02\x05":                  0,
		"SFVR\x01\x04":                  -1,
		"xxSFVR\x01\x05":                2,
		"SFVRSFVR\x00\x05":              4,
		"SFVR\x01\x04SFVR\x01\x05 more": 6,
	} {
		if got := LooksLikeManifest([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	// Chunk by chunk with five bytes of overlap, wherever the border is.
	text := []byte("0123456789SFVR\x01\x059876543210")
	for border := range text {
		if (LooksLikeManifest(text[:border]) >= 0) == (LooksLikeManifest(text[max(0, border-5):]) >= 0) {
			t.Errorf("border at %d: not seen exactly once", border)
		}
	}
}

func TestTornHeader(t *testing.T) {
	t.Parallel()
	zeros := string(make([]byte, HeaderSize))
	for head, want := range map[string]bool{
		"":                     true,
		"S":                    true,
		"SFVR":                 true,
		"SFVR and more":        true,
		"SSFVR":                true,
		"SFVSFVR":              true,
		zeros[:10]:             true,
		zeros:                  true,
		zeros + "more":         true,
		zeros[:10] + "SFVR":    true,
		zeros[:10] + "SF":      true,
		zeros[:10] + "vectors": false,
		"vectors":              false,
		"vSFVR":                false,
		"SFVvectors":           false,
	} {
		if got := tornHeader([]byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

// holed is a file of a size of its own, with zeros behind its bytes, that counts
// what is read of it.
type holed struct {
	data []byte
	at   int64 // where they begin
	size int64
	read int64
}

func (h *holed) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	h.read += int64(len(p))
	if from := offset - h.at; from < int64(len(h.data)) && from+int64(len(p)) > 0 {
		copy(p[max(-from, 0):], h.data[max(from, 0):])
	}
	n := int(min(int64(len(p)), max(h.size-offset, 0)))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *holed) NextData(offset int64) int64 {
	switch {
	case offset < h.at:
		return h.at
	case offset < h.at+int64(len(h.data)):
		return offset
	}
	return math.MaxInt64
}

// TestFindStateReadsNoHoles: a file of a few kilobytes that is terabytes long, with
// the hole behind the store or within a torn segment, costs no more than its data.
func TestFindStateReadsNoHoles(t *testing.T) {
	t.Parallel()
	const terabytes = 10 << 40
	b, want := twoCommits()
	behind := &holed{data: b.bytes, size: terabytes}
	torn, tornWant := twoCommits()
	header := Header{Version: 1, Type: TypeVec, ID: 9, PayloadLength: terabytes - 1<<20, ContentHash: ContentHash([]byte("another payload"))}
	encoded := header.Encode()
	torn.raw(append(encoded[:], "the first vectors, and then the power failed"...))
	for name, test := range map[string]struct {
		file *holed
		want Segment
	}{
		"behind the store":  {behind, want},
		"in a torn segment": {&holed{data: torn.bytes, size: terabytes}, tornWant},
	} {
		s, err := FindState(test.file, terabytes, FindOptions{})
		if err != nil || s.Segment != test.want {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if test.file.read > 4<<20 {
			t.Errorf("%s: %d bytes were read of %d", name, test.file.read, len(test.file.data))
		}
	}
}

// TestZerosBefore asks for holes of all sizes, and finds each whole.
func TestZerosBefore(t *testing.T) {
	t.Parallel()
	for _, hole := range []int64{0, 1, scanChunk - 1, scanChunk, scanChunk + 1, 5 * scanChunk, 1000*scanChunk + 17, 1 << 43} {
		file := &holed{data: make([]byte, 100), at: 7 * scanChunk, size: 7*scanChunk + 100 + hole}
		got := zerosBefore(file, 0, file.size)
		if got > hole || hole-got >= scanChunk {
			t.Errorf("%d of %d bytes of a hole", got, hole)
		}
		if got := zerosBefore(file, file.size-hole, file.size); got != hole {
			t.Errorf("%d of %d bytes of a hole down to its floor", got, hole)
		}
	}
	if got := zerosBefore(bytes.NewReader(make([]byte, 100)), 0, 100); got != 0 {
		t.Errorf("%d bytes of a file that knows no holes", got)
	}
}

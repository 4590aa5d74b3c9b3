package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	"rvffs/lineage"
)

func TestManifestBytes(t *testing.T) {
	t.Parallel()
	m := &Manifest{
		Epoch: 1, Dimension: 2, TotalVectors: 3, HardwareProfile: 4, Metric: Cosine, Reserved: 5,
		Directory: []DirectoryEntry{{6, 7, 8, TypeVec}}, Deleted: []uint64{9, 10}, Identity: testIdentity, HasIdentity: true,
	}
	want := []byte{
		1, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 2, 5, 0,
		6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
		2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 'I', 'D', 'I', 'F',
	}
	identity, _ := testIdentity.AppendBinary(nil)
	want = append(want, identity...)
	b := m.Encode()
	if !bytes.Equal(b, want) || m.EncodedSize() != len(b) {
		t.Errorf("%d bytes, said %d: %x", len(b), m.EncodedSize(), b)
	}
	if got, err := ParseManifest(b); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v", got, err)
	}
	// An older file, and what may stand where an identity would.
	older := *m
	older.Identity, older.HasIdentity = lineage.Identity{}, false
	for name, tail := range map[string][]byte{
		"nothing": {}, "other bytes": bytes.Repeat([]byte{7}, 100), "marker alone": []byte("IDIF"), "identity cut": want[67 : len(want)-1],
	} {
		if got, err := ParseManifest(append(older.Encode(), tail...)); err != nil || !reflect.DeepEqual(got, &older) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := ParseManifest(append(slices.Clone(b), "more"...)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("bytes behind the identity: %+v, %v", got, err)
	}
	for size := range len(want) - 72 {
		if _, err := ParseManifest(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
}

func TestManifestHostile(t *testing.T) {
	t.Parallel()
	b := (&Manifest{Directory: make([]DirectoryEntry, 2), Deleted: make([]uint64, 2), HasIdentity: true}).Encode()
	for name, c := range map[string]struct {
		at   int
		size int
		ok   bool
	}{
		"total vectors":    {6, 8, true},
		"directory count":  {14, 4, false},
		"directory offset": {22 + 8, 8, false},
		"directory length": {22 + 16, 8, true},
		"deleted count":    {22 + 50, 4, false},
	} {
		for _, value := range []uint64{1 << 62, math.MaxUint64, 1 << 31, 1 << 63} {
			p := slices.Clone(b)
			var number [8]byte
			binary.LittleEndian.PutUint64(number[:], value)
			if c.size == 4 {
				binary.LittleEndian.PutUint32(number[:], uint32(value|value>>32))
			}
			copy(p[c.at:c.at+c.size], number[:])
			m, err := ParseManifest(p)
			inRange := c.size == 8 && value <= math.MaxInt64
			if c.ok || inRange {
				if err != nil {
					t.Errorf("%s = %#x: %v", name, value, err)
				}
				continue
			}
			if !errors.Is(err, ErrPayload) {
				t.Errorf("%s = %#x: %+v, %v", name, value, m, err)
			}
		}
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	b := EncodeJournal(7, []uint64{3, math.MaxUint64})
	if want := []byte{2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3}; !bytes.Equal(b[:len(want)], want) || len(b) != 16+24 {
		t.Errorf("%x", b)
	}
	want := &Journal{Epoch: 7, Entries: []JournalEntry{{1, 3, true}, {1, math.MaxUint64, true}}}
	if got, err := ParseJournal(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for size := range b {
		if _, err := ParseJournal(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	deletions := func(b []byte) (ids []uint64) {
		if err := ReadDeletions(bytes.NewReader(b), func(id uint64) { ids = append(ids, id) }); err != nil {
			t.Errorf("read: %v", err)
		}
		return ids
	}
	for size := range len(b) + 1 {
		want := []uint64{3, math.MaxUint64}[:max(0, size-journalFixedSize)/12]
		if got := deletions(b[:size]); !slices.Equal(got, want) {
			t.Errorf("cut at %d: read %d, want %d", size, got, want)
		}
	}
	between := slices.Concat(b[:28], []byte{JournalDelete, 0, 2, 0, 'h', 'i', 9, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8}, b[28:])
	between[0] = 4
	if got := deletions(between); !slices.Equal(got, []uint64{3, math.MaxUint64}) {
		t.Errorf("between other entries: read %d", got)
	}
	if err := ReadDeletions(iotest.ErrReader(fs.ErrClosed), nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("broken: %v", err)
	}
	other := append(slices.Clone(b), 9, 0, 2, 0, 'h', 'i')
	other[0] = 3
	if got, err := ParseJournal(other); err != nil || len(got.Entries) != 3 || got.Entries[2] != (JournalEntry{Kind: 9}) {
		t.Errorf("unknown kind: %+v, %v", got, err)
	}
	binary.LittleEndian.PutUint32(b, math.MaxUint32)
	if _, err := ParseJournal(b); !errors.Is(err, ErrPayload) {
		t.Errorf("hostile count: %v", err)
	}
}

func TestWitness(t *testing.T) {
	t.Parallel()
	w := Witness{WitnessComputation, 5, []byte("ingest:count=1,epoch=2"), lineage.Hash{6}}
	b := w.Encode()
	if got, err := ParseWitness(b); err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("%+v, %v", got, err)
	}
	if !bytes.Equal(b[:13], []byte{1, 5, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0}) {
		t.Errorf("%x", b[:13])
	}
	for size := range b {
		if _, err := ParseWitness(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	binary.LittleEndian.PutUint32(b[9:], math.MaxUint32)
	if _, err := ParseWitness(b); !errors.Is(err, ErrPayload) {
		t.Errorf("hostile length: %v", err)
	}
}

func TestKernel(t *testing.T) {
	t.Parallel()
	h := KernelHeader{
		Architecture: KernelRISCV64, Type: KernelCustom, Flags: KernelQueryAPI | KernelCompressed, MinimumMemory: 1, EntryPoint: 2,
		Compression: CompressionZstd, Transport: KernelVsock, Port: 0x1F90, APIVersion: 3, ImageHash: lineage.Hash{4}, BuildID: [16]byte{5},
		BuildTimestamp: 6, VirtualProcessors: 7,
	}
	stored := h
	stored.Compression = CompressionNone
	b, err := BuildKernelFront(stored, nil, 1000, 1000, "console")
	if err != nil {
		t.Fatal(err)
	}
	if b[0x2A] != 0x1F || b[0x2B] != 0x90 || string(b[:4]) != "NKVR" {
		t.Errorf("%x", b)
	}
	k, err := ParseKernel(b[:], 128+1000+7)
	if err != nil {
		t.Fatal(err)
	}
	want := h
	want.Version, want.ImageSize, want.CompressedSize, want.CmdlineOffset, want.CmdlineLength = 1, 1000, 1000, 128, 7
	want.Flags, want.Compression = KernelQueryAPI, CompressionNone
	if !reflect.DeepEqual(k, &Kernel{want, nil, 128, 1000, 1128, 7}) {
		t.Errorf("plain: %+v", k)
	}

	want.CmdlineOffset, want.CompressedSize, want.Compression = 256, 900, CompressionLZ4
	binding := KernelBinding{lineage.Hash{1}, lineage.Hash{2}, 1, 3, 4}
	header, bound := want.Encode(), binding.Encode()
	prefix := append(header[:], bound[:]...)
	k, err = ParseKernel(prefix, 256+900+7)
	if err != nil || !reflect.DeepEqual(k, &Kernel{want, &binding, 263, 900, 256, 7}) {
		t.Errorf("bound: %+v, %v", k, err)
	}

	plain := want
	plain.CmdlineOffset = 128
	odd := plain.Encode()
	hostile := want
	hostile.CompressedSize = math.MaxUint64 - 128
	huge := hostile.Encode()
	for name, c := range map[string]struct {
		prefix []byte
		length int64
	}{
		"empty":                {nil, 0},
		"header cut":           {header[:127], 1035},
		"binding cut":          {prefix[:255], 256 + 907},
		"sizes":                {prefix, 256 + 908},
		"no offset of binding": {append(odd[:], bound[:]...), 256 + 907},
		"hostile size":         {append(huge[:], bound[:]...), 256 + 7},
		"magic":                {make([]byte, 256), 256},
		"version":              {append([]byte("NKVR\x02\x00"), prefix[6:]...), 256 + 907},
	} {
		if k, err := ParseKernel(c.prefix, c.length); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
	for _, size := range []int64{-1, MaxKernelImage + 1} {
		if _, err := BuildKernelFront(h, nil, size, size, ""); !errors.Is(err, ErrTooLarge) {
			t.Errorf("image of %d: %v", size, err)
		}
	}
}

func TestEBPF(t *testing.T) {
	t.Parallel()
	h := EBPFHeader{
		ProgramType: EBPFSocketFilter, AttachType: EBPFAttachNone, Flags: 1, InstructionCount: 2, MaxDimension: 3, MapCount: 4, ProgramHash: lineage.Hash{5},
	}
	b, err := BuildEBPF(h, 1000, 20)
	if err != nil {
		t.Fatal(err)
	}
	want := h
	want.Version, want.ProgramSize, want.BTFSize = 1, 1000, 20
	if e, err := ParseEBPF(b[:], 64+1020); err != nil || !reflect.DeepEqual(e, &EBPF{want, 64, 1000, 1064, 20}) {
		t.Errorf("%+v, %v", e, err)
	}
	hostile := want
	hostile.ProgramSize = math.MaxUint64 - 63
	huge := hostile.Encode()
	for name, c := range map[string]struct {
		prefix []byte
		length int64
	}{
		"empty": {nil, 0}, "cut": {b[:63], 1084}, "sizes": {b[:], 1083}, "hostile": {huge[:], 20}, "magic": {make([]byte, 64), 64},
		"version": {append([]byte("PBVR\x02\x00"), b[6:]...), 1084},
	} {
		if e, err := ParseEBPF(c.prefix, c.length); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for _, sizes := range [][2]int64{{-1, 0}, {0, -1}, {MaxEBPF, 1}, {math.MaxInt64, math.MaxInt64}} {
		if _, err := BuildEBPF(h, sizes[0], sizes[1]); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %v", sizes, err)
		}
	}
}

func TestWASM(t *testing.T) {
	t.Parallel()
	h := WASMHeader{1, WASMCombined, WASMBrowser, 2, 3, 1000, 400, CompressionZstd, 4, 5, 6, lineage.Hash{7}, 8, 9}
	b := h.Encode()
	if w, err := ParseWASM(b[:], 464); err != nil || *w != (WASM{h, 64, 400}) {
		t.Errorf("%+v, %v", w, err)
	}
	plain := h
	plain.Compression, plain.CompressedSize = CompressionNone, 0
	p := plain.Encode()
	if w, err := ParseWASM(p[:], 1064); err != nil || *w != (WASM{plain, 64, 1000}) {
		t.Errorf("%+v, %v", w, err)
	}
	for _, length := range []int64{0, 463, 465, 1064} {
		if _, err := ParseWASM(b[:], length); !errors.Is(err, ErrPayload) {
			t.Errorf("payload of %d: %v", length, err)
		}
	}
	for _, prefix := range [][]byte{nil, b[:63], make([]byte, 64)} {
		if _, err := ParseWASM(prefix, 464); !errors.Is(err, ErrPayload) {
			t.Errorf("%x: %v", prefix, err)
		}
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	h := DashboardHeader{1, DashboardReact, DashboardGzip, 1000, 2, 3, 4, lineage.Hash{5}}
	b := h.Encode()
	if d, err := ParseDashboard(b[:], 1064); err != nil || *d != (Dashboard{h, 64, 1000}) {
		t.Errorf("%+v, %v", d, err)
	}
	hostile := h
	hostile.BundleSize = math.MaxUint64 - 63
	huge := hostile.Encode()
	for _, c := range []struct {
		prefix []byte
		length int64
	}{{nil, 0}, {b[:63], 1064}, {b[:], 1063}, {huge[:], 0}, {make([]byte, 64), 64}} {
		if d, err := ParseDashboard(c.prefix, c.length); !errors.Is(err, ErrPayload) {
			t.Errorf("%x, %d: %+v, %v", c.prefix, c.length, d, err)
		}
	}
}

func TestCowMap(t *testing.T) {
	t.Parallel()
	want := &CowMap{0, 4096, 8, lineage.FileID{1}, lineage.Hash{2}, 512, true, 3, "../parent.rvf", []byte{0, 0, 0, 0, 0}}
	b := want.Encode()
	if got, err := ParseCowMap(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if b[0x44] != 1 || b[0x49] != 13 || b[0x4D] != 5 || string(b[0x51:0x51+13]) != "../parent.rvf" {
		t.Errorf("%x", b)
	}
	for size := range b {
		if _, err := ParseCowMap(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	for _, at := range []int{0, 4, 0x4C, 0x50} {
		p := slices.Clone(b)
		p[at] ^= 0xFF
		if _, err := ParseCowMap(p); !errors.Is(err, ErrPayload) {
			t.Errorf("byte %#x: %v", at, err)
		}
	}
}

func TestMembership(t *testing.T) {
	t.Parallel()
	bitmap := make([]byte, 16)
	bitmap[0], bitmap[12] = 0b101, 0b1000
	m := &Membership{Header: MembershipHeader{VectorCount: 100, Generation: 1, BloomOffset: 2, BloomSize: 3}, Bitmap: bitmap}
	b := m.Encode()
	got, err := ParseMembership(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.MemberCount != 3 || got.Header.FilterOffset != 96 || got.Header.FilterSize != 16 || got.Header.FilterHash != lineage.Fold(bitmap) {
		t.Errorf("%+v", got.Header)
	}
	for id, want := range map[uint64]bool{0: true, 1: false, 2: true, 99: true, 98: false, 100: false, math.MaxUint64: false} {
		if got.Contains(id) != want {
			t.Errorf("%d: %v", id, !want)
		}
	}
	exclude := *m
	exclude.Header.Exclude = true
	if got, err := ParseMembership(exclude.Encode()); err != nil || got.Contains(0) || !got.Contains(1) || !got.Contains(1000) {
		t.Errorf("exclude: %+v, %v", got, err)
	}
	for size := range b {
		if _, err := ParseMembership(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	for _, at := range []int{0, 4, 6, 0x08, 0x0F, 0x10, 0x18, 0x1F, 0x20, 0x23, 0x28, 96, 111} {
		p := slices.Clone(b)
		p[at] ^= 0xFF
		if _, err := ParseMembership(p); !errors.Is(err, ErrPayload) {
			t.Errorf("byte %#x: %v", at, err)
		}
	}
}

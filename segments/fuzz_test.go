package segments

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"
)

func FuzzParseHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		if again := h.Encode(); !bytes.Equal(again[:], b[:HeaderSize]) {
			t.Errorf("%x", again)
		}
		if s := (Segment{h, int64(len(b))}); s.End() < s.PayloadOffset() || s.PayloadOffset() < s.Offset {
			t.Errorf("ends at %d", s.End())
		}
		h.Flags.Names()
		_ = h.Type.String() + h.Compression.String()
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		if m.EncodedSize() > len(b) {
			t.Fatalf("%d bytes out of %d", m.EncodedSize(), len(b))
		}
		encoded := m.Encode()
		if len(encoded) != m.EncodedSize() || !bytes.Equal(encoded, b[:len(encoded)]) {
			t.Errorf("encodes to %x", encoded)
		}
		if again, err := ParseManifest(encoded); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v, %v; want %+v", again, err, m)
		}
	})
}

// allocated tells how much f allocates, as long as nothing runs beside it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// seal gives everything in b that looks like a segment the right hash, those
// inside others first, so that mutations reach what lies behind the hashes.
func seal(b []byte) {
	for i := len(b) - HeaderSize; i >= 0; i-- {
		h, err := ParseHeader(b[i:])
		if err != nil || h.PayloadLength > uint64(len(b)-i-HeaderSize) {
			continue
		}
		h.ContentHash = ContentHash(b[i+HeaderSize:][:h.PayloadLength])
		sealed := h.Encode()
		copy(b[i:], sealed[:])
	}
}

func FuzzFindState(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		if cut%2 == 1 {
			b = bytes.Clone(b)
			seal(b)
		}
		check := func(file []byte, options FindOptions) *State {
			s, err := FindState(bytes.NewReader(file), int64(len(file)), options)
			if err != nil {
				return nil
			}
			if s.Manifest == nil || s.End > int64(len(file)) || s.Segment.End() > s.End || (s.Clean && s.End != int64(len(file))) {
				t.Fatalf("%+v of %d bytes", s, len(file))
			}
			end := s.Segment.End()
			for _, behind := range s.Behind {
				if behind.Offset < end || !behind.Type.preserved() && !behind.Type.IsExtension() {
					t.Fatalf("behind %d: %+v", end, behind)
				}
				end = behind.End()
			}
			if s.Dialect == DialectRuntime {
				payload := file[s.Segment.PayloadOffset():s.Segment.End()]
				if m, err := ParseManifest(payload); err != nil || !reflect.DeepEqual(m, s.Manifest) {
					t.Fatalf("not the manifest at %d: %v", s.Segment.Offset, err)
				}
				if v := verifyBytes(s.Segment.Header, payload); v != HashMatch && v != HashUnset {
					t.Fatalf("manifest at %d: %v", s.Segment.Offset, v)
				}
			}
			for _, entry := range s.Manifest.Directory {
				_, _ = OpenVec(bytes.NewReader(file), Segment{Header{PayloadLength: entry.PayloadLength}, entry.Offset}, s.Dialect)
			}
			return s
		}
		if n := allocated(func() { check(b, FindOptions{}) }); n > 8<<20+64*uint64(len(b)) {
			t.Errorf("allocated %d bytes for %d", n, len(b))
		}
		check(b, FindOptions{ScanLimit: int64(cut)})
		at := min(int(cut), len(b))
		if known := check(b[:at], FindOptions{}); known != nil {
			check(b, FindOptions{Known: known, From: known.End})
		}

		// What was committed before stays found, whatever is appended to it:
		// the state is the same, or a manifest in what was appended.
		store, want := twoCommits()
		s := check(append(store.bytes, b...), FindOptions{})
		if s == nil || s.Segment.Offset < want.Offset {
			t.Fatalf("lost by what was appended: %+v", s)
		}
		// And whatever is committed in a payload is not believed.
		store, _ = twoCommits()
		store.add(TypeVec, b)
		want = store.commit()
		if s := check(store.bytes, FindOptions{}); s == nil || s.Segment != want {
			t.Fatalf("lost by what was committed: %+v", s)
		}
	})
}

func FuzzWalker(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, from uint16) {
		size := int64(len(b))
		w := NewWalker(bytes.NewReader(b), int64(from), size)
		end := int64(from)
		for w.Next() {
			s := w.Segment()
			if s.Offset < end || s.Offset-end >= Alignment || s.End() > size || s.End() < s.Offset+HeaderSize {
				t.Fatalf("after %d: %+v", end, s)
			}
			end = s.End()
		}
		if w.Err() != nil || w.End() != end || (w.Clean() && (size-end < 0 || size-end >= Alignment)) {
			t.Fatalf("end %d, want %d of %d; clean %v, %v", w.End(), end, size, w.Clean(), w.Err())
		}
	})
}

func FuzzVecReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, wire bool, first, count uint16) {
		d := DialectRuntime
		if wire {
			d = DialectWire
		}
		s := Segment{Header: Header{PayloadLength: uint64(len(payload))}}
		file := append(make([]byte, HeaderSize), payload...)
		n := allocated(func() {
			v, err := OpenVec(bytes.NewReader(file), s, d)
			if err != nil {
				return
			}
			if v.Count() < 0 || v.Count() > len(payload) {
				t.Fatalf("%d rows in %d bytes", v.Count(), len(payload))
			}
			k := max(0, min(int(count), v.Count()-int(first)))
			ids, rows := make([]uint64, k), make([]byte, k*4*v.Dimension())
			if err := v.ReadRows(int(first), ids, rows); err != nil {
				return
			}
			again := make([]uint64, k)
			for i := range again {
				if err := v.ReadIDs(int(first)+i, again[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(ids, again) {
				t.Errorf("ids %v, one by one %v", ids, again)
			}
		})
		// A wire element of one byte becomes four; every id that is read by
		// itself takes a window.
		if n > 4<<20+64*uint64(len(payload))*(1+uint64(count)) {
			t.Errorf("allocated %d bytes for %d", n, len(payload))
		}
	})
}

func FuzzParseWireRoot(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, records []byte) {
		root := make([]byte, wireRootSize)
		copy(root, b)
		if len(b) >= 4 {
			// The checksum keeps random bytes out; make it right.
			sealRoot(root)
		}
		if r, err := ParseWireRoot(root); err == nil && r.Dimension != uint16(root[0x20])|uint16(root[0x21])<<8 {
			t.Errorf("%+v", r)
		}
		if directory, _, err := parseWireDirectory(records); err == nil && len(directory) > len(records)/wireDirectoryEntry {
			t.Errorf("%d entries in %d bytes", len(directory), len(records))
		}
		_, segment := wireSegment(nil, TypeManifest, 1, ChecksumXXH3, append(records, root...))
		header := segment.Encode()
		file := append(header[:], append(records, root...)...)
		if s, err := FindState(bytes.NewReader(file), int64(len(file)), FindOptions{}); err == nil && s.Segment != segment {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzParseJournal(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var deleted []uint64
		if err := ReadDeletions(bytes.NewReader(b), func(id uint64) { deleted = append(deleted, id) }); err != nil {
			t.Errorf("read: %v", err)
		}
		j, err := ParseJournal(b)
		if err != nil {
			return
		}
		var ids, want []uint64
		for _, entry := range j.Entries {
			ids = append(ids, entry.ID)
			if entry.Deletes {
				want = append(want, entry.ID)
			}
		}
		if !slices.Equal(deleted, want) {
			t.Errorf("read %d, want %d", deleted, want)
		}
		again, err := ParseJournal(EncodeJournal(j.Epoch, ids))
		if err != nil || again.Epoch != j.Epoch || len(again.Entries) != len(ids) {
			t.Fatalf("%+v, %v; want %+v", again, err, j)
		}
		for i, entry := range again.Entries {
			if entry != (JournalEntry{JournalDelete, ids[i], true}) {
				t.Errorf("entry %d: %+v", i, entry)
			}
		}
	})
}

func FuzzParseMeta(f *testing.F) {
	for _, m := range []*Meta{{Snapshot: true, Generation: 1}, handMadeMeta, {Generation: 9, Records: []MetaRecord{{ID: 3, Gone: true}}}} {
		payload, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload[:len(payload)-metaFootSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		// The right hash is put behind what is tried, for nothing else gets through.
		sum := sha256.Sum256(body)
		payload := append(append(bytes.Clone(body), metaDone...), sum[:]...)
		m, err := ParseMeta(payload)
		if err != nil {
			if !errors.Is(err, ErrPayload) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		// Flags that nobody knows are the only thing that is not kept.
		payload[10], payload[11] = payload[10]&metaSnapshot, 0
		if !bytes.Equal(again[:len(body)], payload[:len(body)]) {
			t.Errorf("read and written again:\n%x\n%x", again, payload)
		}
	})
}

func FuzzParseWitness(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := ParseWitness(b)
		if err != nil {
			return
		}
		if encoded := w.Encode(); !bytes.HasPrefix(b, encoded) {
			t.Errorf("%x", encoded)
		}
	})
}

func FuzzParseKernel(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, length int64) {
		k, err := ParseKernel(b, length)
		if err != nil {
			return
		}
		for _, part := range [][2]int64{{k.ImageOffset, k.ImageLength}, {k.CmdlineOffset, k.CmdlineLength}} {
			if part[0] < KernelHeaderSize || part[1] < 0 || part[0]+part[1] > length {
				t.Errorf("%+v in %d", k, length)
			}
		}
		header := k.Header.Encode()
		if h, err := ParseKernelHeader(header[:]); err != nil || h != k.Header {
			t.Errorf("%+v, %v", h, err)
		}
		if k.Binding != nil {
			binding := k.Binding.Encode()
			if again, err := ParseKernelBinding(binding[:]); err != nil || again != *k.Binding {
				t.Errorf("%+v, %v", again, err)
			}
		}
		k.Header.Flags.Names()
	})
}

func FuzzParseEBPF(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, length int64) {
		e, err := ParseEBPF(b, length)
		if err != nil {
			return
		}
		if e.ProgramLength < 0 || e.BTFLength < 0 || e.ProgramOffset+e.ProgramLength != e.BTFOffset || e.BTFOffset+e.BTFLength != length {
			t.Errorf("%+v in %d", e, length)
		}
		if again := e.Header.Encode(); !bytes.Equal(again[:], b[:EBPFHeaderSize]) {
			t.Errorf("%x", again)
		}
	})
}

func FuzzParseWASM(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, length int64) {
		w, err := ParseWASM(b, length)
		if err != nil {
			return
		}
		if w.ModuleLength < 0 || w.ModuleOffset+w.ModuleLength != length {
			t.Errorf("%+v in %d", w, length)
		}
		again := w.Header.Encode()
		if h, err := ParseWASMHeader(again[:]); err != nil || h != w.Header {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

func FuzzParseDashboard(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, length int64) {
		d, err := ParseDashboard(b, length)
		if err != nil {
			return
		}
		if d.BundleLength < 0 || d.BundleOffset+d.BundleLength != length {
			t.Errorf("%+v in %d", d, length)
		}
		again := d.Header.Encode()
		if h, err := ParseDashboardHeader(again[:]); err != nil || h != d.Header {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

func FuzzParseCowMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCowMap(b)
		if err != nil {
			return
		}
		if again, err := ParseCowMap(c.Encode()); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v, %v; want %+v", again, err, c)
		}
	})
}

func FuzzParseMembership(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, id uint64) {
		m, err := ParseMembership(b)
		if err != nil {
			return
		}
		m.Contains(id)
		again, err := ParseMembership(m.Encode())
		if err != nil || !bytes.Equal(again.Bitmap, m.Bitmap) || again.Contains(id) != m.Contains(id) {
			t.Errorf("%+v, %v; want %+v", again, err, m)
		}
	})
}

func FuzzParseProfile(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProfile(b)
		if err != nil {
			return
		}
		if again, err := ParseProfile(EncodeProfile(p)); err != nil || again != p {
			t.Errorf("%v, %v; want %v", again, err, p)
		}
	})
}

func FuzzLooksLikeManifest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		want := -1
		for i := range b {
			if bytes.HasPrefix(b[i:], []byte("SFVR")) && i+5 < len(b) && b[i+5] == byte(TypeManifest) {
				want = i
				break
			}
		}
		if got := LooksLikeManifest(b); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	})
}

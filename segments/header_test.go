package segments

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"rvffs/lineage"
)

// fullHeader has a different value in every field.
var fullHeader = Header{
	Version: 1, Type: TypeEBPF, Flags: 0x0203, ID: 4, PayloadLength: 5, Timestamp: 6, ChecksumAlgorithm: 7,
	Compression: 8, Reserved16: 9, Reserved32: 10, ContentHash: [16]byte{11, 12}, UncompressedLength: 13, AlignmentPad: 14,
}

func TestHeaderBytes(t *testing.T) {
	t.Parallel()
	b := fullHeader.Encode()
	want := []byte{
		'S', 'F', 'V', 'R', 1, 0x0F, 3, 2, 4, 0, 0, 0, 0, 0, 0, 0,
		5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
		7, 8, 9, 0, 10, 0, 0, 0, 11, 12, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 14, 0, 0, 0,
	}
	if !bytes.Equal(b[:], want) {
		t.Errorf("encoded: %x", b)
	}
	if h, err := ParseHeader(append(b[:], "more"...)); h != fullHeader || err != nil {
		t.Errorf("parsed: %+v, %v", h, err)
	}
}

func TestParseHeaderErrors(t *testing.T) {
	t.Parallel()
	b := fullHeader.Encode()
	change := func(at int, value byte) []byte {
		c := b
		c[at] = value
		return c[:]
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":     {nil, ErrShortHeader},
		"short":     {b[:63], ErrShortHeader},
		"magic":     {change(0, 0), ErrMagic},
		"zeros":     {make([]byte, 64), ErrMagic},
		"version 0": {change(4, 0), ErrVersion},
		"version 2": {change(4, 2), ErrVersion},
	} {
		if _, err := ParseHeader(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSegmentEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offset int64
		length uint64
		want   int64
	}{
		{0, 0, 64}, {100, 5, 169}, {0, math.MaxUint64, math.MaxInt64}, {0, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, 1, math.MaxInt64}, {math.MaxInt64 - 70, 6, math.MaxInt64}, {math.MaxInt64 - 70, 5, math.MaxInt64 - 1},
	} {
		s := Segment{Header{PayloadLength: c.length}, c.offset}
		if got := s.End(); got != c.want {
			t.Errorf("%d + %d: %d", c.offset, c.length, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		TypeVec.String(): "vec", TypeManifest.String(): "manifest", TypeEBPF.String(): "ebpf", TypeCowMap.String(): "cow_map",
		Type(0xF7).String(): "0xf7", Type(0x12).String(): "0x12", CompressionZstd.String(): "zstd", Compression(9).String(): "0x09",
		L2.String(): "l2", InnerProduct.String(): "ip", Cosine.String(): "cosine", Metric(3).String(): "0x03",
		DialectRuntime.String(): "runtime", DialectWire.String(): "wire",
		KernelX86_64.String(): "x86_64", KernelArchitecture(9).String(): "0x09", KernelHermit.String(): "hermit", KernelType(9).String(): "0x09",
		KernelNoTransport.String(): "none", KernelVsock.String(): "vsock", EBPFKprobe.String(): "kprobe", EBPFAttachTCEgress.String(): "tc-egress",
		WASMControlPlane.String(): "control-plane", WASMBareTile.String(): "bare-tile",
		DashboardThreeJS.String(): "three.js", DashboardBrotli.String(): "brotli",
		HashUnset.String(): "unset", HashMatch.String(): "match", HashMismatch.String(): "mismatch", HashUnknown.String(): "unknown",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (FlagCompressed | FlagHasLineage | 0x1000).Names(); !slices.Equal(got, []string{"compressed", "has_lineage", "0x1000"}) {
		t.Errorf("flags: %q", got)
	}
	if got := (KernelRequiresTEE | KernelVsockDevice | 1<<31).Names(); !slices.Equal(got, []string{"requires_tee", "vsock", "0x80000000"}) {
		t.Errorf("kernel flags: %q", got)
	}
	if got := Flags(0).Names(); got == nil || len(got) != 0 {
		t.Errorf("no flags: %q", got)
	}
	if len(flagNames) != 12 || FlagHasLineage != 0x0800 || len(kernelFlagNames) != 15 || KernelVsockDevice != 1<<14 {
		t.Error("flags and names disagree")
	}
	for _, known := range []struct {
		t    Type
		want bool
	}{{TypeInvalid, false}, {TypeVec, true}, {TypeDashboard, true}, {0x12, false}, {TypeAggregateWeights, true}, {0xF0, false}} {
		if known.t.Known() != known.want {
			t.Errorf("%v: known %v", known.t, !known.want)
		}
	}
}

func TestParseMetric(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Metric{"l2": L2, "L2": L2, "ip": InnerProduct, "inner_product": InnerProduct, "Cosine": Cosine} {
		if got, err := ParseMetric(text); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseMetric("hamming"); !errors.Is(err, ErrMetric) {
		t.Errorf("unknown: %v", err)
	}
	if Metric(3).Known() || !Cosine.Known() {
		t.Error("Known")
	}
}

func TestContentHash(t *testing.T) {
	t.Parallel()
	// CRC-32 of "123456789" is cbf43926.
	want := [16]byte{0x26, 0x39, 0xF4, 0xCB, 0xCB, 0x26, 0x39, 0xF4, 0xF4, 0xCB, 0x26, 0x39, 0x39, 0xF4, 0xCB, 0x26}
	if got := ContentHash([]byte("123456789")); got != want {
		t.Errorf("got %x", got)
	}
}

func TestVerifyPayload(t *testing.T) {
	t.Parallel()
	payload := bytes.Repeat([]byte("payload"), 50_000)
	_, xxh := wireSegment(nil, TypeMeta, 1, ChecksumXXH3, payload)
	_, shake := wireSegment(nil, TypeMeta, 1, ChecksumSHAKE, payload)
	crc := Header{PayloadLength: uint64(len(payload)), ContentHash: ContentHash(payload)}
	as := func(h Header, algorithm uint8) Header { h.ChecksumAlgorithm = algorithm; return h }
	// XXH3-128 of nothing is 99aa06d3014798d86001c324468d497f.
	nothing := Header{ContentHash: [16]byte{0x7F, 0x49, 0x8D, 0x46, 0x24, 0xC3, 0x01, 0x60, 0xD8, 0x98, 0x47, 0x01, 0xD3, 0x06, 0xAA, 0x99}}
	for name, c := range map[string]struct {
		h    Header
		want HashVerdict
	}{
		"crc":               {crc, HashMatch},
		"crc by algorithm1": {as(crc, 1), HashMatch},
		"xxh3":              {xxh.Header, HashMatch},
		"xxh3 as runtime":   {as(xxh.Header, 0), HashMatch},
		"shake":             {shake.Header, HashMatch},
		"xxh3 as shake":     {as(xxh.Header, 2), HashMismatch},
		"shake as xxh3":     {as(shake.Header, 1), HashMismatch},
		"unknown":           {as(shake.Header, 3), HashUnknown},
		"unset":             {Header{PayloadLength: crc.PayloadLength}, HashUnset},
		"nothing":           {nothing, HashMatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := VerifyPayload(c.h, bytes.NewReader(payload)); got != c.want || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
			if c.h.PayloadLength == 0 || c.want != HashMatch {
				return
			}
			damaged := slices.Clone(payload)
			damaged[len(damaged)-1]++
			if got, err := VerifyPayload(c.h, bytes.NewReader(damaged)); got != HashMismatch || err != nil {
				t.Errorf("damaged: %v, %v", got, err)
			}
			if _, err := VerifyPayload(c.h, bytes.NewReader(payload[1:])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("short: %v", err)
			}
			hostile := c.h
			hostile.PayloadLength = math.MaxUint64
			if _, err := VerifyPayload(hostile, bytes.NewReader(payload)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("hostile length: %v", err)
			}
		})
	}
}

func TestWalker(t *testing.T) {
	t.Parallel()
	b, _ := twoCommits()
	b.orphan(TypeMeta, nil)
	b.orphan(TypeMeta, make([]byte, 10_000))
	wire, _, _ := wireStore()
	hostile := Header{Version: 1, Type: TypeVec, PayloadLength: math.MaxUint64 - 63}.Encode()
	with := func(tail ...byte) []byte { return append(slices.Clone(b.bytes), tail...) }
	for name, c := range map[string]struct {
		file  []byte
		count int
		left  int
		clean bool
	}{
		"nothing":            {nil, 0, 0, true},
		"runtime":            {b.bytes, 5, 0, true},
		"wire":               {wire, 4, 0, true},
		"wire, padded":       {padded(slices.Clone(wire)), 4, -len(wire) & 63, true},
		"zeros":              {make([]byte, 10_000), 0, 10_000, false},
		"few zeros":          {make([]byte, 63), 0, 63, true},
		"zeros behind":       {with(make([]byte, 63)...), 5, 63, true},
		"more zeros behind":  {with(make([]byte, 64)...), 5, 64, false},
		"one byte behind":    {with(1), 5, 1, false},
		"header cut":         {with(hostile[:63]...), 5, 63, false},
		"hostile length":     {with(hostile[:]...), 5, 64, false},
		"one byte missing":   {b.bytes[:len(b.bytes)-1], 4, 10_063, false},
		"padding in runtime": {with(append(make([]byte, -len(b.bytes)&63), b.bytes...)...), 5, -len(b.bytes)&63 + len(b.bytes), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := int64(len(c.file))
			w := NewWalker(bytes.NewReader(c.file), 0, size)
			count := 0
			for w.Next() {
				if count++; w.End() != w.Segment().End() {
					t.Errorf("segment %d: stands at %d, not %d", count, w.End(), w.Segment().End())
				}
			}
			if count != c.count || w.End() != size-int64(c.left) || w.Clean() != c.clean || w.Err() != nil {
				t.Errorf("%d segments, end %d of %d, clean %v, %v", count, w.End(), size, w.Clean(), w.Err())
			}
			if w.Next() {
				t.Error("goes on after its end")
			}
		})
	}
}

// Hops do not read the payloads, and few small segments do not cost one read
// each.
func TestWalkerReads(t *testing.T) {
	t.Parallel()
	b := &storeBuilder{}
	for range 100 {
		b.orphan(TypeWitness, make([]byte, 36))
	}
	r := &counting{r: bytes.NewReader(b.bytes)}
	w := NewWalker(r, 0, int64(len(b.bytes)))
	for w.Next() {
	}
	if !w.Clean() || r.calls > 4 {
		t.Errorf("%d reads, clean %v", r.calls, w.Clean())
	}
}

type counting struct {
	r     io.ReaderAt
	calls int
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	c.calls++
	return c.r.ReadAt(p, offset)
}

func TestProfileSegment(t *testing.T) {
	t.Parallel()
	for p := lineage.Generic; p <= lineage.RVVision; p++ {
		if got, err := ParseProfile(EncodeProfile(p)); got != p || err != nil {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
	for _, payload := range []string{"", "RDNA", "RDNA\x02\x00\x00\x00", "RDNA\x01\x00\x00\x00\x00", "\x00\x00\x00\x00\x05\x00\x00\x00"} {
		if _, err := ParseProfile([]byte(payload)); !errors.Is(err, ErrPayload) {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

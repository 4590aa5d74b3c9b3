package vecio

import (
	"encoding/binary"
	"math"
	"testing"
)

// halfValue is a float16's value, straight from the definition.
func halfValue(half uint16) float64 {
	sign := 1.0
	if half&0x8000 != 0 {
		sign = -1
	}
	exponent, mantissa := int(half>>10&0x1f), float64(half&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(mantissa, -24)
	case 31:
		if mantissa != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+mantissa, exponent-25)
}

func TestWidenFloat16(t *testing.T) {
	t.Parallel()
	for half := range 1 << 16 {
		want := halfValue(uint16(half))
		got := widenFloat16(uint16(half))
		if math.IsNaN(want) {
			if payload := got >> 13 & 0x3ff; !math.IsNaN(float64(math.Float32frombits(got))) || payload != uint32(half&0x3ff) {
				t.Fatalf("%#04x: %#x", half, got)
			}
			continue
		}
		if math.Float32bits(float32(want)) != got {
			t.Fatalf("%#04x: %v, want %v", half, math.Float32frombits(got), want)
		}
	}
}

// Four at a time they come out as one at a time, whatever their neighbours are.
func TestWidenFourFloat16(t *testing.T) {
	t.Parallel()
	var got [16]byte
	for half := range 1 << 16 {
		for _, other := range []uint64{0x3c00, 0, 0x7c00, 0xffff, 0xbfff} {
			for place := range 4 {
				x := other * 0x00010001_00010001
				x = x&^(0xffff<<(16*place)) | uint64(half)<<(16*place)
				widenFourFloat16(got[:], x)
				for i := range 4 {
					want := widenFloat16(uint16(x >> (16 * i)))
					if binary.LittleEndian.Uint32(got[4*i:]) != want {
						t.Fatalf("%#x at %d: %x, want %#x", x, i, got, want)
					}
				}
			}
		}
	}
}

// Every element at every length, against reading the values one by one.
func TestElements(t *testing.T) {
	t.Parallel()
	wide := []float64{1, -0.1, 16777217, 1.00000017881393432617187500001, 0x1p-149, 0x1p-150, 1e-300, math.MaxFloat32, math.Inf(-1), 0}
	for name, c := range map[string]struct {
		element
		value func([]byte) float32
	}{
		"<f2":  {float16Little, func(b []byte) float32 { return float32(halfValue(binary.LittleEndian.Uint16(b))) }},
		">f2":  {float16Big, func(b []byte) float32 { return float32(halfValue(binary.BigEndian.Uint16(b))) }},
		"<f4":  {float32Little, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
		">f4":  {float32Big, func(b []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(b)) }},
		"<f8":  {float64Little, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
		">f8":  {float64Big, func(b []byte) float32 { return float32(math.Float64frombits(binary.BigEndian.Uint64(b))) }},
		"bf16": {bfloat16, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }},
		"i1":   {signedElement, func(b []byte) float32 { return float32(int8(b[0])) }},
		"u1":   {byteElement, func(b []byte) float32 { return float32(b[0]) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range len(wide) {
				var from []byte
				for _, v := range wide[:n] {
					from = binary.LittleEndian.AppendUint64(from, math.Float64bits(v))
				}
				if name[0] == '>' {
					from = nil
					for _, v := range wide[:n] {
						from = binary.BigEndian.AppendUint64(from, math.Float64bits(v))
					}
				}
				b := batch{rows: []byte{1, 2, 3, 4}}
				if bad, reason := b.addElements(c.element, from, true); reason != "" {
					t.Fatalf("value %d %s", bad, reason)
				}
				if len(b.rows) != 4+4*len(from)/c.size {
					t.Fatalf("%d bytes out of %d", len(b.rows), len(from))
				}
				for i := range len(from) / c.size {
					want := c.value(from[i*c.size:])
					got := math.Float32frombits(binary.LittleEndian.Uint32(b.rows[4+4*i:]))
					if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
						t.Fatalf("value %d of %d: %v, want %v", i, n, got, want)
					}
				}
			}
		})
	}
}

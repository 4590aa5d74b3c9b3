package vecio

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// element is a way of writing one value down.
type element struct {
	name string // as an error calls it
	size int    // bytes of a value
	// plain says that the bytes are little-endian float32 as they stand.
	plain bool
	// convert writes each value of from, a multiple of size bytes long, into to,
	// four bytes for each.
	convert func(to, from []byte)
	// overflowed reports whether the value at the start of from is finite, though
	// convert has made an infinity of it.
	overflowed func(from []byte) bool
	// refusal says what such a value is; empty: it does not fit in a float32.
	refusal string
}

// The elements.
var (
	float16Little = element{name: "<f2", size: 2, convert: convertFloat16Little}
	float16Big    = element{name: ">f2", size: 2, convert: convertFloat16Big}
	float32Little = element{name: "<f4", size: 4, plain: true, convert: func(to, from []byte) { copy(to, from) }}
	float32Big    = element{name: ">f4", size: 4, convert: convertFloat32Big}
	float64Little = element{name: "<f8", size: 8, convert: convertFloat64Little, overflowed: overflowedLittle}
	float64Big    = element{name: ">f8", size: 8, convert: convertFloat64Big, overflowed: overflowedBig}
	byteElement   = element{name: "u1", size: 1, convert: convertBytes}
	signedElement = element{name: "i1", size: 1, convert: convertSignedBytes}
	// unsignedOrSigned are bytes of which nobody has said what they are, which does not
	// matter for those below 128.
	unsignedOrSigned = element{
		name: "u1", size: 1, convert: convertUnsureBytes, overflowed: func(from []byte) bool { return from[0] >= 0x80 },
		refusal: "is a byte above 127, of which only the name tells whether it has a sign: vectors.append.u8bin or vectors.append.i8bin, or vectors.append.fbin if the values are float32",
	}
	bfloat16 = element{name: "bf16", size: 2, convert: convertBfloat16}
)

func convertFloat16Little(to, from []byte) {
	for ; len(from) >= 8 && len(to) >= 16; to, from = to[16:], from[8:] {
		widenFourFloat16(to, binary.LittleEndian.Uint64(from))
	}
	for ; len(from) >= 2 && len(to) >= 4; to, from = to[4:], from[2:] {
		binary.LittleEndian.PutUint32(to, widenFloat16(binary.LittleEndian.Uint16(from)))
	}
}

func convertFloat16Big(to, from []byte) {
	for ; len(from) >= 8 && len(to) >= 16; to, from = to[16:], from[8:] {
		x := binary.LittleEndian.Uint64(from)
		widenFourFloat16(to, x>>8&0x00ff00ff_00ff00ff|x<<8&0xff00ff00_ff00ff00)
	}
	for ; len(from) >= 2 && len(to) >= 4; to, from = to[4:], from[2:] {
		binary.LittleEndian.PutUint32(to, widenFloat16(binary.BigEndian.Uint16(from)))
	}
}

// widenFourFloat16 writes four float16, the first in the lowest bits of x, as
// float32. Those that are neither zero, subnormal, infinite nor NaN only move.
func widenFourFloat16(to []byte, x uint64) {
	const (
		exponents = 0x7c007c00_7c007c00
		lowest    = 0x04000400_04000400
		carries   = 0x80008000_80008000
	)
	to = to[:16]
	// A sum carries into the sign's place if the exponent is not zero, and if it
	// is all ones.
	if e := x & exponents; (e+exponents)&carries == carries && (e+lowest)&carries == 0 {
		const bias = (127 - 15) << 23
		low, high := uint32(x), uint32(x>>32)
		binary.LittleEndian.PutUint32(to, low<<16&(1<<31)|low&0x7fff<<13+bias)
		binary.LittleEndian.PutUint32(to[4:], low&(1<<31)|low>>16&0x7fff<<13+bias)
		binary.LittleEndian.PutUint32(to[8:], high<<16&(1<<31)|high&0x7fff<<13+bias)
		binary.LittleEndian.PutUint32(to[12:], high&(1<<31)|high>>16&0x7fff<<13+bias)
		return
	}
	for i := range 4 {
		binary.LittleEndian.PutUint32(to[4*i:], widenFloat16(uint16(x>>(16*i))))
	}
}

// widenFloat16 gives the bits of the float32 that equals a float16. A NaN keeps
// its payload.
func widenFloat16(half uint16) uint32 {
	const exponent, mantissa = 0x7c00, 0x3ff
	sign := uint32(half&0x8000) << 16
	magnitude := uint32(half & 0x7fff)
	switch magnitude & exponent {
	default:
		return sign | magnitude<<13 + (127-15)<<23
	case exponent:
		return sign | magnitude<<13 | 0xff<<23
	case 0:
		if magnitude == 0 {
			return sign
		}
		// A subnormal float16 is a normal float32: its highest one is shifted to
		// where it is left out.
		shift := uint32(bits.LeadingZeros32(magnitude) - 21)
		return sign | (127-15+1-shift)<<23 | (magnitude<<shift&mantissa)<<13
	}
}

func convertFloat32Big(to, from []byte) {
	for ; len(from) >= 8 && len(to) >= 8; to, from = to[8:], from[8:] {
		binary.LittleEndian.PutUint64(to, bits.RotateLeft64(binary.BigEndian.Uint64(from), 32))
	}
	if len(from) >= 4 && len(to) >= 4 {
		binary.LittleEndian.PutUint32(to, binary.BigEndian.Uint32(from))
	}
}

func convertFloat64Little(to, from []byte) {
	for ; len(from) >= 8 && len(to) >= 4; to, from = to[4:], from[8:] {
		value := float32(math.Float64frombits(binary.LittleEndian.Uint64(from)))
		binary.LittleEndian.PutUint32(to, math.Float32bits(value))
	}
}

func convertFloat64Big(to, from []byte) {
	for ; len(from) >= 8 && len(to) >= 4; to, from = to[4:], from[8:] {
		value := float32(math.Float64frombits(binary.BigEndian.Uint64(from)))
		binary.LittleEndian.PutUint32(to, math.Float32bits(value))
	}
}

func overflowedLittle(from []byte) bool { return finiteFloat64(binary.LittleEndian.Uint64(from)) }
func overflowedBig(from []byte) bool    { return finiteFloat64(binary.BigEndian.Uint64(from)) }

// finiteFloat64 reports whether the float64 of these bits is neither infinite nor NaN.
func finiteFloat64(b uint64) bool {
	const exponent = 0x7ff << 52
	return b&exponent != exponent
}

func convertBytes(to, from []byte) {
	to = to[:4*len(from)]
	for i, v := range from {
		binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(float32(v)))
	}
}

func convertSignedBytes(to, from []byte) {
	to = to[:4*len(from)]
	for i, v := range from {
		binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(float32(int8(v))))
	}
}

// convertUnsureBytes makes no number of a byte above 127.
func convertUnsureBytes(to, from []byte) {
	convertBytes(to, from)
	for i, v := range from {
		if v >= 0x80 {
			binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(float32(math.NaN())))
		}
	}
}

// convertBfloat16 puts back the half of each float32 that was left out.
func convertBfloat16(to, from []byte) {
	for ; len(from) >= 2 && len(to) >= 4; to, from = to[4:], from[2:] {
		binary.LittleEndian.PutUint32(to, uint32(binary.LittleEndian.Uint16(from))<<16)
	}
}

// addElements appends values to the rows in the making, from being whole
// elements. If one of them cannot be taken, it returns the value's place in from
// and the reason.
func (b *batch) addElements(e element, from []byte, allowNonFinite bool) (bad int, reason string) {
	begin, values := len(b.rows), len(from)/e.size
	b.grow(4 * values)
	made := b.rows[begin:]
	e.convert(made, from)
	if allowNonFinite && e.overflowed == nil {
		return 0, ""
	}
	for at := 0; ; at++ {
		next := firstNonFinite(made[4*at:])
		if next < 0 {
			return 0, ""
		}
		at += next
		switch {
		case e.overflowed != nil && e.overflowed(from[at*e.size:]):
			return at, cmp.Or(e.refusal, "does not fit in a float32")
		case !allowNonFinite:
			return at, "is " + nonFiniteName(made[4*at:])
		}
	}
}

// grow lengthens the row in the making by n bytes, whose values it leaves open.
func (b *batch) grow(n int) { b.rows = slices.Grow(b.rows, n)[:len(b.rows)+n] }

package vecio

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The exponent bits of two float32 side by side, and the lowest of them. Adding
// the lowest carries into the sign's place exactly when all eight are ones, and
// never further.
const (
	exponents       = 0x7f800000_7f800000
	lowestExponents = 0x00800000_00800000
	carries         = 0x80000000_80000000
)

// firstNonFinite returns the index of the first float32 in b, little-endian and
// a multiple of four bytes long, that is NaN or infinite; -1 if there is none.
func firstNonFinite(b []byte) int {
	const block = 64
	at := 0
	for ; len(b)-at >= block; at += block {
		w := b[at : at+block : at+block]
		seen := binary.LittleEndian.Uint64(w)&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[8:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[16:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[24:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[32:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[40:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[48:])&exponents + lowestExponents
		seen |= binary.LittleEndian.Uint64(w[56:])&exponents + lowestExponents
		if seen&carries != 0 {
			break
		}
	}
	for ; len(b)-at >= 4; at += 4 {
		if binary.LittleEndian.Uint32(b[at:])&(exponents>>32) == exponents>>32 {
			return at / 4
		}
	}
	return -1
}

// nonFiniteName says what the float32 at the start of b is.
func nonFiniteName(b []byte) string {
	if math.IsInf(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 0) {
		return "infinite"
	}
	return "NaN"
}

// nonFiniteReason names the value at index of a row.
func nonFiniteReason(row []byte, index int) string {
	return fmt.Sprintf("value %d is %s", index, nonFiniteName(row[4*index:]))
}

package vecio

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// maxNumberBytes is the longest number that is read; float64 values in full
// need 24.
const maxNumberBytes = 64

// numberStatus says how reading a number went.
type numberStatus uint8

const (
	numberOK    numberStatus = iota
	numberShort              // the text ends where the number might go on
	numberBad                // not a number
	numberHuge               // rounds to infinity
	numberWord               // a word for NaN or infinity
)

// powersOfTen are exact as float64.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// isNumberByte reports whether a JSON number can hold the byte.
func isNumberByte(c byte) bool {
	return c-'0' < 10 || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

// takeDigits reads the decimal digits from p[i:] on, appends them to mantissa,
// modulo 2^64, and returns it with the place behind them. It takes eight at a
// time where eight bytes are there.
func takeDigits(p []byte, i int, mantissa uint64) (uint64, int) {
	for len(p)-i >= 8 {
		x := binary.LittleEndian.Uint64(p[i:]) ^ 0x3030303030303030 // each digit's value
		// The high bit of each byte that is no digit. A sum that carries spoils
		// bytes behind such a one only.
		other := (x + 0x7676767676767676 | x) & 0x8080808080808080
		if other != 0 {
			n := bits.TrailingZeros64(other) / 8
			return mantissa*wholePowersOfTen[n] + eightDigits(x<<8<<(56-8*n&63)), i + n
		}
		mantissa = mantissa*1e8 + eightDigits(x)
		i += 8
	}
	for ; i < len(p) && p[i]-'0' < 10; i++ {
		mantissa = mantissa*10 + uint64(p[i]-'0')
	}
	return mantissa, i
}

// wholePowersOfTen are those that fewer than eight digits need.
var wholePowersOfTen = [8]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7}

// eightDigits is the number whose digits' values are the bytes of x, the first
// digit in the lowest: pairs of digits first, then pairs of pairs, and so on.
func eightDigits(x uint64) uint64 {
	const pairs = 0x000000ff_000000ff
	x = x*10 + x>>8
	return (x&pairs*(100+1e6<<32) + x>>16&pairs*(1+1e4<<32)) >> 32
}

// parseNumber reads the number at the start of p, which is not empty, as the
// nearest float32: a JSON number, or if lax is set also one with a plus sign,
// with leading zeros, or without digits on one side of its point. The length is
// that of the number, or with numberBad and numberShort that of its sound
// beginning.
func parseNumber(p []byte, lax bool) (value float32, length int, status numberStatus) {
	i := 0
	var sign uint32
	if p[0] == '-' {
		i, sign = 1, 1<<31
	}
	if lax && p[0] == '+' {
		i = 1
	}
	start := i
	var mantissa uint64                      // modulo 2^64; exact up to 19 digits
	for ; i < len(p) && p[i]-'0' < 10; i++ { // mostly a single one
		mantissa = mantissa*10 + uint64(p[i]-'0')
	}
	digits := i - start
	if !lax && digits > 1 && p[start] == '0' {
		return 0, start + 1, numberBad
	}
	if i == len(p) {
		return 0, i, numberShort
	}
	if digits == 0 && (!lax || p[i] != '.') {
		return 0, i, numberBad
	}
	exponent := 0
	if p[i] == '.' {
		i++
		start = i
		if mantissa == 0 {
			for i < len(p) && p[i] == '0' {
				i++
			}
		}
		first := i
		mantissa, i = takeDigits(p, i, mantissa)
		if i == len(p) {
			return 0, i, numberShort
		}
		if i == start && (!lax || digits == 0) {
			return 0, i, numberBad
		}
		digits += i - first
		exponent = start - i
	}
	if p[i]|0x20 == 'e' {
		i++
		if i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		start = i
		written := 0
		for ; i < len(p) && p[i]-'0' < 10; i++ {
			if written < 10000 {
				written = written*10 + int(p[i]-'0')
			}
		}
		if i == len(p) {
			return 0, i, numberShort
		}
		if i == start {
			return 0, i, numberBad
		}
		if p[start-1] == '-' {
			written = -written
		}
		exponent += written
	}
	if digits <= 19 && -22 <= exponent && exponent <= 22 {
		if value, ok := scaleDecimal(mantissa, exponent); ok {
			return math.Float32frombits(math.Float32bits(value) | sign), i, numberOK
		}
	}
	exact, err := strconv.ParseFloat(string(p[:i]), 32)
	if err != nil {
		return 0, i, numberHuge
	}
	return float32(exact), i, numberOK
}

// scaleDecimal returns the float32 nearest to mantissa · 10^exponent, exponent within
// ±22, or false if it cannot be sure of it.
//
// The mantissa and one division or multiplication are each rounded to float64
// once, so that the product is off by two units in its last place at most.
// Rounding it to float32 gives the right answer unless it lies that close to
// the middle between two float32 values: the 29 bits that go are then half of
// their range, give or take four. Values below the smallest normal float32
// have their middles elsewhere.
func scaleDecimal(mantissa uint64, exponent int) (float32, bool) {
	if mantissa == 0 {
		return 0, true
	}
	v := float64(mantissa)
	if exponent < 0 {
		v /= powersOfTen[-exponent]
	} else {
		v *= powersOfTen[exponent]
	}
	const half, slack = 1 << 28, 4
	beyond := math.Float64bits(v) & (1<<29 - 1)
	if beyond-(half-slack) <= 2*slack || v < 0x1p-126 || v >= 0x1p127 {
		return 0, false
	}
	return float32(v), true
}

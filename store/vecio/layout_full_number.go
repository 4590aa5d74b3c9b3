package vecio

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Numbers between these are written without an exponent: so each has ten digits at
// least, or nine behind a sign, in numberWidth bytes.
const (
	leastPlain = 0x38d1b718 // the bits of the first float32 above 0.0001
	abovePlain = 0x5368d4a6 // of the first one above 10^12
)

// putFullNumber fills p, numberWidth bytes or more, with the little-endian float32 at
// the start of value: as many digits of its exact value as there is room for, the last
// one rounded. These are nine or more, so that the same float32 comes back, also when
// it is read as a float64 first. What is no finite number is a word behind spaces.
func putFullNumber(p, value []byte) {
	float := binary.LittleEndian.Uint32(value)
	magnitude := float &^ (1 << 31)
	if magnitude >= 0x7f800000 {
		at := len(p) - numberWidth
		putNumber(p[at:], value, csvWords)
		for at > 0 {
			at--
			p[at] = ' '
		}
		return
	}
	if float != magnitude {
		p[0] = '-'
		p = p[1:]
	}
	switch {
	case magnitude == 0:
		putFraction(p, 0, 0, 0)
	case magnitude < leastPlain || magnitude >= abovePlain:
		const around = len("1.") + len("e-38")
		strconv.AppendFloat(p[:0], float64(math.Float32frombits(magnitude)), 'e', len(p)-around, 64)
	default:
		mantissa := uint64(magnitude&(1<<23-1) | 1<<23)
		if shift := 150 - int(magnitude>>23); shift > 0 {
			putFraction(p, mantissa>>shift, mantissa&(1<<shift-1), shift)
		} else {
			putFraction(p, mantissa<<-shift, 0, 0)
		}
	}
}

// putFraction fills p with a number of a whole part, a point, and digits of the
// fraction rest / 2^bits, for bits up to 37.
//
// Rounding up never carries into the whole part: the nearest float32 below a whole
// number is further away from it than the last digit can tell.
func putFraction(p []byte, whole, rest uint64, bits int) {
	at := len(strconv.AppendUint(p[:0], whole, 10))
	p[at] = '.'
	p = p[at+1:]
	// Eight digits of 37 bits are the most that 64 bits hold.
	const digits, scale = 8, 100_000_000
	mask := uint64(1)<<bits - 1
	for at = 0; at+digits <= len(p); at += digits {
		rest *= scale
		putDigits(p, at+digits, uint32(rest>>bits), digits)
		rest &= mask
	}
	left := len(p) - at
	rest *= tens[left]
	putDigits(p, len(p), uint32(rest>>bits), left)
	rest &= mask
	last := len(p) - 1
	if half := uint64(1) << bits >> 1; rest > half || rest == half && half > 0 && (p[last]-'0')&1 != 0 {
		for ; p[last] == '9'; last-- {
			p[last] = '0'
		}
		p[last]++
	}
}

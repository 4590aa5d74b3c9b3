package vecio

import (
	"encoding/binary"
	"math/bits"
)

// numberWords are the names of what is no finite number.
type numberWords struct{ nan, positive, negative string }

const blanks = "               "

// putNumber writes the little-endian float32 at the start of value into the first
// numberWidth bytes of p, behind spaces: the shortest decimal from which the same
// float32 comes back, in the form of strconv's 'g'. (Where two are equally near the
// even one is taken, which strconv does not always do.) A negative zero gets a
// point, for to many readers of JSON "-0" is a whole number without a sign. That never takes more: nine
// digits with a point, behind a sign and with the exponent or the zeros of a
// number that is at least 0.0001.
func putNumber(p, value []byte, words numberWords) {
	p = p[:numberWidth]
	copy(p, blanks)
	float := binary.LittleEndian.Uint32(value)
	negative := float>>31 != 0
	float &^= 1 << 31
	if float >= 0x7f800000 {
		word := words.nan
		switch {
		case float > 0x7f800000:
		case negative:
			word = words.negative
		default:
			word = words.positive
		}
		copy(p[numberWidth-len(word):], word)
		return
	}
	at := numberWidth
	switch {
	case float == 0 && negative:
		at -= len("0.0")
		copy(p[at:], "0.0")
	case float == 0:
		at--
		p[at] = '0'
	default:
		digits, exponent := shortestDecimal(float)
		at = putDecimal(p, digits, exponent)
	}
	if negative {
		p[at-1] = '-'
	}
}

// putDecimal writes digits · 10^exponent, which must be positive and not end in 0,
// at the end of p and returns where it begins.
func putDecimal(p []byte, digits uint32, exponent int) (at int) {
	at = len(p)
	count := decimalLength(digits)
	point := count + exponent // digits before the point
	if point <= -4 || point > 6 {
		power := point - 1
		sign := byte('+')
		if power < 0 {
			power, sign = -power, '-'
		}
		p[at-1], p[at-2], p[at-3], p[at-4] = '0'+byte(power%10), '0'+byte(power/10), sign, 'e'
		at -= 4
		if count > 1 {
			at = putDigits(p, at, digits%uint32(tens[count-1]), count-1)
			at--
			p[at] = '.'
			digits /= uint32(tens[count-1])
		}
		at--
		p[at] = '0' + byte(digits)
		return at
	}
	switch {
	case point <= 0:
		at = putDigits(p, at, digits, count-point)
		p[at-1], p[at-2] = '.', '0'
		return at - 2
	case exponent >= 0:
		return putDigits(p, at, digits*uint32(tens[exponent]), point)
	}
	at = putDigits(p, at, digits%uint32(tens[-exponent]), -exponent)
	at--
	p[at] = '.'
	return putDigits(p, at, digits/uint32(tens[-exponent]), point)
}

// putDigits writes the last count digits of value, zeros before it included,
// so that they end at the place end, and returns where they begin.
func putDigits(p []byte, end int, value uint32, count int) int {
	at := end
	for ; count >= 2; count -= 2 {
		pair := value % 100
		value /= 100
		at -= 2
		p[at], p[at+1] = pairs[2*pair], pairs[2*pair+1]
	}
	if count > 0 {
		at--
		p[at] = '0' + byte(value%10)
	}
	return at
}

// pairs are all numbers of two digits, one behind the other.
var pairs = func() (all [200]byte) {
	for i := range 100 {
		all[2*i], all[2*i+1] = '0'+byte(i/10), '0'+byte(i%10)
	}
	return all
}()

// tens are the powers of ten that have at most ten digits.
var tens = [...]uint64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// decimalLength is the number of digits of a value from 1 to 999,999,999. A bit is
// worth about 1233/4096 of a digit.
func decimalLength(value uint32) int {
	length := bits.Len32(value) * 1233 >> 12
	if uint64(value) >= tens[length] {
		length++
	}
	return length
}

package store

import "hash/crc32"

// crcPowers holds x^(2^n) modulo the CRC-32 polynomial, in the reflected form in
// which the checksum itself is kept.
var crcPowers = func() (powers [32]uint32) {
	powers[0] = 1 << 30
	for n := 1; n < len(powers); n++ {
		powers[n] = crcMultiply(powers[n-1], powers[n-1])
	}
	return powers
}()

// crcMultiply multiplies two polynomials over GF(2) modulo the CRC-32 polynomial.
func crcMultiply(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= crc32.IEEE
		}
	}
	return product
}

// crcJoin gives the CRC-32 of two runs of bytes from the checksum of each and
// the length of the second. It lets the start of a payload be decided last, when
// the rest has long been written.
func crcJoin(first, second uint32, secondLength int64) uint32 {
	shift := uint32(1 << 31)
	for n, power := secondLength, 3; n > 0; n, power = n>>1, power+1 {
		if n&1 != 0 {
			shift = crcMultiply(crcPowers[power&31], shift)
		}
	}
	return crcMultiply(shift, first) ^ second
}

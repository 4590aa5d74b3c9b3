package segments

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

// JoinCRC gives the CRC-32 of two runs of bytes from the checksum of each and
// the length of the second. It lets the start of a payload be decided last, when
// the rest has long been written.
func JoinCRC(first, second uint32, secondLength int64) uint32 {
	shift := uint32(1 << 31)
	for n, power := secondLength, 3; n > 0; n, power = n>>1, power+1 {
		if n&1 != 0 {
			shift = crcMultiply(crcPowers[power&31], shift)
		}
	}
	return crcMultiply(shift, first) ^ second
}

// zerosCRC gives the CRC-32 of a run of zeros.
func zerosCRC(length int64) (sum uint32) {
	var done int64
	one := crc32.ChecksumIEEE([]byte{0})
	for bit := int64(1) << 62; bit > 0; bit >>= 1 {
		sum, done = JoinCRC(sum, sum, done), 2*done
		if length&bit != 0 {
			sum, done = JoinCRC(sum, one, 1), done+1
		}
	}
	return sum
}

// crcSum is a CRC-32 in the making.
type crcSum uint32

// Write takes the next bytes. It never fails.
func (c *crcSum) Write(p []byte) (int, error) {
	*c = crcSum(crc32.Update(uint32(*c), crc32.IEEETable, p))
	return len(p), nil
}

// zeros takes so many bytes that are zero, in no time.
func (c *crcSum) zeros(length int64) {
	*c = crcSum(JoinCRC(uint32(*c), zerosCRC(length), length))
}

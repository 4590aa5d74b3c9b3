package vecio

import (
	"math/big"
	"math/bits"
)

// The exponents for which powersOf10 is asked: 10^k scales a float32 so that its
// neighbours lie some units apart.
const (
	lowestPower  = -31
	highestPower = 45
)

// powersOf10 are the powers of ten from lowestPower on, each as 64 bits of which
// the first is set, cut off and raised by one unit.
var powersOf10 = func() (table [highestPower - lowestPower + 1]uint64) {
	ten := big.NewInt(10)
	for k := lowestPower; k <= highestPower; k++ {
		power := new(big.Int).Exp(ten, big.NewInt(int64(max(k, -k))), nil)
		if k < 0 {
			one := new(big.Int).Lsh(big.NewInt(1), uint(power.BitLen()+63))
			power.Quo(one, power)
		}
		if excess := power.BitLen() - 64; excess > 0 {
			power.Rsh(power, uint(excess))
		} else {
			power.Lsh(power, uint(-excess))
		}
		table[k-lowestPower] = power.Uint64() + 1
	}
	return table
}()

// shortestDecimal gives the decimal with the fewest digits that is nearer to the
// positive, finite float32 of these bits than to any other, and of those the one
// nearest to it, as digits · 10^exponent without zeros at the end of the digits.
//
// All decimals between the middles to both neighbours read back as the same
// float32, and the middles too when the float32's last bit is 0. With everything
// scaled by a power of ten so that this stretch is between 2 and 20 units wide,
// there is a whole number within, and at most one multiple of ten. The scaled
// values need only be right up to the question on which side of a whole quarter
// they lie, for which the table's 64 bits are enough.
func shortestDecimal(float uint32) (digits uint32, exponent int) {
	fraction, biased := float&(1<<23-1), int(float>>23)
	mantissa, binary := uint64(fraction), -149
	if biased > 0 {
		mantissa, binary = mantissa|1<<23, biased-150
	}
	// In quarters of the distance to the next higher neighbour. Below a power of
	// two the neighbours are twice as dense.
	middle := 4 * mantissa
	below, above := middle-2, middle+2
	exponent = log10OfPower2(binary)
	if fraction == 0 && biased > 1 {
		below++
		exponent = log10OfThreeQuarters(binary)
	}
	shift := uint(binary + log2OfPower10(-exponent) + 1)
	power := powersOf10[-exponent-lowestPower]
	lower, value, upper := scaleToOdd(power, below<<shift), scaleToOdd(power, middle<<shift), scaleToOdd(power, above<<shift)
	if odd := mantissa & 1; odd != 0 {
		lower, upper = lower+1, upper-1
	}
	whole := value / 4
	if whole >= 10 {
		ten := whole / 10
		belowFits, aboveFits := lower <= 40*ten, 40*(ten+1) <= upper
		if belowFits != aboveFits {
			if aboveFits {
				ten++
			}
			return trimZeros(uint32(ten), exponent+1)
		}
	}
	belowFits, aboveFits := lower <= 4*whole, 4*(whole+1) <= upper
	half := 4*whole + 2
	nearerAbove := value > half || value == half && whole&1 != 0
	if belowFits != aboveFits && aboveFits || belowFits == aboveFits && nearerAbove {
		whole++
	}
	return trimZeros(uint32(whole), exponent)
}

// scaleToOdd is value · power / 2^64, with the last bit set when that is no whole
// number: so it stays on the right side of every whole even number.
func scaleToOdd(power, value uint64) uint64 {
	high, low := bits.Mul64(power, value)
	if low>>32 > 1 {
		high |= 1
	}
	return high
}

// log10OfPower2 is the decimal logarithm of 2^e, rounded down, for |e| < 1000.
func log10OfPower2(e int) int { return e * 1262611 >> 22 }

// log10OfThreeQuarters is the decimal logarithm of 3/4 · 2^e, rounded down.
func log10OfThreeQuarters(e int) int { return (e*1262611 - 524031) >> 22 }

// log2OfPower10 is the binary logarithm of 10^e, rounded down, for |e| < 1000.
func log2OfPower10(e int) int { return e * 1741647 >> 19 }

// trimZeros takes the zeros off the end of digits, which must not be 0.
func trimZeros(digits uint32, exponent int) (uint32, int) {
	for digits%10 == 0 {
		digits /= 10
		exponent++
	}
	return digits, exponent
}

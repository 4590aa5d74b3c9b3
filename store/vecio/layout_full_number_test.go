package vecio

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// checkFull holds what a table shows of a float32 to what its readers count on: it
// fills its place with a plain number of nine digits or more, the value's own, from
// which the same float32 comes back whether it is read as that or as a float64 first.
func checkFull(t *testing.T, bits uint32, width int) {
	t.Helper()
	value := float64(math.Float32frombits(bits))
	cell := []byte(strings.Repeat("#", width) + "|")
	putFullNumber(cell[:width], binary.LittleEndian.AppendUint32(nil, bits))
	text := string(cell[:width])
	digits, exponent, hasExponent := strings.Cut(strings.TrimPrefix(text, "-"), "e")
	whole, fraction, pointed := strings.Cut(digits, ".")
	switch {
	case cell[width] != '|' || !pointed || whole == "" || fraction == "" || strings.Trim(whole+fraction, "0123456789") != "":
		t.Fatalf("%#x is %q", bits, cell)
	case hasExponent && (len(whole) != 1 || len(exponent) != 3 || strings.Trim(exponent[1:], "0123456789") != ""):
		t.Fatalf("%#x is %q", bits, text)
	case len(whole) > 1 && whole[0] == '0':
		t.Fatalf("%#x is %q", bits, text)
	case strings.HasPrefix(text, "-") != math.Signbit(value):
		t.Fatalf("%#x is %q", bits, text)
	case value != 0 && len(strings.TrimLeft(whole+fraction, "0")) < 9:
		t.Fatalf("%#x has less than nine digits: %q", bits, text)
	}
	form := byte('f')
	if hasExponent {
		form = 'e'
	}
	if want := strconv.FormatFloat(value, form, len(fraction), 64); text != want {
		t.Fatalf("%#x is %q, want %q", bits, text, want)
	}
	narrow, err := strconv.ParseFloat(text, 32)
	wide, err2 := strconv.ParseFloat(text, 64)
	if err != nil || err2 != nil || math.Float32bits(float32(narrow)) != bits || math.Float32bits(float32(wide)) != bits {
		t.Fatalf("%#x comes back from %q as %v and %v: %v, %v", bits, text, narrow, wide, err, err2)
	}
	own, n, status := parseNumber(append([]byte(text), '\n'), true)
	if status != numberOK || n != width || math.Float32bits(own) != bits {
		t.Fatalf("%#x comes back from %q to us as %v", bits, text, own)
	}
}

// TestFullNumbers goes through all exponents, with the fractions at their ends, in the
// middle and at random, behind both signs, in all widths that there are.
func TestFullNumbers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	count := 500
	if testing.Short() {
		count = 50
	}
	const widest = numberWidth + idWidth - 1
	check := func(bits uint32) {
		for _, width := range []int{numberWidth, numberWidth + random.IntN(widest-numberWidth), widest} {
			checkFull(t, bits, width)
			checkFull(t, bits|1<<31, width)
		}
	}
	for exponent := uint32(0); exponent < 255; exponent++ {
		for _, fraction := range []uint32{0, 1, 2, 1<<22 - 1, 1 << 22, 1<<22 + 1, 1<<23 - 2, 1<<23 - 1} {
			check(exponent<<23 | fraction)
		}
		for range count {
			check(exponent<<23 | random.Uint32()>>9)
		}
	}
	for power := -45; power <= 38; power++ {
		value, _ := strconv.ParseFloat("1e"+strconv.Itoa(power), 32)
		for bits, near := math.Float32bits(float32(value)), uint32(0); near < 7; near++ {
			check(max(bits, 3) - 3 + near)
		}
	}
	// Halves of the last digit, which go to the even one: a fraction of 14 bits ends in
	// a 5 in its fourteenth place.
	for range 1000 {
		check(math.Float32bits(float32(random.IntN(1<<9)) + float32(2*random.IntN(1<<13)+1)/(1<<14)))
	}
	for range 1000 {
		check(math.Float32bits(float32(random.NormFloat64())))
	}
}

func TestFullNumbersAsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value float64
		width int
		want  string
	}{
		{0, 15, "0.0000000000000"}, {math.Copysign(0, -1), 15, "-0.000000000000"}, {1, 15, "1.0000000000000"}, {-0.25, 15, "-0.250000000000"},
		{0.1, 15, "0.1000000014901"}, {0.1, 34, "0.10000000149011611938476562500000"}, {16777216, 15, "16777216.000000"},
		{0.0001, 15, "9.999999747e-05"}, {-0.00010000001, 15, "-0.000100000012"}, {-1e12, 15, "-999999995904.0"}, {1.1e12, 15, "1.100000002e+12"},
		{math.MaxFloat32, 15, "3.402823466e+38"}, {-math.MaxFloat32, 15, "-3.40282347e+38"},
		{math.SmallestNonzeroFloat32, 15, "1.401298464e-45"}, {-1.17549435e-38, 15, "-1.17549435e-38"},
		{math.Inf(1), 15, "            inf"}, {math.Inf(-1), 17, "             -inf"}, {math.NaN(), 15, "            nan"},
	} {
		cell := make([]byte, c.width)
		putFullNumber(cell, binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(c.value))))
		if string(cell) != c.want {
			t.Errorf("%v is %q, want %q", c.value, cell, c.want)
		}
	}
}

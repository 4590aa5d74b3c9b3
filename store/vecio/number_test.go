package vecio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// checkNumber compares parseNumber with strconv, which rounds correctly.
func checkNumber(t *testing.T, text string) {
	t.Helper()
	want, wantErr := strconv.ParseFloat(text, 32)
	got, length, status := parseNumber([]byte(text+","), false)
	if wantErr != nil {
		if status != numberHuge {
			t.Fatalf("%s: status %d, want too large", text, status)
		}
		return
	}
	if status != numberOK || length != len(text) || math.Float32bits(got) != math.Float32bits(float32(want)) {
		t.Fatalf("%s: %v (%d bytes, status %d), want %v", text, got, length, status, float32(want))
	}
}

func TestNumberRounding(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0", "-0", "0.0", "0e5", "1", "-1", "0.1", "16777217", "16777219", "33554435", "9007199791611905",
		"1.00000017881393432617187499", "1.00000017881393432617187500", "1.00000017881393432617187501",
		"1.000000178813934326171875", "0.000000000000000000000000000000000000011754943508222875",
		"1.1754943508222875e-38", "1.1754942807573643e-38", "1.401298464324817e-45", "7.006492321624085e-46", "7.006492321624086e-46", "1e-60",
		"3.4028234663852886e38", "3.4028235677973366e38", "3.4028235677973362e38", "340282356779733661637539395458142568447", "1e39", "-1e39", "1e999999999",
		"18446744073709551615", "18446744073709551616", "99999999999999999999", "0.00000000000018446744073709551616",
		"12345678901234567890123456789", "1E5", "1e+5", "1e-5", "0.10000000149011612", "0.00012345678901234567",
	} {
		checkNumber(t, text)
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 60_000 {
		v := math.Float32frombits(r.Uint32())
		if v != v || math.IsInf(float64(v), 0) {
			continue
		}
		checkNumber(t, strconv.FormatFloat(float64(v), 'g', -1, 32))
		checkNumber(t, strconv.FormatFloat(float64(v), 'g', 9, 64))
		checkNumber(t, strconv.FormatFloat(float64(v), 'g', -1, 64))
		// The middle between two float32 values and its neighbours.
		middle := (float64(v) + float64(math.Nextafter32(v, math.MaxFloat32))) / 2
		for _, m := range []float64{middle, math.Nextafter(middle, 0), math.Nextafter(middle, 1)} {
			checkNumber(t, strconv.FormatFloat(m, 'g', -1, 64))
		}
		checkNumber(t, fmt.Sprintf("%.17f", r.NormFloat64()))
		checkNumber(t, fmt.Sprintf("%d.%de%d", r.Uint64N(1000), r.Uint64(), r.IntN(80)-40))
	}
}

func TestLaxNumberGrammar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float32{"+1": 1, "007": 7, ".5": 0.5, "-.5e1": -5, "5.": 5, "5.e1": 50, "000000000000.000000000000125": 1.25e-13} {
		if got, length, status := parseNumber([]byte(text+"\n"), true); got != want || length != len(text) || status != numberOK {
			t.Errorf("%q: %v (%d bytes, status %d)", text, got, length, status)
		}
	}
	for _, text := range []string{"\n", "+\n", ".\n", "+.e1\n", "1e\n", "--1\n", "nan\n", ",1\n"} {
		if _, _, status := parseNumber([]byte(text), true); status != numberBad {
			t.Errorf("%q: %d", text, status)
		}
	}
}

func TestNumberGrammar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]numberStatus{
		"1,": numberOK, "-1.5e3]": numberOK, "1x": numberOK, "0.5 ": numberOK, "1.2.3": numberOK,
		"1": numberShort, "-": numberShort, "1.": numberShort, "1.5": numberShort, "1e": numberShort, "1e-": numberShort, "1e5": numberShort, "0": numberShort,
		"01,": numberBad, "00": numberBad, "+1,": numberBad, ".5,": numberBad, "1.,": numberBad, "1e,": numberBad, "1e+,": numberBad, "--1": numberBad, "-,": numberBad,
		"NaN": numberBad, "]": numberBad, "1e39,": numberHuge,
	} {
		if _, _, got := parseNumber([]byte(text), false); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

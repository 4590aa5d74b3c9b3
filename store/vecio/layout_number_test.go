package vecio

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// written is what putNumber writes for a float32, without the padding.
func written(t *testing.T, bits uint32) string {
	t.Helper()
	cell := []byte("###############|")
	putNumber(cell, binary.LittleEndian.AppendUint32(nil, bits), jsonWords)
	if cell[numberWidth] != '|' {
		t.Fatalf("%#x overflows its cell: %q", bits, cell)
	}
	text := string(cell[:numberWidth])
	trimmed := strings.TrimLeft(text, " ")
	if strings.Contains(trimmed, " ") || strings.Contains(trimmed, "#") {
		t.Fatalf("%#x is %q", bits, text)
	}
	return trimmed
}

func checkWritten(t *testing.T, bits uint32) {
	t.Helper()
	value := math.Float32frombits(bits)
	if math.IsNaN(float64(value)) || math.IsInf(float64(value), 0) {
		return
	}
	got, want := written(t, bits), strconv.FormatFloat(float64(value), 'g', -1, 32)
	if want == "-0" {
		want = "-0.0" // so that it is no whole number
	}
	if got == want {
		return
	}
	back, err := strconv.ParseFloat(got, 32)
	if err != nil || float32(back) != value || len(got) != len(want) || distance(t, got, value) != distance(t, want, value) {
		t.Fatalf("%#x is %q, want %q", bits, got, want)
	}
}

// distance is how far text is from value, exactly.
func distance(t *testing.T, text string, value float32) string {
	t.Helper()
	exact, _ := new(big.Rat).SetString(text)
	return exact.Sub(exact, new(big.Rat).SetFloat64(float64(value))).Abs(exact).String()
}

func TestNumbersAreThoseOfStrconv(t *testing.T) {
	t.Parallel()
	hard := []uint32{0, 1, 2, 3, 0x007fffff, 0x00800000, 0x00800001, 0x7f7fffff, 0x7f7ffffe, 0x80000000,
		math.Float32bits(-1.17549435e-38), math.Float32bits(0.0001), math.Float32bits(0.000123456789), math.Float32bits(-0.000123456789),
		math.Float32bits(9.999999e-5), math.Float32bits(999999), math.Float32bits(999999.9), math.Float32bits(1e6), math.Float32bits(123456.7),
		math.Float32bits(16777216), math.Float32bits(33554432), math.Float32bits(8388608), math.Float32bits(0.3), math.Float32bits(5e-324)}
	for exponent := uint32(0); exponent < 255; exponent++ {
		for _, fraction := range []uint32{0, 1, 2, 1<<22 - 1, 1 << 22, 1<<22 + 1, 1<<23 - 2, 1<<23 - 1} {
			hard = append(hard, exponent<<23|fraction)
		}
	}
	for power := -45; power <= 38; power++ {
		for digit := 1; digit < 10; digit++ {
			value, _ := strconv.ParseFloat(strconv.Itoa(digit)+"e"+strconv.Itoa(power), 32)
			bits := math.Float32bits(float32(value))
			hard = append(hard, bits-1, bits, bits+1)
		}
	}
	for _, bits := range hard {
		checkWritten(t, bits)
		checkWritten(t, bits|1<<31)
	}
	random := rand.New(rand.NewPCG(1, 2))
	count := 200_000
	if testing.Short() {
		count = 10_000
	}
	for range count {
		checkWritten(t, random.Uint32())
		checkWritten(t, math.Float32bits(float32(random.NormFloat64())))
	}
}

func TestNonFiniteNumbers(t *testing.T) {
	t.Parallel()
	for bits, want := range map[uint32][2]string{
		0x7f800000: {"Infinity", "inf"}, 0xff800000: {"-Infinity", "-inf"},
		0x7fc00000: {"NaN", "nan"}, 0xff800001: {"NaN", "nan"}, 0xffffffff: {"NaN", "nan"},
	} {
		for i, words := range []numberWords{jsonWords, csvWords} {
			cell := make([]byte, numberWidth)
			putNumber(cell, binary.LittleEndian.AppendUint32(nil, bits), words)
			if got := strings.TrimLeft(string(cell), " "); got != want[i] {
				t.Errorf("%#x is %q, want %q", bits, got, want[i])
			}
		}
	}
}

func BenchmarkTextLayouts(b *testing.B) {
	const rows, dimension = 1, 65535
	values := make([]byte, 4*dimension)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range dimension {
		binary.LittleEndian.PutUint32(values[4*i:], math.Float32bits(float32(random.NormFloat64()*0.05)))
	}
	for _, format := range []FileFormat{FileJSONL, FileCSV} {
		b.Run(format.String(), func(b *testing.B) {
			layout := format.Layouts(rows, dimension)[0]
			p := make([]byte, layout.RowSize())
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				layout.PutPart(p, 0, 12345, values)
			}
		})
	}
}

package vecio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// values makes n rows of d values of a kind; r is all that it depends on.
type values func(r *rand.Rand, n, d int) []float32

// each makes values one by one.
func each(value func(r *rand.Rand) float64) values {
	return func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for i := range v {
			v[i] = float32(value(r))
		}
		return v
	}
}

func gauss(r *rand.Rand) float64 { return r.NormFloat64() }

// normalised makes rows of length 1.
func normalised(of values) values {
	return func(r *rand.Rand, n, d int) []float32 {
		v := of(r, n, d)
		for row := range slices.Chunk(v, d) {
			sum := 0.0
			for _, x := range row {
				sum += float64(x) * float64(x)
			}
			if sum == 0 {
				continue
			}
			for i := range row {
				row[i] = float32(float64(row[i]) / math.Sqrt(sum))
			}
		}
		return v
	}
}

// columns gives each column a mean and a scale of its own, as embeddings have them, some of
// them far from the others'.
func columns(r *rand.Rand, n, d int) []float32 {
	means, scales := make([]float64, d), make([]float64, d)
	for i := range means {
		means[i], scales[i] = 0.3*r.NormFloat64(), math.Exp(0.5*r.NormFloat64())
		if r.IntN(128) == 0 {
			means[i] *= 40
		}
	}
	v := make([]float32, n*d)
	for i := range v {
		v[i] = float32(means[i%d] + scales[i%d]*r.NormFloat64())
	}
	return v
}

// changed makes values of a kind and changes each.
func changed(of values, change func(float32) float32) values {
	return func(r *rand.Rand, n, d int) []float32 {
		v := of(r, n, d)
		for i := range v {
			v[i] = change(v[i])
		}
		return v
	}
}

// quantised makes values that were whole numbers times a step once, a step for each
// row or for all.
func quantised(steps int, perRow bool) values {
	return func(r *rand.Rand, n, d int) []float32 {
		v := normalised(columns)(r, n, d)
		part := d
		if !perRow {
			part = n * d
		}
		for row := range slices.Chunk(v, part) {
			most := 0.0
			for _, x := range row {
				most = max(most, math.Abs(float64(x)))
			}
			step := float32(most / float64(steps))
			if step == 0 {
				continue
			}
			for i := range row {
				row[i] = float32(math.Round(float64(row[i]/step))) * step
			}
		}
		return v
	}
}

func toFloat16(x float32) float32 {
	half := float16Of(x)
	return math.Float32frombits(widenFloat16(half))
}

// float16Of is the nearest float16; beyond their range the largest.
func float16Of(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	a := math.Abs(float64(x))
	switch {
	case a >= 65504:
		return sign | 0x7bff
	case a < 1.0/(1<<14):
		return sign | uint16(math.RoundToEven(a*(1<<24)))
	}
	fraction, exponent := math.Frexp(a) // 0.5 to 1
	m := math.RoundToEven(fraction * 2048)
	return sign | uint16(uint32(m)+uint32(exponent+13)<<10)
}

func toBfloat16(x float32) float32 {
	return math.Float32frombits(uint32(bfloat16Of(x)) << 16)
}

func bfloat16Of(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// sparse leaves a share of the values.
func sparse(of values, share float64) values {
	return func(r *rand.Rand, n, d int) []float32 {
		v := of(r, n, d)
		for i := range v {
			if r.Float64() >= share {
				v[i] = 0
			}
		}
		return v
	}
}

// float32Kinds are what vectors are really like.
var float32Kinds = map[string]values{
	"normalised":               normalised(each(gauss)),
	"normalised, own columns":  normalised(columns),
	"unnormalised":             columns,
	"uniform, 0 to 1":          each((*rand.Rand).Float64),
	"heavy tails":              each(func(r *rand.Rand) float64 { return math.Exp(2*r.NormFloat64()) * float64(1-2*r.IntN(2)) }),
	"int8 before, all":         quantised(127, false),
	"int8 before, each row":    quantised(127, true),
	"int4 before":              quantised(7, true),
	"float16 before":           changed(normalised(columns), toFloat16),
	"bfloat16 before":          changed(normalised(columns), toBfloat16),
	"bfloat16 before, plain":   changed(columns, toBfloat16),
	"decimals of three places": each(func(r *rand.Rand) float64 { return math.Round(r.NormFloat64()*1000) / 1000 }),
	"sparse":                   sparse(each(gauss), 0.05),
	"sparse, positive":         normalised(sparse(each(func(r *rand.Rand) float64 { return -math.Log(r.Float64()) }), 0.02)),
	"ReLU":                     changed(each(gauss), func(x float32) float32 { return max(x, 0) }),
	"binary":                   each(func(r *rand.Rand) float64 { return float64(r.IntN(2)) }),
	"signs":                    each(func(r *rand.Rand) float64 { return float64(2*r.IntN(2) - 1) }),
	"counts":                   each(func(r *rand.Rand) float64 { return math.Floor(-20 * math.Log(r.Float64())) }),
	"bytes as floats":          each(func(r *rand.Rand) float64 { return float64(r.IntN(256)) }),
	"large counts":             each(func(r *rand.Rand) float64 { return float64(r.IntN(2_000_000)) }),
	"logits":                   each(func(r *rand.Rand) float64 { return 8*r.NormFloat64() - 3 }),
	"scale 1e-12":              each(func(r *rand.Rand) float64 { return 1e-12 * r.NormFloat64() }),
	"scale 1e-30":              each(func(r *rand.Rand) float64 { return 1e-30 * r.NormFloat64() }),
	"scale 1e12":               each(func(r *rand.Rand) float64 { return 1e12 * r.NormFloat64() }),
	"scale 1e30":               each(func(r *rand.Rand) float64 { return 1e30 * r.NormFloat64() }),
	"tanh":                     each(func(r *rand.Rand) float64 { return math.Tanh(2 * r.NormFloat64()) }),
	"zeros":                    each(func(*rand.Rand) float64 { return 0 }),
	"ones":                     each(func(*rand.Rand) float64 { return 1 }),
	"one-hot": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for row := range slices.Chunk(v, d) {
			row[r.IntN(d)] = 1
		}
		return v
	},
	"constant": func(r *rand.Rand, n, d int) []float32 {
		x := float32(r.NormFloat64())
		return each(func(*rand.Rand) float64 { return float64(x) })(r, n, d)
	},
	"constant rows": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for row := range slices.Chunk(v, d) {
			x := float32(r.NormFloat64())
			for i := range row {
				row[i] = x
			}
		}
		return v
	},
	"one row again and again": func(r *rand.Rand, n, d int) []float32 {
		row := normalised(columns)(r, 1, d)
		return slices.Repeat(row, n)
	},
	"numbered": func(r *rand.Rand, n, d int) []float32 {
		v, at := make([]float32, n*d), r.IntN(100)
		for i := range v {
			v[i] = float32(at + i)
		}
		return v
	},
	"probabilities": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for row := range slices.Chunk(v, d) {
			sum := 0.0
			for i := range row {
				row[i] = float32(math.Exp(6 * r.NormFloat64()))
				sum += float64(row[i])
			}
			for i := range row {
				row[i] = float32(float64(row[i]) / sum)
			}
		}
		return v
	},
	"geometric": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for i := range v {
			v[i] = float32(math.Pow(10, -4*float64(i%d)/float64(d)))
		}
		return v
	},
	"linear": func(r *rand.Rand, n, d int) []float32 {
		v, from := make([]float32, n*d), r.Float64()
		for i := range v {
			v[i] = float32(from + float64(i)/1000)
		}
		return v
	},
	"linear from 0": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for i := range v {
			v[i] = float32(i) / float32(n*d)
		}
		return v
	},
	"sizes, log-uniform": each(func(r *rand.Rand) float64 { return math.Pow(10, -6*r.Float64()) }),
	"sorted rows": func(r *rand.Rand, n, d int) []float32 {
		v := each(gauss)(r, n, d)
		for row := range slices.Chunk(v, d) {
			slices.Sort(row)
		}
		return v
	},
	"sorted, positive": func(r *rand.Rand, n, d int) []float32 {
		v := each(func(r *rand.Rand) float64 { return -math.Log(r.Float64()) })(r, n, d)
		slices.Sort(v)
		return v
	},
	"every second column constant": func(r *rand.Rand, n, d int) []float32 {
		v := each(gauss)(r, n, d)
		for i := 1; i < len(v); i += 2 {
			v[i] = 0.5
		}
		return v
	},
	"places on earth": func(r *rand.Rand, n, d int) []float32 {
		v := make([]float32, n*d)
		for i := range v {
			v[i] = float32(48.1 + 0.3*r.Float64())
			if i%2 == 1 {
				v[i] = float32(11.2 + 0.5*r.Float64())
			}
		}
		return v
	},
}

// as writes values in another way.
func as(of values, size int, put func(b []byte, x float32, r *rand.Rand)) func(r *rand.Rand, n, d int) []byte {
	return func(r *rand.Rand, n, d int) []byte {
		v := of(r, n, d)
		b := make([]byte, size*len(v))
		for i, x := range v {
			put(b[size*i:], x, r)
		}
		return b
	}
}

var lowFirst, highFirst = binary.LittleEndian, binary.BigEndian

// integers writes whole numbers.
func integers(size int, order binary.ByteOrder, number func(r *rand.Rand) int64) func(r *rand.Rand, n, d int) []byte {
	return as(each(gauss), size, func(b []byte, _ float32, r *rand.Rand) {
		putInteger(b, size, order, number(r))
	})
}

func putInteger(b []byte, size int, order binary.ByteOrder, v int64) {
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		order.PutUint16(b, uint16(v))
	case 4:
		order.PutUint32(b, uint32(v))
	case 8:
		order.PutUint64(b, uint64(v))
	}
}

func below(n int64) func(r *rand.Rand) int64 {
	return func(r *rand.Rand) int64 { return r.Int64N(n) }
}

// otherKinds are bytes that are no float32.
var otherKinds = func() map[string]func(r *rand.Rand, n, d int) []byte {
	kinds := map[string]func(r *rand.Rand, n, d int) []byte{}
	double := func(order binary.ByteOrder) func([]byte, float32, *rand.Rand) {
		return func(b []byte, x float32, _ *rand.Rand) { order.PutUint64(b, math.Float64bits(float64(x))) }
	}
	random := func(b []byte, x float32, r *rand.Rand) {
		lowFirst.PutUint64(b, math.Float64bits(float64(x)*(1+1e-8*r.Float64())))
	}
	for name, of := range map[string]values{"normalised": normalised(columns), "unnormalised": columns, "uniform": each((*rand.Rand).Float64)} {
		kinds["float64, "+name] = as(of, 8, random)
		kinds["float64 of float32, "+name] = as(of, 8, double(lowFirst))
		kinds["big-endian float64, "+name] = as(of, 8, double(highFirst))
		kinds["float16, "+name] = as(of, 2, func(b []byte, x float32, _ *rand.Rand) { lowFirst.PutUint16(b, float16Of(x)) })
		kinds["bfloat16, "+name] = as(of, 2, func(b []byte, x float32, _ *rand.Rand) { lowFirst.PutUint16(b, bfloat16Of(x)) })
		kinds["big-endian float32, "+name] = as(of, 4, func(b []byte, x float32, _ *rand.Rand) { highFirst.PutUint32(b, math.Float32bits(x)) })
		kinds["int8, "+name] = as(of, 1, func(b []byte, x float32, _ *rand.Rand) { b[0] = byte(int8(max(-127, min(127, 127*x)))) })
	}
	kinds["float64, one-hot"] = as(float32Kinds["one-hot"], 8, double(lowFirst))
	kinds["float64, binary"] = as(float32Kinds["binary"], 8, double(lowFirst))
	kinds["float64, int8 before"] = as(each(func(r *rand.Rand) float64 { return math.Round(40 * r.NormFloat64()) }), 8, func(b []byte, x float32, _ *rand.Rand) {
		lowFirst.PutUint64(b, math.Float64bits(float64(x)*0.0123456789))
	})
	kinds["float64 of float16"] = as(float32Kinds["float16 before"], 8, double(lowFirst))
	kinds["float64 of counts"] = as(float32Kinds["counts"], 8, double(lowFirst))
	kinds["float64 of money"] = as(each(func(r *rand.Rand) float64 { return 1 + math.Floor(r.Float64()*500_000) }), 8, func(b []byte, x float32, _ *rand.Rand) {
		lowFirst.PutUint64(b, math.Float64bits(float64(x)/100))
	})
	kinds["float64, sparse"] = as(float32Kinds["sparse"], 8, random)
	kinds["float64, ReLU"] = as(float32Kinds["ReLU"], 8, random)
	kinds["float16 of counts"] = as(float32Kinds["counts"], 2, func(b []byte, x float32, _ *rand.Rand) { lowFirst.PutUint16(b, float16Of(x)) })
	kinds["float16, ReLU"] = as(float32Kinds["ReLU"], 2, func(b []byte, x float32, _ *rand.Rand) { lowFirst.PutUint16(b, float16Of(x)) })
	kinds["bfloat16, ReLU"] = as(float32Kinds["ReLU"], 2, func(b []byte, x float32, _ *rand.Rand) { lowFirst.PutUint16(b, bfloat16Of(x)) })
	for _, size := range []int{4, 8} {
		bits := fmt.Sprint("int", 8*size)
		kinds[bits+" to 100"] = integers(size, lowFirst, below(100))
		kinds[bits+" to a million"] = integers(size, lowFirst, below(1_000_000))
		kinds[bits+" of both signs"] = integers(size, lowFirst, func(r *rand.Rand) int64 { return int64(500 * r.NormFloat64()) })
		kinds["big-endian "+bits] = integers(size, highFirst, below(100_000))
	}
	kinds["int64 of any bits"] = integers(8, lowFirst, func(r *rand.Rand) int64 { return int64(r.Uint64()) })
	kinds["int32 to two billion"] = integers(4, lowFirst, below(1<<31-1))
	for name, c := range map[string]struct {
		size     int
		from, to int64
		step     int64 // 0: at random
		sorted   bool
	}{
		"int32 of times": {4, 1_700_000_000, 1_701_000_000, 0, false}, "int32 of times, every minute": {4, 1_700_000_000, 0, 60, false},
		"int32 of days": {4, 20_200_101, 20_241_231, 0, false}, "int32 from one to two billion": {4, 1_000_000_000, 2_000_000_000, 0, false},
		"int32 of ids, in order, near": {4, 1_000_000_000, 1_100_000_000, 0, true}, "int32 of ids, in order": {4, 0, 2_000_000_000, 0, true},
		"int32 counting from ten million": {4, 10_000_000, 0, 1, false}, "int32 counting from 100 million": {4, 100_000_000, 0, 1, false},
		"int32 counting from a billion": {4, 1_000_000_000, 0, 1, false}, "int32 counting from two billion": {4, 2_000_000_000, 0, 1, false},
		"int32 of addresses, 10.0.0.0": {4, 0x0a000000, 0x0affffff, 0, false}, "int32 of addresses": {4, 0x30000000, 0x40000000, 0, false},
		"int64 of milliseconds": {8, 1_700_000_000_000, 0, 1000, false}, "int64 of milliseconds, every minute": {8, 1_700_000_000_000, 0, 60_000, false},
		"int64 of seconds": {8, 1_700_000_000, 0, 1000, false},
	} {
		kinds[name] = func(r *rand.Rand, n, d int) []byte {
			v := make([]int64, n*d)
			for i := range v {
				v[i] = c.from + int64(i)*c.step
				if c.step == 0 {
					v[i] += r.Int64N(c.to - c.from)
				}
			}
			if c.sorted {
				slices.Sort(v)
			}
			b := make([]byte, c.size*len(v))
			for i, x := range v {
				putInteger(b[c.size*i:], c.size, lowFirst, x)
			}
			return b
		}
	}
	for name, c := range map[string]struct{ from, step float64 }{
		"float64, counting from ten million": {1e7, 1}, "float64, counting from 100 million": {1e8, 1}, "float64, counting from a billion": {1e9, 1},
		"float64, counting from two billion": {2e9, 1}, "float64, Julian days": {2460000, 1.0 / 24},
	} {
		kinds[name] = func(_ *rand.Rand, n, d int) []byte {
			b := make([]byte, 0, 8*n*d)
			for i := range n * d {
				b = lowFirst.AppendUint64(b, math.Float64bits(c.from+float64(i)*c.step))
			}
			return b
		}
	}
	kinds["int16"] = integers(2, lowFirst, func(r *rand.Rand) int64 { return int64(3000 * r.NormFloat64()) })
	kinds["bytes to 127"] = integers(1, lowFirst, below(128))
	kinds["bytes to 255"] = integers(1, lowFirst, below(256))
	kinds["bytes, many zeros"] = integers(1, lowFirst, func(r *rand.Rand) int64 { return max(0, int64(90*r.NormFloat64())) & 0xff })
	return kinds
}()

// shapes are rows and dimensions; of an error rate it is said for which it holds.
var shapes = []struct {
	name string
	n, d []int
}{
	{"16 to 63 bytes", []int{1, 2, 3}, []int{4, 5}},
	{"64 to 255 bytes", []int{1, 2, 4}, []int{16, 20, 31}},
	{"256 to 1 KiB", []int{1, 3}, []int{64, 100}},
	{"1 to 16 KiB", []int{1, 2, 5, 10}, []int{256, 384}},
	{"64 KiB", []int{17000}, []int{1}},
	{"64 KiB in rows", []int{200, 44, 11, 4}, []int{384, 1536, 4096}},
}

// TestGuess holds the guess to its error rates. With RVFFS_GUESS_TRIES set it tries each kind
// and length so often and prints the table of docs/formats.md.
func TestGuess(t *testing.T) {
	t.Parallel()
	tries, long := 15, false
	if given, err := strconv.Atoi(os.Getenv("RVFFS_GUESS_TRIES")); err == nil {
		tries, long = given, true
	}
	seed := uint64(10)
	// Most is the share of wrong guesses for each of the shapes that is too much.
	run := func(kind string, most [6]float64, wrong func(r *rand.Rand, n, d int) (bool, string)) {
		var cells []string
		for at, shape := range shapes {
			bad, tried, why := 0, tries, map[string]int{}
			if at >= 4 {
				tried = max(2, tries/10)
			}
			r := rand.New(rand.NewPCG(seed, uint64(at)))
			for range tried {
				n, d := shape.n[r.IntN(len(shape.n))], shape.d[r.IntN(len(shape.d))]
				if w, as := wrong(r, n, d); w {
					bad++
					why[as]++
				}
			}
			if float64(bad) > most[at]*float64(tried) {
				t.Errorf("%s, %s: %d of %d are mistaken: %v", kind, shape.name, bad, tried, why)
			}
			cell := fmt.Sprintf("%d/%d", bad, tried)
			if bad > 0 {
				cell += fmt.Sprint(why)
			}
			cells = append(cells, cell)
		}
		if long {
			fmt.Printf("| %s | %s |\n", kind, strings.Join(cells, " | "))
		}
	}
	for _, kind := range sortedKeys(float32Kinds) {
		run(kind, [6]float64{0.07, 0.07}, func(r *rand.Rand, n, d int) (bool, string) {
			g := guessValues(floats(float32Kinds[kind](r, n, d)...), readings[1:])
			return g != guess{}, g.name
		})
	}
	for _, kind := range sortedKeys(otherKinds) {
		most := [6]float64{0.7, 0.1, 0.05}
		switch {
		case kind == "int32 of addresses", kind == "int32 of ids, in order, near": // to which their order or spread alone is against
			most = [6]float64{1, 1, 1, 0.5}
		}
		run(kind, most, func(r *rand.Rand, n, d int) (bool, string) {
			b := otherKinds[kind](r, n, d)
			g := guessValues(b, readings[1:])
			zeros := len(bytes.Trim(b, "\x00")) == 0 // are zeros in float32, too
			return g == guess{} && !zeros, g.name
		})
	}
}

// TestGuessIDsBetween: ids in front of rows, or behind them, are no components.
func TestGuessIDsBetween(t *testing.T) {
	t.Parallel()
	ids := map[string]func(r *rand.Rand, row int) []byte{
		"uint32":           func(_ *rand.Rand, row int) []byte { return lowFirst.AppendUint32(nil, uint32(row)) },
		"uint64":           func(_ *rand.Rand, row int) []byte { return lowFirst.AppendUint64(nil, uint64(row)) },
		"random uint32":    func(r *rand.Rand, _ int) []byte { return lowFirst.AppendUint32(nil, r.Uint32N(1<<22)) },
		"random uint64":    func(r *rand.Rand, _ int) []byte { return lowFirst.AppendUint64(nil, r.Uint64N(1<<40)) },
		"times":            func(r *rand.Rand, _ int) []byte { return lowFirst.AppendUint32(nil, 1_700_000_000+r.Uint32N(1e6)) },
		"from a billion":   func(_ *rand.Rand, row int) []byte { return lowFirst.AppendUint32(nil, 1_000_000_000+uint32(row)) },
		"whole float32":    func(_ *rand.Rand, row int) []byte { return floats(float32(row)) },
		"milliseconds":     func(_ *rand.Rand, row int) []byte { return lowFirst.AppendUint64(nil, 1_700_000_000_000+uint64(row)) },
		"hashes of 8 byte": func(r *rand.Rand, _ int) []byte { return lowFirst.AppendUint64(nil, r.Uint64()>>9) },
	}
	for _, d := range []int{8, 16, 128, 384} {
		for _, kind := range sortedKeys(ids) {
			for _, behind := range []bool{false, true} {
				r := rand.New(rand.NewPCG(3, uint64(d)))
				var stream []byte
				for row := range 2 * d {
					id, v := ids[kind](r, row), floats(normalised(each(gauss))(r, 1, d)...)
					if behind {
						id, v = v, id
					}
					stream = append(append(stream, id...), v...)
				}
				if reason := noFloats(RawF32, stream, d); reason == "" {
					t.Errorf("%s beside rows of %d, behind %v: taken for float32", kind, d, behind)
				} else if !strings.Contains(reason, `{"id": 7, "vector"`) {
					t.Logf("%s beside rows of %d, behind %v: %s", kind, d, behind, reason)
				}
			}
		}
		for _, kind := range sortedKeys(float32Kinds) {
			for _, n := range []int{2, d, 2 * d} {
				if v := floats(float32Kinds[kind](rand.New(rand.NewPCG(4, uint64(d))), n, d)...); idsBetween(v[:min(len(v), guessBytes)], d) {
					t.Errorf("%s, %d rows of %d: a column is taken for ids", kind, n, d)
				}
			}
		}
	}
}

// TestGuessReasons: what is said is what helps.
func TestGuessReasons(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	words := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = lowFirst.AppendUint32(b, w)
		}
		return b
	}
	for name, c := range map[string]struct {
		stream []byte
		d      int
		says   []string
		not    string
	}{
		"signed bytes":      {otherKinds["int8, normalised"](r, 10, 384), 96, []string{"bytes", "'i1'"}, "'u1'"},
		"bytes":             {otherKinds["bytes to 255"](r, 10, 384), 96, []string{"bytes", "'u1' or", "'i1'"}, ""},
		"times":             {otherKinds["int32 of times"](r, 10, 384), 8, []string{"all above 10¹⁵", "int32", "'<i4'", "vectors.append.f32"}, ""},
		"days":              {otherKinds["int32 of days"](r, 10, 384), 8, []string{"int32", "'<i4'", "vectors.append.f32"}, ""},
		"around 1e-38":      {floats(each(func(r *rand.Rand) float64 { return 1e-38 * r.NormFloat64() })(r, 100, 16)...), 16, []string{"as float32 its values are all below 10⁻¹⁵", "vectors.append.f32"}, "big-endian"},
		"small int32":       {otherKinds["int32 to a million"](r, 100, 16), 16, []string{"int32", "vectors.append.f32"}, "fbin"},
		"int32 like counts": {words(100, 200, 300, 400, 500, 600, 700, 900, 100, 200, 311, 412, 503, 604, 705, 806), 8, []string{"int32", "vectors.append.f32"}, "fbin"},
		"counting float64": {func() (b []byte) {
			for i := range 64 {
				b = lowFirst.AppendUint64(b, math.Float64bits(1e8+float64(i)))
			}
			return b
		}(), 8, []string{"float64", "'<f8'"}, ""},
		"fbin, too long":      {append(words(2, 8), floats(normalised(each(gauss))(r, 3, 8)...)...), 8, []string{"2 vectors of dimension 8", "72 bytes", "24 in bytes"}, ""},
		"fbin of another one": {append(words(2, 8), floats(normalised(each(gauss))(r, 2, 8)...)...), 6, []string{"2 vectors of dimension 8", "the dimension is 6"}, ""},
	} {
		_, err := decode(t, Auto, Options{}, c.d, c.stream, whole)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", name, err, part)
			}
		}
		if c.not != "" && strings.Contains(err.Error(), c.not) {
			t.Errorf("%s: %v, says %q", name, err, c.not)
		}
	}
}

// TestGuessNames: who is told to convert what came has to be told from what.
func TestGuessNames(t *testing.T) {
	t.Parallel()
	for _, kind := range sortedKeys(otherKinds) {
		want := strings.TrimSuffix(strings.Split(kind, ",")[0], " before")
		want = strings.Split(strings.Split(want, " of ")[0], " to ")[0]
		want = strings.Split(strings.Split(want, " from ")[0], " counting")[0]
		if strings.HasPrefix(want, "int8") || kind == "int64 of any bits" { // these are bytes as well as anything
			want = "bytes"
		}
		r, wrong := rand.New(rand.NewPCG(12, 12)), map[string]int{}
		const tries = 20
		for range tries {
			if g := guessValues(otherKinds[kind](r, 1+r.IntN(20), 384), readings[1:]); g.name != want {
				wrong[g.name]++
			}
		}
		if len(wrong) > 1 || len(wrong) == 1 && slices.Max(slices.Collect(maps.Values(wrong))) > 1 {
			t.Errorf("%s: of %d it is said %v", kind, tries, wrong)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// FuzzGuess: whatever comes, and however it is cut, a guess is made within its bounds and the
// same.
func FuzzGuess(f *testing.F) {
	for _, seed := range [][]byte{floats(1, 2, 3), []byte("\x04\x00\x00\x00\x02\x00\x00\x00"), vecsFile(Fvecs, []float32{1, 2}, []float32{3, 4}), []byte("\x92\xcb\x40"), {0x80, 4, 0x95}} {
		f.Add(seed, uint8(2), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, dimension, most uint8) {
		if guessValues(stream, readings[1:]) != guessValues(slices.Clone(stream), readings[1:]) {
			t.Fatal("two guesses at the same bytes")
		}
		noIDs(stream, most%2 == 0)
		agree(t, Auto, Options{}, int(dimension), stream, quietly(stream, pieces(19, 1+int(most))))
		if _, err := decode(t, RawF32, Options{AllowNonFinite: true}, 1, stream, whole); len(stream)%4 == 0 && err != nil {
			t.Fatalf("a name does not force: %v", err)
		}
	})
}

func BenchmarkGuess(b *testing.B) {
	for _, n := range []int{4, 384, 16384} {
		p := floats(normalised(columns)(rand.New(rand.NewPCG(1, 1)), 1, n)...)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				guessValues(p, readings[1:])
			}
		})
	}
}

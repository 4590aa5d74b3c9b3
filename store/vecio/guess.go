package vecio

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// guessBytes is how much of a stream is looked at before floats without a header are
// taken for such.
const guessBytes = 64 << 10

// guess is what a run of bytes without a header looks like.
type guess struct {
	name  string // of the values, such as "float64"; "" for float32
	numpy string // their dtype in NumPy
	far   string // of what sizes they are as float32, where that alone tells
}

// guessMargin is how many bits another reading must save before it is believed: if
// float32 are what their reading says, less than one stream in 2^guessMargin is
// mistaken for each other reading.
const guessMargin = 9

// reading is a kind of values that bytes may be.
type reading struct {
	name, numpy string
	size        int // bytes of a value
	bigEndian   bool
	floats      *floatShape // of a kind of floats
}

// readings are the kinds of values that bytes are tried as, float32 first. Bytes over
// and over, signed or not, are one kind.
var readings = [...]reading{
	{name: "float32", numpy: "<f4", size: 4, floats: shape32},
	{name: "float64", numpy: "<f8", size: 8, floats: shape64},
	{name: "float16", numpy: "<f2", size: 2, floats: shape16},
	{name: "bfloat16", size: 2, floats: shapeB16},
	{name: "int32", numpy: "<i4", size: 4},
	{name: "int64", numpy: "<i8", size: 8},
	{name: "int16", numpy: "<i2", size: 2},
	{name: "bytes", numpy: "u1", size: 1},
	{name: "big-endian float32", numpy: ">f4", size: 4, bigEndian: true, floats: shape32},
	{name: "big-endian float64", numpy: ">f8", size: 8, bigEndian: true, floats: shape64},
	{name: "big-endian float16", numpy: ">f2", size: 2, bigEndian: true, floats: shape16},
	{name: "big-endian int32", numpy: ">i4", size: 4, bigEndian: true},
	{name: "big-endian int64", numpy: ">i8", size: 8, bigEndian: true},
}

// guessValues tells whether p holds values of one of the kinds rather than float32. Each reading is charged the bits that it takes to
// write p down as such values, by one code for all: a value that has come before costs
// what its share of the values says; a new one its sign, the place of its highest bit (a float's
// exponent), which is cheap where such values are usual or have come, and its further
// bits, of which zeros at the end cost less once there have been such. What p really is
// costs least, for all else has to pay for the borders between values that it does not
// see: the second half of a float64 looks like a float32 of any size.
func guessValues(p []byte, kinds []reading) guess {
	p = p[:min(len(p), guessBytes)]
	if len(p) < 4 {
		return guess{}
	}
	if len(kinds) > 1 && (wholeDoubles(p) || decimalDoubles(p)) {
		return guess{name: "float64", numpy: "<f8"}
	}
	var words *wordsLook
	if len(kinds) > 1 {
		words = lookAtWords(p)
		if g := words.surely(); g.name != "" {
			return g
		}
	}
	p = different(p)
	var own pace
	least := readings[0].bits(p, math.Inf(1), &own) - guessMargin
	own.set = true
	g := cheapest(p, kinds, least, &own)
	if g.name == "bfloat16" && scattered(p) {
		// The two cost nearly the same: most bits of the exponent are the other's mantissa.
		if float16 := readings[2:3]; cheapest(p, float16, least, &own).name != "" {
			g = guess{name: float16[0].name, numpy: float16[0].numpy}
		}
	}
	switch {
	case words == nil:
	case g.name == "":
		return words.likely()
	case g.name == "big-endian int32" && words.strangeHalf():
		return guess{name: "float64", numpy: "<f8"}
	case g.name == "big-endian float32" && words.small() != "":
		return guess{far: words.small()} // their mantissas look like exponents the other way round
	}
	for i := range kinds {
		if r := &kinds[i]; r.name == g.name && r.size == 8 && r.floats == nil && r.anyBits(p) {
			// Large integers cost nothing for what stands in them: bytes of all values do.
			g = guess{name: "bytes", numpy: "u1"}
		}
	}
	return g
}

// anyBits reports whether p as values of this kind, integers of eight bytes, are nearly
// all of the largest size.
func (r *reading) anyBits(p []byte) bool {
	n, large := len(p)/8, 0
	for ; len(p) >= 8; p = p[8:] {
		if v := int64(r.value(p)); bits.Len64(uint64(max(v, ^v))) >= 60 {
			large++
		}
	}
	return 4*large >= 3*n
}

// scattered reports whether p, read as bfloat16, holds values of so many sizes that half of
// them lie more than three powers of two apart. A power of two of float16 is eight of
// bfloat16.
func scattered(p []byte) bool {
	const most = 3
	var came [256]int
	n := 0
	for ; len(p) >= 2; p = p[2:] {
		if bits := binary.LittleEndian.Uint16(p); bits<<1 != 0 {
			came[bits>>7&0xff]++
			n++
		}
	}
	below, quarter := 0, -1
	for exponent, count := range came {
		below += count
		if quarter < 0 && 4*below >= n {
			quarter = exponent
		}
		if 4*below >= 3*n {
			return exponent-quarter > most
		}
	}
	return false
}

// cheapest is the kind that takes the least bits, and less than a limit. A kind that falls
// behind the pace, if there is one, is given up before the end.
func cheapest(p []byte, kinds []reading, least float64, kept *pace) (best guess) {
	for i := range kinds {
		r := &kinds[i]
		if bits := r.bits(p, least, kept); bits < least {
			best, least = guess{name: r.name, numpy: r.numpy}, bits
		}
	}
	return best
}

// pace is what float32 have cost after each stretch of bytes. Most kinds cost so much more
// from the start that the rest need not be looked at, which counts where each vector
// comes as a stream of its own.
type pace struct {
	costs []float64
	set   bool // by float32, and to be kept by others
}

// A kind that costs so much more than float32 after some stretch does not catch up: a
// share of what they cost, and bits.
const (
	paceBytes = 256
	paceShare = 1.0 / 16
	paceBits  = 64
)

// behind notes a cost after so many bytes, or reports whether it is too much.
func (f *pace) behind(bytes int, cost float64) bool {
	if !f.set {
		f.costs = append(f.costs, cost)
		return false
	}
	own := f.costs[bytes/paceBytes-1]
	return cost > own+own*paceShare+paceBits
}

// A block is two float32 or one float64: what is aligned in it is in all that is looked at.
const (
	guessBlock  = 8
	guessBlocks = 2048 // that are enough for a guess
)

// different is the blocks of p without those that came before, for how often a value or a
// row comes again says nothing of what it is; if they are many, some from all over p.
// A whole float32 that is left over stands at the end.
func different(p []byte) []byte {
	blocks := newSeen(len(p) / guessBlock)
	defer blocks.free()
	var places []int
	for at := 0; at+guessBlock <= len(p); at += guessBlock {
		if blocks.add(binary.LittleEndian.Uint64(p[at:])) == 0 {
			places = append(places, at)
		}
	}
	kept := make([]byte, 0, guessBlock*min(len(places), guessBlocks)+4)
	step := float64(max(len(places), guessBlocks)) / guessBlocks
	for i := 0; int(float64(i)*step) < len(places); i++ {
		at := places[int(float64(i)*step)]
		kept = append(kept, p[at:at+guessBlock]...)
	}
	if rest := p[len(p)/guessBlock*guessBlock:]; len(rest) >= 4 {
		kept = append(kept, rest[:4]...)
	}
	return kept
}

// wholeDoubles reports whether p is whole numbers in float64, zeros apart, where their
// lower halves are zero and they come again and again. Read as float32 they are 1.875 for 1.
func wholeDoubles(p []byte) bool {
	found, fractions := 0, 0
	for ; len(p) >= guessBlock; p = p[guessBlock:] {
		bits := binary.LittleEndian.Uint64(p)
		if bits == 0 {
			continue
		}
		double := math.Float64frombits(bits)
		if bits<<32 != 0 || double != math.Trunc(double) || math.Abs(double) > 1<<31 {
			return false
		}
		single := float64(math.Float32frombits(uint32(bits >> 32)))
		if single != math.Trunc(single) {
			fractions++
		}
		found++
	}
	return found > 0 && 2*fractions >= found
}

// decimalDoubles reports whether p is amounts in float64 below ten million, with four decimals at most, zeros
// apart. Their lower halves, which come again and again, are cheap as float32; as decimals
// hardly any other bits would do.
func decimalDoubles(p []byte) bool {
	const scale = 1e4
	fractions, wholes := 0, 0
	for ; len(p) >= guessBlock; p = p[guessBlock:] {
		bits := binary.LittleEndian.Uint64(p)
		double := math.Float64frombits(bits)
		switch {
		case bits == 0:
		case math.Abs(double) > 1e7 || math.Round(double*scale)/scale != double:
			return false
		case bits<<32 != 0:
			fractions++
		default:
			wholes++
		}
	}
	return fractions > wholes
}

// differences is p with each uint64 less the one before.
func differences(p []byte) []byte {
	out, last := slices.Clone(p), uint64(0)
	for at := 0; at+8 <= len(p); at += 8 {
		id := binary.LittleEndian.Uint64(p[at:])
		binary.LittleEndian.PutUint64(out[at:], id-last)
		last = id
	}
	return out
}

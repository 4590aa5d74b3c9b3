package vecio

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
)

// guessBytes is how much of a stream is looked at before floats without a header are
// taken for such.
const guessBytes = 64 << 10

// guess is what a run of bytes without a header looks like.
type guess struct {
	name  string // of the values, such as "float64"; "" for float32
	numpy string // their dtype in NumPy
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

// floatShape is how a kind of floats lies in its bits.
type floatShape struct {
	exponent, mantissa int // their bits
	usual              []float64
	came               sync.Pool // of places that models have done with
}

var (
	shape16  = &floatShape{exponent: 5, mantissa: 10, usual: usualExponents(5)}
	shapeB16 = &floatShape{exponent: 8, mantissa: 7, usual: usualExponents(8)}
	shape32  = &floatShape{exponent: 8, mantissa: 23, usual: shapeB16.usual}
	shape64  = &floatShape{exponent: 11, mantissa: 52, usual: usualExponents(11)}
)

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

// idKinds are what a list of ids may be instead of little-endian uint64.
var idKinds = slices.DeleteFunc(slices.Clone(readings[:]), func(r reading) bool {
	return r.size < 4 || r.size == 8 && r.floats == nil && !r.bigEndian
})

// noIDs is why bytes do not look like ids in little-endian uint64; "" if they do. Ids
// are as often random as small, and random bits are as much one kind as another: what they
// look like instead has to take hardly more than half of the bits. Where some are stored, it has
// to take as much less than the differences of ids that follow each other do, for ids made
// of times and counters are regular in many ways.
func noIDs(begin []byte, someStored bool) string {
	var text utf16Look
	for _, c := range begin {
		if text.next(c) != lookPossible {
			break
		}
	}
	if text.state == lookSure || text.likely() {
		return "the stream is text in UTF-16: convert it to UTF-8"
	}
	if found, _ := matchMagic(begin); found != nil {
		name := found.name
		if name == "" {
			name = "a file of vectors"
		}
		return "the stream is " + name + ", and no list of ids"
	}
	if name := foreignWithin(begin); name != "" && !isCounted(begin) {
		return "the stream is " + name + ", and no list of ids"
	}
	if len(begin) < 4 {
		return ""
	}
	p := different(begin)
	ids := reading{size: 8}
	own := ids.bits(p, math.Inf(1), nil)
	if someStored {
		own = min(own, ids.bits(differences(p), math.Inf(1), nil))
	}
	if g := cheapest(p, idKinds, min(own-guessMargin, own*0.55), nil); g.name != "" {
		return "its bytes look like " + g.name + ", not like ids in little-endian uint64: convert them, or write them as text"
	}
	return ""
}

// ivecs are what rows behind their dimensions may hold that is no float32: the ids of the
// nearest neighbours, mostly.
var ivecs = [...]reading{{name: "int32", numpy: "<i4", size: 4}}

// noFloats is why a stream of float32 that begins so is refused, unless a name forces its
// format; "" if it is not.
func noFloats(f Format, begin []byte) string {
	begin = begin[:min(len(begin), guessBytes)]
	values, kinds := begin, readings[1:]
	switch f {
	case Fvecs: // its dimensions tell the byte order and how long a value is
		values, kinds = vecsValues(begin), ivecs[:]
	case Fbin: // and so do its first words
		values, kinds = begin[min(countedHead, len(begin)):], ivecs[:]
	default:
		if name := foreignWithin(begin); name != "" {
			return "the stream is " + name + ", which holds no vectors that can be read"
		}
	}
	g := guessValues(values, kinds)
	if g.name == "" {
		return ""
	}
	convert := "convert them"
	if f == RawF32 && g.numpy != "" {
		convert += fmt.Sprintf(" (in NumPy by np.fromfile(file, '%s').astype('<f4'))", g.numpy)
	}
	return fmt.Sprintf("its values look like %s, not like float32: %s, or write to vectors.append.%s if they are float32 all the same", g.name, convert, f)
}

// vecsValues is what stands in fvecs behind the rows' dimensions, as far as these agree.
func vecsValues(p []byte) (values []byte) {
	if len(p) < vecsPrefix {
		return nil
	}
	dimension := p[:vecsPrefix]
	length := 4 * int(binary.LittleEndian.Uint32(dimension))
	for len(p) >= vecsPrefix && string(p[:vecsPrefix]) == string(dimension) {
		n := min(length, len(p)-vecsPrefix)
		values = append(values, p[vecsPrefix:vecsPrefix+n]...)
		p = p[vecsPrefix+n:]
	}
	return values
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

// bits is what it takes to write p as values of this kind, or more than limit, or no number
// that counts if it falls behind a pace. What is no whole value at the end is taken as it
// stands.
func (r *reading) bits(p []byte, limit float64, kept *pace) float64 {
	switch {
	case r.size == 1:
		return byteBits(p, limit, kept)
	case r.floats != nil:
		m := r.floats.start(len(p) / r.size)
		defer m.free()
		return r.code(p, m, limit, kept)
	}
	return r.code(p, newIntegerModel(8*r.size), limit, kept)
}

// model gives a new value its price.
type model interface {
	price(value uint64, to *price)
}

// code is bits with the values that have come kept apart from those that are new.
func (r *reading) code(p []byte, m model, limit float64, kept *pace) float64 {
	values := newSeen(len(p) / r.size)
	defer values.free()
	total := price{product: 1}
	for at := 0; len(p) >= r.size; p = p[r.size:] {
		if kept != nil && at > 0 && at%paceBytes == 0 && kept.behind(at, total.sum()) {
			return math.Inf(1)
		}
		at += r.size
		value := r.value(p)
		if !values.price(value, &total) {
			m.price(value, &total)
		}
		if total.bits > limit {
			return total.bits
		}
	}
	return total.sum() + float64(8*len(p))
}

// value is the first value of p.
func (r *reading) value(p []byte) uint64 {
	order := binary.ByteOrder(binary.LittleEndian)
	if r.bigEndian {
		order = binary.BigEndian
	}
	switch r.size {
	case 2:
		return uint64(order.Uint16(p))
	case 4:
		return uint64(order.Uint32(p))
	}
	return order.Uint64(p)
}

// price sums up bits: whole ones, and those of probabilities, of which the logarithm is
// taken once for many.
type price struct {
	bits    float64
	product float64
}

func (t *price) times(probability float64) {
	t.product *= probability
	if t.product < 1e-200 {
		t.bits -= math.Log2(t.product)
		t.product = 1
	}
}

func (t *price) sum() float64 { return t.bits - math.Log2(t.product) }

// seen counts how often values have come.
type seen struct {
	values []uint64
	counts []uint32
	shift  uint
	n      int // values
	fresh  int // different ones
}

// seenPool keeps tables: each vector that comes as a stream of its own is guessed at.
var seenPool = sync.Pool{New: func() any { return new(seen) }}

// newSeen is a table for so many values at most, which goes back by free.
func newSeen(most int) *seen {
	size := uint(4)
	for 1<<size < 2*most {
		size++
	}
	s := seenPool.Get().(*seen)
	s.shift, s.n, s.fresh = 64-size, 0, 0
	if cap(s.values) < 1<<size {
		s.values, s.counts = make([]uint64, 1<<size), make([]uint32, 1<<size)
	}
	s.values, s.counts = s.values[:1<<size], s.counts[:1<<size]
	clear(s.counts)
	return s
}

func (s *seen) free() { seenPool.Put(s) }

// add counts a value and tells how often it had come.
func (s *seen) add(value uint64) uint32 {
	s.n++
	mask := uint64(len(s.values) - 1)
	for at := value * 0x9e3779b97f4a7c15 >> s.shift; ; at = (at + 1) & mask {
		switch count := s.counts[at]; {
		case count == 0:
			s.values[at] = value
			s.counts[at] = 1
			s.fresh++
			return 0
		case s.values[at] == value:
			s.counts[at]++
			return count
		}
	}
}

// price counts a value and pays for its being new, or for which of the old ones it is;
// it reports whether it is an old one.
func (s *seen) price(value uint64, to *price) bool {
	n, fresh := float64(s.n), float64(s.fresh)
	if count := s.add(value); count > 0 {
		to.times((n - fresh + 0.5) / (n + 1) * float64(count) / n)
		return true
	}
	to.times((fresh + 0.5) / (n + 1))
	return false
}

// signs prices signs by the shares of those that came.
type signs [2]float64

func (s *signs) price(negative uint64, to *price) {
	to.times((s[negative] + 0.5) / (s[0] + s[1] + 1))
	s[negative]++
}

// places prices small numbers that lie together: exponents, and lengths of integers. A
// part of what it expects is what is usual, however much has come.
type places struct {
	usual []float64
	came  []float64
	n     float64
	part  float64
}

// near is how much a value makes others likely that are so many places away.
var near = [...]float64{0.34, 0.18, 0.1, 0.05}

func (p *places) price(place int, to *price) {
	const start = 1 // values by which what has come counts as much as half
	learned := p.n / (p.n + start) * (1 - p.part)
	share := 0.0
	if p.n > 0 {
		share = p.came[place] / p.n
	}
	to.times(learned*share + (1-learned)*p.usual[place])
	p.n++
	p.came[place] += near[0]
	for i, share := range near[1:] {
		below, above := place-1-i, place+1+i
		if below < 0 {
			below = place
		}
		if above >= len(p.came) {
			above = place
		}
		p.came[below] += share
		p.came[above] += share
	}
}

// mantissas prices runs of bits by the zeros at their ends.
type mantissas struct {
	bits  int
	came  []float64 // runs by the zeros at their ends
	total float64
}

func newMantissas(width int) mantissas {
	m := mantissas{bits: width, came: make([]float64, width+1), total: 2}
	for i := range m.came {
		m.came[i] = math.Exp2(-float64(i+1)) + 1/float64(width+1)
	}
	return m
}

func (m *mantissas) price(run uint64, to *price) {
	zeros := m.bits
	if run != 0 {
		zeros = bits.TrailingZeros64(run)
		to.bits += float64(m.bits - zeros - 1)
	}
	to.times(m.came[zeros] / m.total)
	m.came[zeros]++
	m.total++
}

// floatModel prices floats: the first 16 bits, which of close values are the same, and
// the others.
type floatModel struct {
	*floatShape
	signs
	exponents places
	high      mantissas // what of the first 16 bits belongs to it
	low       mantissas // the bits behind them, if there are any
	heads     *seen     // the first 16 bits, then
	tails     *seen     // the others
}

// What floats are that are not normal numbers: probabilities.
const (
	zeroFloat      = 0.125
	subnormalFloat = 1.0 / (1 << 14)
	nonFiniteFloat = 1.0 / (1 << 20)
	normalFloat    = 1 - zeroFloat - subnormalFloat - nonFiniteFloat
)

// usualExponents is how likely the exponents of a shape are before any has come: those of
// usual values for the most part, and any.
func usualExponents(exponent int) []float64 {
	n := 1 << exponent
	middle := float64(n/2 - 4) // of values from 0.125 to 0.25
	usual, sum := make([]float64, n), 0.0
	for i := range usual {
		usual[i] = math.Exp2(-math.Abs(float64(i)-middle) / 2.5)
		sum += usual[i]
	}
	for i := range usual {
		usual[i] = 0.7*usual[i]/sum + 0.3/float64(n)
	}
	return usual
}

// start is a model for so many values at most, which goes back by free.
func (s *floatShape) start(most int) *floatModel {
	came, _ := s.came.Get().(*[]float64)
	if came == nil {
		came = new(make([]float64, len(s.usual)))
	}
	clear(*came)
	m := &floatModel{floatShape: s, exponents: places{usual: s.usual, came: *came, part: 0.25}}
	if s.mantissa+s.exponent > 15 {
		m.heads, m.tails = newSeen(most), newSeen(most)
		m.low = newMantissas(s.mantissa + s.exponent - 15)
	}
	m.high = newMantissas(s.mantissa - m.low.bits)
	return m
}

func (m *floatModel) free() {
	m.came.Put(&m.exponents.came)
	if m.heads != nil {
		m.heads.free()
		m.tails.free()
	}
}

func (m *floatModel) price(value uint64, to *price) {
	exponent := value >> m.mantissa & (1<<m.exponent - 1)
	switch {
	case value<<(63-m.exponent-m.mantissa)<<1 == 0:
		to.times(zeroFloat)
		m.signs.price(value>>(m.mantissa+m.exponent), to)
		return
	case exponent == 1<<m.exponent-1:
		to.times(nonFiniteFloat)
	case exponent == 0 && m.heads != nil:
		to.times(subnormalFloat) // in 16 bits they are of use
	default:
		to.times(normalFloat)
	}
	if head := value >> m.low.bits; m.heads == nil || !m.heads.price(head, to) {
		m.signs.price(value>>(m.mantissa+m.exponent), to)
		m.exponents.price(int(exponent), to)
		m.high.price(head&(1<<m.high.bits-1), to)
	}
	// A number and its double have the same one, and so has a number with another sign.
	if tail := value & (1<<m.low.bits - 1); m.heads != nil && !m.tails.price(tail, to) {
		m.low.price(tail, to)
	}
}

// integerModel prices signed integers.
type integerModel struct {
	signs
	bits    int
	lengths places
}

func newIntegerModel(bits int) *integerModel {
	m := &integerModel{bits: bits, lengths: places{usual: make([]float64, bits+1), came: make([]float64, bits+1)}}
	for i := range m.lengths.usual {
		m.lengths.usual[i] = 1 / float64(bits+1)
	}
	return m
}

func (m *integerModel) price(value uint64, to *price) {
	signed := int64(value<<(64-m.bits)) >> (64 - m.bits)
	magnitude, negative := uint64(signed), uint64(0)
	if signed < 0 {
		magnitude, negative = -magnitude, 1
	}
	m.signs.price(negative, to)
	length := bits.Len64(magnitude)
	m.lengths.price(length, to)
	to.bits += float64(max(0, length-1))
}

// byteBits is what bytes cost, each by the share of its like among those that came.
func byteBits(p []byte, limit float64, kept *pace) float64 {
	var counts [256]float64
	var total price
	total.product = 1
	const start = 0.5
	for i, c := range p {
		if i > 0 && i%paceBytes == 0 && (total.bits > limit || kept != nil && kept.behind(i, total.sum())) {
			return math.Inf(1)
		}
		total.times((counts[c] + start) / (float64(i) + 256*start))
		counts[c]++
	}
	return total.sum()
}

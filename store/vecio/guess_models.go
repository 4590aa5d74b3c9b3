package vecio

import (
	"math"
	"math/bits"
	"sync"
)

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

package vecio

import (
	"encoding/binary"
	"math"
	"sync"
)

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

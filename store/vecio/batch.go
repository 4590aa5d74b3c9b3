package vecio

import (
	"encoding/binary"
	"math"
)

// batchBytes is how much a decoder that has to build its rows gathers before it
// calls the sink. It holds for a whole batch; one row may be longer.
const batchBytes = 256 << 10

// batch gathers rows, so that the sink is called once for many of them. The row
// in the making stands behind the whole ones.
type batch struct {
	sink      Sink
	dimension int // 0 until the first row
	rows      []byte
	whole     int      // bytes of rows that belong to whole rows
	ids       []uint64 // one for each whole row, or empty
	count     int64    // rows completed since the stream began
	failed    error    // what ended the stream
}

// push lets decode take the next bytes and hands on the whole rows that it found.
func (b *batch) push(p []byte, decode func([]byte) error) (int, error) {
	if b.failed == nil {
		b.failed = decode(p)
	}
	if b.failed == nil {
		b.failed = b.handOn()
	}
	if b.failed != nil {
		return 0, b.failed
	}
	return len(p), nil
}

// knownDimension asks the sink as long as nothing is known: another stream of
// the same store may fix the dimension first.
func (b *batch) knownDimension() int {
	if b.dimension == 0 {
		b.dimension = b.sink.Dimension()
	}
	return b.dimension
}

// fixDimension makes dimension the sink's if it has none yet, and reports
// whether dimension is the sink's.
func (b *batch) fixDimension(dimension int) (bool, error) {
	if b.knownDimension() == 0 {
		if err := b.sink.SetDimension(dimension); err != nil {
			return false, err
		}
		b.dimension = dimension
	}
	return b.dimension == dimension, nil
}

// addFloat appends one value to the row in the making.
func (b *batch) addFloat(value float32) {
	b.rows = binary.LittleEndian.AppendUint32(b.rows, math.Float32bits(value))
}

// values is the number of values in the row in the making.
func (b *batch) values() int { return (len(b.rows) - b.whole) / 4 }

// endRow makes the row in the making a whole one. Rows with ids and rows
// without never share a call of the sink.
func (b *batch) endRow(id uint64, hasID bool) error {
	if b.whole > 0 && hasID != (len(b.ids) > 0) {
		if err := b.handOn(); err != nil {
			return err
		}
	}
	b.whole = len(b.rows)
	b.count++
	if hasID {
		b.ids = append(b.ids, id)
	}
	if b.whole >= batchBytes {
		return b.handOn()
	}
	return nil
}

// handOn gives the whole rows to the sink and keeps the one in the making.
func (b *batch) handOn() error {
	if b.whole == 0 {
		return nil
	}
	ids := b.ids
	if len(ids) == 0 {
		ids = nil
	}
	if err := b.sink.Rows(ids, b.rows[:b.whole]); err != nil {
		return err
	}
	b.rows = b.rows[:copy(b.rows, b.rows[b.whole:])]
	b.whole = 0
	b.ids = b.ids[:0]
	return nil
}

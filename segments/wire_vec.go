package segments

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// wireDataType is how the elements of a wire block are stored.
type wireDataType uint8

const (
	wireF32 wireDataType = iota
	wireF16
	wireBF16
	wireI8
	wireU8
)

// size returns the bytes of one element, or 0 for types that have no plain
// conversion to float32: packed, quantized and custom ones.
func (t wireDataType) size() int {
	switch t {
	case wireF32:
		return 4
	case wireF16, wireBF16:
		return 2
	case wireI8, wireU8:
		return 1
	}
	return 0
}

// float32At converts the first element in b.
func (t wireDataType) float32At(b []byte) float32 {
	switch t {
	case wireF32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case wireF16:
		return float16(binary.LittleEndian.Uint16(b))
	case wireBF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	case wireI8:
		return float32(int8(b[0]))
	default:
		return float32(b[0])
	}
}

// float16 converts an IEEE 754 half.
func float16(half uint16) float32 {
	sign := uint32(half>>15) << 31
	exponent := uint32(half>>10) & 0x1F
	fraction := uint32(half) & 0x3FF
	switch exponent {
	case 0:
		// Zero or a subnormal: fraction × 2^-24, which a float32 holds exactly.
		value := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(value) | sign)
	case 0x1F:
		return math.Float32frombits(sign | 0xFF<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

const (
	wireBlockCountSize = 4
	wireBlockEntrySize = 12
	wireIDHeaderSize   = 7 // u8 encoding, u16 restart interval, u32 count
	wireBlockCRCSize   = 4

	wireIDsRaw   = 0
	wireIDsDelta = 1
)

// wireBlock is one block of a vector segment in the wire dialect: the columns
// and then the ids of its vectors.
type wireBlock struct {
	start    int64 // in the file
	end      int64 // at most here: the next block or the end of the payload
	firstRow int
	count    int
	dataType wireDataType

	idEncoding      uint8
	restartInterval int
}

// columnsSize returns the bytes that the columns take.
func (b *wireBlock) columnsSize(dimension int) int64 {
	return int64(b.count) * int64(dimension) * int64(b.dataType.size())
}

// openWireVec reads the block directory and the head of each block's ids.
func openWireVec(r io.ReaderAt, s Segment) (*VecReader, error) {
	if s.Compression != CompressionNone {
		return nil, fmt.Errorf("%w: compressed vector segment", ErrPayload)
	}
	if s.PayloadLength < wireBlockCountSize || s.PayloadLength > math.MaxInt64-uint64(s.PayloadOffset()) {
		return nil, fmt.Errorf("%w: vector segment of %d bytes", ErrPayload, s.PayloadLength)
	}
	directory := io.NewSectionReader(r, s.PayloadOffset(), int64(s.PayloadLength))
	var b [wireBlockEntrySize]byte
	if err := readFull(directory, b[:wireBlockCountSize], 0); err != nil {
		return nil, fmt.Errorf("vector segment at %d: %w", s.Offset, err)
	}
	blocks := uint64(binary.LittleEndian.Uint32(b[:]))
	if blocks > (s.PayloadLength-wireBlockCountSize)/wireBlockEntrySize {
		return nil, fmt.Errorf("%w: %d blocks in %d bytes", ErrPayload, blocks, s.PayloadLength)
	}
	v := &wireRows{r: r, ids: &lastID{}}
	buffered := newWindow(directory, wireBlockCountSize, wireBlockCountSize+int64(blocks)*wireBlockEntrySize)
	floor := buffered.end
	for range blocks {
		entry, err := buffered.next(wireBlockEntrySize)
		if err != nil {
			return nil, fmt.Errorf("vector segment at %d: %w", s.Offset, err)
		}
		if floor, err = v.addBlock(entry, floor, s); err != nil {
			return nil, err
		}
	}
	if err := v.readIDHeaders(s.End()); err != nil {
		return nil, err
	}
	count := 0
	if n := len(v.blocks); n > 0 {
		count = v.blocks[n-1].firstRow + v.blocks[n-1].count
	}
	return &VecReader{dimension: v.dimension, count: count, rows: v}, nil
}

// addBlock adds the block of a directory entry. Blocks must stand in order
// and not overlap, from floor on, so that the directory cannot name more rows
// than there are bytes; the new floor is returned.
func (v *wireRows) addBlock(entry []byte, floor int64, s Segment) (int64, error) {
	offset := int64(binary.LittleEndian.Uint32(entry))
	count := binary.LittleEndian.Uint32(entry[4:])
	dimension := int(binary.LittleEndian.Uint16(entry[8:]))
	block := wireBlock{
		start:    s.PayloadOffset() + offset,
		count:    int(count),
		dataType: wireDataType(entry[10]),
	}
	if count == 0 {
		return floor, nil
	}
	if block.dataType.size() == 0 {
		return 0, fmt.Errorf("%w: %d", ErrVecType, entry[10])
	}
	if len(v.blocks) == 0 {
		v.dimension = dimension
	} else {
		last := &v.blocks[len(v.blocks)-1]
		block.firstRow = last.firstRow + last.count
	}
	if dimension != v.dimension {
		return 0, fmt.Errorf("%w: blocks of dimension %d and %d", ErrPayload, v.dimension, dimension)
	}
	// Every id takes at least one byte.
	least := block.columnsSize(dimension) + wireIDHeaderSize + int64(count) + wireBlockCRCSize
	if offset < floor || least > int64(s.PayloadLength)-offset {
		return 0, fmt.Errorf("%w: block of %d vectors at %d in %d bytes", ErrPayload, count, offset, s.PayloadLength)
	}
	v.blocks = append(v.blocks, block)
	return offset + least, nil
}

// readIDHeaders fills in how each block's ids are stored and where the block
// ends at the latest.
func (v *wireRows) readIDHeaders(end int64) error {
	for i := len(v.blocks) - 1; i >= 0; i-- {
		block := &v.blocks[i]
		block.end, end = end, block.start
		var b [wireIDHeaderSize]byte
		if err := readFull(v.r, b[:], block.start+block.columnsSize(v.dimension)); err != nil {
			return fmt.Errorf("vector block at %d: %w", block.start, err)
		}
		block.idEncoding = b[0]
		block.restartInterval = int(binary.LittleEndian.Uint16(b[1:]))
		if ids := binary.LittleEndian.Uint32(b[3:]); int64(ids) != int64(block.count) {
			return fmt.Errorf("%w: %d ids for %d vectors", ErrPayload, ids, block.count)
		}
		room := block.end - block.idsStart(v.dimension) - wireBlockCRCSize
		switch block.idEncoding {
		case wireIDsRaw:
			if int64(block.count)*idSize > room {
				return fmt.Errorf("%w: %d ids in %d bytes", ErrPayload, block.count, room)
			}
		case wireIDsDelta:
		default:
			return fmt.Errorf("%w: id encoding %d", ErrPayload, block.idEncoding)
		}
	}
	return nil
}

// idsStart returns where in the file the ids begin.
func (b *wireBlock) idsStart(dimension int) int64 {
	return b.start + b.columnsSize(dimension) + wireIDHeaderSize
}

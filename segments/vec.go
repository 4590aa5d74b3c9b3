package segments

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

const (
	// VecPrefixSize is the length of what stands before the rows of a vector
	// segment in the runtime dialect: u16 dimension and u32 count.
	VecPrefixSize = 6
	idSize        = 8
	elementSize   = 4 // of a float32
)

// RowSize returns the bytes of one row in the runtime dialect: a u64 id and
// dimension float32 values.
func RowSize(dimension int) int { return idSize + elementSize*dimension }

// EncodeVecPrefix returns the bytes before the first row.
func EncodeVecPrefix(dimension uint16, count uint32) [VecPrefixSize]byte {
	var b [VecPrefixSize]byte
	binary.LittleEndian.PutUint16(b[0:], dimension)
	binary.LittleEndian.PutUint32(b[2:], count)
	return b
}

// ParseVecPrefix reads the first VecPrefixSize bytes of a payload. Whether
// the rows are really there is for the caller to check. The error wraps
// ErrPayload.
func ParseVecPrefix(b []byte) (dimension uint16, count uint32, err error) {
	if len(b) < VecPrefixSize {
		return 0, 0, fmt.Errorf("%w: vector segment of %d bytes", ErrPayload, len(b))
	}
	return binary.LittleEndian.Uint16(b[0:]), binary.LittleEndian.Uint32(b[2:]), nil
}

// VecReader reads the rows of one vector segment. It is safe for concurrent
// use if its io.ReaderAt is.
type VecReader struct {
	dimension int
	count     int
	rows      rowSource
}

// rowSource is a vector segment in either dialect.
type rowSource interface {
	// read fills ids and rows, each if it is not nil, with n rows from first
	// on; the range has been checked.
	read(first, n int, ids []uint64, rows []byte) error
	// through is the same rows, read by way of r.
	through(r io.ReaderAt) rowSource
}

// OpenVec reads what stands before the vectors of segment s and checks it
// against the payload's length. In the runtime dialect a count larger than
// the payload hides all its rows and is ErrVecCount; compression is ignored
// there, as the reference runtime does. In the wire dialect element types
// without a plain conversion to float32 are ErrVecType. Other errors wrap
// ErrPayload or are I/O errors.
func OpenVec(r io.ReaderAt, s Segment, d Dialect) (*VecReader, error) {
	if d == DialectWire {
		return openWireVec(r, s)
	}
	var prefix [VecPrefixSize]byte
	if s.PayloadLength < VecPrefixSize {
		return nil, fmt.Errorf("%w: vector segment of %d bytes", ErrPayload, s.PayloadLength)
	}
	if err := readFull(r, prefix[:], s.PayloadOffset()); err != nil {
		return nil, fmt.Errorf("vector segment at %d: %w", s.Offset, err)
	}
	dimension, count, err := ParseVecPrefix(prefix[:])
	if err != nil {
		return nil, err
	}
	// 2^32 rows of at most 262,148 bytes do not overflow.
	need := uint64(count) * uint64(RowSize(int(dimension)))
	if need > s.PayloadLength-VecPrefixSize {
		return nil, fmt.Errorf("%w: %d rows of dimension %d in %d bytes", ErrVecCount, count, dimension, s.PayloadLength)
	}
	return &VecReader{
		dimension: int(dimension),
		count:     int(count),
		rows:      &runtimeRows{r: r, start: s.PayloadOffset() + VecPrefixSize, dimension: int(dimension)},
	}, nil
}

// Through is the same rows, read by way of r, for who has to read them otherwise than
// they were opened.
func (v *VecReader) Through(r io.ReaderAt) *VecReader {
	other := *v
	other.rows = v.rows.through(r)
	return &other
}

// Dimension returns the number of elements of each vector.
func (v *VecReader) Dimension() int { return v.dimension }

// Count returns the number of rows.
func (v *VecReader) Count() int { return v.count }

// ReadRows reads the ids and vectors of consecutive rows, beginning with row
// number first: len(ids) rows, or as many as fill rows if ids is nil. In rows
// each vector takes 4 × Dimension bytes, little-endian float32; rows may be
// nil. The error wraps ErrVecRange if the rows are not all there or the two
// lengths disagree, ErrPayload, or an I/O error.
func (v *VecReader) ReadRows(first int, ids []uint64, rows []byte) error {
	n := len(ids)
	vectorSize := elementSize * v.dimension
	if rows != nil {
		if ids == nil && vectorSize > 0 {
			n = len(rows) / vectorSize
		}
		if len(rows) != n*vectorSize {
			return fmt.Errorf("%w: %d bytes for %d vectors of dimension %d", ErrVecRange, len(rows), n, v.dimension)
		}
	}
	if first < 0 || first > v.count || n > v.count-first {
		return fmt.Errorf("%w: %d from %d of %d", ErrVecRange, n, first, v.count)
	}
	if n == 0 {
		return nil
	}
	return v.rows.read(first, n, ids, rows)
}

// ReadStored fills p with consecutive rows from row number first on, each its id
// and its vector as the runtime dialect stores them: RowSize(Dimension()) bytes,
// of which p holds a multiple. Errors are those of ReadRows.
func (v *VecReader) ReadStored(first int, p []byte) error {
	rowSize := RowSize(v.dimension)
	n := len(p) / rowSize
	if len(p) != n*rowSize || first < 0 || first > v.count || n > v.count-first {
		return fmt.Errorf("%w: %d bytes of rows from %d of %d", ErrVecRange, len(p), first, v.count)
	}
	if stored, same := v.rows.(*runtimeRows); same {
		if err := readFull(stored.r, p, stored.start+int64(first)*int64(rowSize)); err != nil {
			return fmt.Errorf("vector rows: %w", err)
		}
		return nil
	}
	ids, rows := make([]uint64, n), make([]byte, n*(rowSize-idSize))
	if err := v.ReadRows(first, ids, rows); err != nil {
		return err
	}
	for i, id := range ids {
		row := p[i*rowSize : (i+1)*rowSize]
		binary.LittleEndian.PutUint64(row, id)
		copy(row[idSize:], rows[i*len(row[idSize:]):])
	}
	return nil
}

// ReadIDs is ReadRows for the ids alone.
func (v *VecReader) ReadIDs(first int, ids []uint64) error { return v.ReadRows(first, ids, nil) }

// readBuffer is how much of a vector segment is read at once. It holds at
// least one element, id or column entry, and nearly always many rows.
const readBuffer = 256 << 10

var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// runtimeRows are the rows of the runtime dialect, one after the other.
type runtimeRows struct {
	r         io.ReaderAt
	start     int64 // of row 0
	dimension int
}

func (v *runtimeRows) through(r io.ReaderAt) rowSource {
	other := *v
	other.r = r
	return &other
}

func (v *runtimeRows) read(first, n int, ids []uint64, rows []byte) error {
	rowSize := RowSize(v.dimension)
	vectorSize := rowSize - idSize
	if rows == nil && rowSize >= sparseRow {
		return v.readSparseIDs(first, ids)
	}
	shared := readBuffers.Get().(*[readBuffer]byte)
	defer readBuffers.Put(shared)
	buffer := shared[:]
	if rowSize > len(buffer) {
		// Only the very largest dimensions do not fit.
		buffer = make([]byte, rowSize)
	}
	for perRead := len(buffer) / rowSize; n > 0; {
		k := min(n, perRead)
		chunk := buffer[:k*rowSize]
		if err := readFull(v.r, chunk, v.start+int64(first)*int64(rowSize)); err != nil {
			return fmt.Errorf("vector rows: %w", err)
		}
		if ids != nil {
			for i := range k {
				ids[i] = binary.LittleEndian.Uint64(chunk[i*rowSize:])
			}
			ids = ids[k:]
		}
		if rows != nil {
			for i := range k {
				copy(rows[i*vectorSize:(i+1)*vectorSize], chunk[i*rowSize+idSize:])
			}
			rows = rows[k*vectorSize:]
		}
		first, n = first+k, n-k
	}
	return nil
}

// sparseRow is the length of a row, in bytes, from which on an id is read alone
// rather than together with its vector.
const sparseRow = 8192

// readSparseIDs reads the ids of consecutive rows one by one.
func (v *runtimeRows) readSparseIDs(first int, ids []uint64) error {
	for i := range ids {
		var id [idSize]byte
		if err := readFull(v.r, id[:], v.start+int64(first+i)*int64(RowSize(v.dimension))); err != nil {
			return fmt.Errorf("vector ids: %w", err)
		}
		ids[i] = binary.LittleEndian.Uint64(id[:])
	}
	return nil
}

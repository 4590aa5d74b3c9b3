package segments

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sort"
	"sync"
)

// wireRows are the rows of a vector segment in the wire dialect.
type wireRows struct {
	r         io.ReaderAt
	dimension int
	blocks    []wireBlock
	ids       *lastID
}

// lastID is where the last decoding of ids ended.
type lastID struct {
	mutex  sync.Mutex
	cursor idCursor
}

func (v *wireRows) through(r io.ReaderAt) rowSource {
	other := *v
	other.r = r
	return &other
}

func (v *wireRows) read(first, n int, ids []uint64, rows []byte) error {
	at := sort.Search(len(v.blocks), func(i int) bool {
		return v.blocks[i].firstRow+v.blocks[i].count > first
	})
	vectorSize := elementSize * v.dimension
	for ; n > 0; at++ {
		block := &v.blocks[at]
		k := min(n, block.firstRow+block.count-first)
		if ids != nil {
			if err := v.readIDs(at, first-block.firstRow, ids[:k]); err != nil {
				return fmt.Errorf("vector block at %d: %w", block.start, err)
			}
			ids = ids[k:]
		}
		if rows != nil {
			if err := v.readColumns(block, first-block.firstRow, k, rows[:k*vectorSize]); err != nil {
				return fmt.Errorf("vector block at %d: %w", block.start, err)
			}
			rows = rows[k*vectorSize:]
		}
		first, n = first+k, n-k
	}
	return nil
}

// sparseColumn is how many bytes of a column are read along rather than
// passed over.
const sparseColumn = 4096

// readColumns gathers k vectors of a block, from its row first on.
func (v *wireRows) readColumns(block *wireBlock, first, k int, rows []byte) error {
	size := block.dataType.size()
	vectorSize := elementSize * v.dimension
	window := newWindow(v.r, block.start, block.idsStart(v.dimension))
	if wanted, stride := k*size, block.count*size; stride > sparseColumn && stride/4 > wanted {
		// Most of each column is not wanted: read only what is.
		window.chunk = min(windowSize, int64(wanted))
	}
	for column := range v.dimension {
		window.seek(block.start + (int64(column)*int64(block.count)+int64(first))*int64(size))
		for row := range k {
			b, err := window.next(size)
			if err != nil {
				return err
			}
			value := block.dataType.float32At(b)
			binary.LittleEndian.PutUint32(rows[row*vectorSize+column*elementSize:], math.Float32bits(value))
		}
	}
	return nil
}

// idCursor stands between two delta-encoded ids.
type idCursor struct {
	valid    bool
	block    int
	row      int    // of the next id, in its block
	offset   int64  // of the next id, in the file
	previous uint64 // the id before
}

// readIDs reads ids of block number at, from its row first on.
func (v *wireRows) readIDs(at, first int, ids []uint64) error {
	block := &v.blocks[at]
	start := block.idsStart(v.dimension)
	if block.idEncoding == wireIDsRaw {
		window := newWindow(v.r, start+int64(first)*idSize, start+int64(block.count)*idSize)
		for i := range ids {
			b, err := window.next(idSize)
			if err != nil {
				return err
			}
			ids[i] = binary.LittleEndian.Uint64(b)
		}
		return nil
	}
	// Where a delta-encoded id stands is known only from those before it.
	// Readers go through a segment in order, so going on from the last
	// place spares them the way from the block's beginning each time.
	v.ids.mutex.Lock()
	cursor := v.ids.cursor
	v.ids.mutex.Unlock()
	if !cursor.valid || cursor.block != at || cursor.row > first {
		cursor = idCursor{valid: true, block: at, offset: start}
	}
	window := newWindow(v.r, cursor.offset, block.end-wireBlockCRCSize)
	for cursor.row < first+len(ids) {
		id, err := block.nextID(&cursor, window)
		if err != nil {
			return err
		}
		if i := cursor.row - 1 - first; i >= 0 {
			ids[i] = id
		}
	}
	v.ids.mutex.Lock()
	v.ids.cursor = cursor
	v.ids.mutex.Unlock()
	return nil
}

// nextID decodes the id at the cursor, where the window stands too.
func (b *wireBlock) nextID(cursor *idCursor, window *window) (uint64, error) {
	value, length, err := window.uvarint()
	if err != nil {
		return 0, err
	}
	absolute := cursor.row == 0 || (b.restartInterval > 0 && cursor.row%b.restartInterval == 0)
	if !absolute {
		if value > math.MaxUint64-cursor.previous {
			return 0, fmt.Errorf("%w: id %d of a block overflows", ErrPayload, cursor.row)
		}
		value += cursor.previous
	}
	cursor.row++
	cursor.offset += int64(length)
	cursor.previous = value
	return value, nil
}

package ingest

import (
	"context"
	"encoding/binary"

	"rvffs/store/idset"
	"rvffs/store/log"
)

// block is a run of encoded rows.
type block struct {
	bytes      []byte
	rows       uint32
	ids        *idset.Set
	given      *idset.Set      // of the ids, those that were handed out
	unnumbered []rowRun        // rows that get their ids when the block is written
	marker     context.Context // no rows: what came before is to be committed; nil with rows
	received   int64           // with marker: bytes of the stream so far
}

// rowRun is a run of rows in a block.
type rowRun struct{ from, count uint32 }

// firstBlockBytes is the size of the first block, for vectors of width bytes.
func firstBlockBytes(width int) int { return max(firstBlockSize, width+8) }

// blockMemory is what a block takes in memory at most, with its ids.
func blockMemory(bytes, width int) int64 { return int64(bytes + bytes/(width+8)*8) }

// appendRows encodes vectors as a VEC payload holds them.
func appendRows(encoded []byte, ids []uint64, rows []byte, width int) []byte {
	for i, id := range ids {
		encoded = binary.LittleEndian.AppendUint64(encoded, id)
		encoded = append(encoded, rows[i*width:(i+1)*width]...)
	}
	return encoded
}

// numberRows gives the rows that brought no ids the next free ones.
func (b *block) numberRows(v *Vectors, s *log.Session) error {
	size := len(b.bytes) / max(1, int(b.rows))
	for _, run := range b.unnumbered {
		first, err := v.takeIDs(s, int(run.count))
		if err != nil {
			return err
		}
		for i := range run.count {
			binary.LittleEndian.PutUint64(b.bytes[int(run.from+i)*size:], first+uint64(i))
		}
		b.ids.AddRun(first, uint64(run.count))
		b.given.AddRun(first, uint64(run.count))
	}
	b.unnumbered = b.unnumbered[:0]
	return nil
}

func newBlock(bytes int) *block {
	return &block{bytes: make([]byte, 0, bytes), ids: idset.New(), given: idset.New()}
}

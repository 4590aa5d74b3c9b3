package rows

import (
	"encoding/binary"
	"fmt"
	"sync"

	"rvffs/segments"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

const (
	// gatherBuffer is how many bytes of a store file one pread takes at most. Every
	// row fits.
	gatherBuffer = 512 << 10
	// gatherGap is the number of bytes between two rows that are wanted up to which
	// one pread takes both and what lies between.
	gatherGap = 4 << 10
)

var gatherBuffers = sync.Pool{New: func() any { return new([gatherBuffer]byte) }}

// readPart fills p with the bytes of one row from the offset from on. In the
// runtime dialect only what these are made of is read.
func (f *vectorFile) readPart(in Readings, layout *vecio.Layout, p []byte, from int, segment *LiveSegment, row uint64, buffer []byte) error {
	wantsID, first, last := layout.Part(from, from+len(p))
	var id uint64
	var values []byte
	if in.Dialect(segment.Segment) != segments.DialectRuntime {
		ids, vector := []uint64{0}, buffer[:4*f.dimension]
		if err := f.convert(in, segment, row, ids, vector); err != nil {
			return err
		}
		id, values = ids[0], vector[4*first:4*last]
	} else if wantsID || first < last {
		begin, end := 8+4*first, 8+4*last
		if wantsID {
			begin, end = 0, max(8, end)
		}
		if err := f.readSpan(in, buffer[begin:end], segment, row, begin); err != nil {
			return err
		}
		id, values = binary.LittleEndian.Uint64(buffer), buffer[8+4*first:8+4*last]
	}
	layout.PutPart(p, from, id, values)
	return nil
}

// readSpan reads bytes of the file from the offset in a row on.
func (f *vectorFile) readSpan(in Readings, p []byte, segment *LiveSegment, row uint64, offset int) error {
	if segment.Damage != nil {
		return segment.Damage
	}
	place := segment.RowOffset(row, f.dimension) + int64(offset)
	if err := volume.ReadFull(in.Of(segment.Segment), p, place); err != nil {
		return fmt.Errorf("read vectors from row %d of the segment at offset %d: %w", row, segment.Entry.Offset, err)
	}
	return nil
}

// readWhole fills the front of p with whole rows, as many as one pread gives, and
// returns their number.
//
// The rows lie a little apart from each other in the file, so they are read
// together with what lies between and then put side by side. Dead rows are read
// along too where they are few.
func (f *vectorFile) readWhole(in Readings, layout *vecio.Layout, p []byte, buffer []byte, runs *liveRuns) (rows int, err error) {
	if in.Dialect(runs.segment.Segment) != segments.DialectRuntime {
		return f.convertWhole(in, layout, p, buffer, runs)
	}
	stride, wanted := segments.RowSize(f.dimension), len(p)/layout.RowSize()
	begin, end := wholeSpan(layout)
	start, segment := runs.row, runs.segment
	plan, next := *runs, start // next is the row behind the planned ones
	for rows < wanted && plan.length > 0 {
		skipped := int(plan.row - next)
		if skipped > 0 && skipped*stride+stride-(end-begin) > gatherGap {
			break
		}
		take := min(plan.length, uint64(wanted-rows))
		room := (len(buffer)-(end-begin))/stride + 1 - int(plan.row-start)
		if room <= 0 {
			break
		}
		take = min(take, uint64(room))
		if stride-(end-begin) > gatherGap {
			take = 1
		}
		rows, next = rows+int(take), plan.row+take
		plan.skip(take)
		if stride-(end-begin) > gatherGap {
			break
		}
	}
	chunk := buffer[:int(next-1-start)*stride+end-begin]
	if err := f.readSpan(in, chunk, segment, start, begin); err != nil {
		return 0, err
	}
	for left := rows; left > 0; {
		take := int(min(runs.length, uint64(left)))
		layout.PutRows(p[:take*layout.RowSize()], chunk[int(runs.row-start)*stride:], stride)
		p = p[take*layout.RowSize():]
		left -= take
		runs.skip(uint64(take))
	}
	return rows, nil
}

// wholeSpan is what a whole row of a layout is made of, as bytes of a row in the
// file.
func wholeSpan(layout *vecio.Layout) (begin, end int) {
	wantsID, _, last := layout.Part(0, layout.RowSize())
	begin, end = 8, 8+4*last
	if wantsID {
		begin = 0
	}
	return begin, end
}

// convertWhole is readWhole for the wire dialect, where a vector's components do
// not stand together.
func (f *vectorFile) convertWhole(in Readings, layout *vecio.Layout, p []byte, buffer []byte, runs *liveRuns) (rows int, err error) {
	vector, width := 4*f.dimension, layout.RowSize()
	rows = int(min(uint64(len(p)/width), runs.length, RowsPerRead, uint64(max(1, len(buffer)/vector))))
	ids, values := make([]uint64, rows), buffer[:rows*vector]
	if err := f.convert(in, runs.segment, runs.row, ids, values); err != nil {
		return 0, err
	}
	_, _, last := layout.Part(0, width)
	for i, id := range ids {
		layout.PutPart(p[i*width:(i+1)*width], 0, id, values[i*vector:i*vector+4*last])
	}
	runs.skip(uint64(rows))
	return rows, nil
}

// convert reads rows of a segment in the wire dialect.
func (f *vectorFile) convert(in Readings, segment *LiveSegment, row uint64, ids []uint64, values []byte) error {
	reader, err := f.open(in, segment)
	if err != nil {
		return err
	}
	if err := reader.ReadRows(int(row), ids, values); err != nil {
		return fmt.Errorf("read the vectors at offset %d: %w", segment.Entry.Offset, volume.AsCorrupt(err))
	}
	return nil
}

// open gives the reader of a segment, by which in reads it.
func (f *vectorFile) open(in Readings, segment *LiveSegment) (Reader, error) {
	reading := in.Of(segment.Segment)
	f.mu.Lock()
	reader, known := f.reader, f.opened == segment
	f.mu.Unlock()
	if known {
		return readThrough(reader, reading), nil
	}
	reader, err := Open(reading, segment.Entry)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened, f.reader = segment, reader
	return reader, nil
}

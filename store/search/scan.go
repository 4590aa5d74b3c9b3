package search

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/nearest"
	"rvffs/store/rows"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// scanBytes is how much a worker reads at a time. It still lies in the processor's
// second cache when it is looked at.
const scanBytes = 256 << 10

// maxTasks bounds the parts into which a store is cut for the workers, but for
// segments, of which each has a part of its own.
const maxTasks = 1 << 16

// passes bounds the searches that read at the same time in this process: one
// alone keeps all cores busy.
var passes = throttle.NewLanes(passesAtOnce)

const passesAtOnce = 2

// scan reads the rows of some sources with several workers.
type scan struct {
	sources rows.Sources
	in      rows.Readings
	live    *rows.Live
	readers []rows.Reader // for each segment; nil in the runtime dialect
	rowSize int           // bytes of a row in the runtime dialect
	tasks   []task
	perRead int // rows
	workers int
}

// task is a run of rows of one segment.
type task struct{ segment, first, count int }

// newScan prepares to read all vector segments. What cannot be read is an error: it
// might be nearest.
func newScan(s rows.Sources, in rows.Readings, live *rows.Live) (*scan, error) {
	c := &scan{sources: s, in: in, live: live, workers: runtime.GOMAXPROCS(0)}
	c.rowSize = segments.RowSize(s.Dimension())
	c.perRead = max(1, scanBytes/c.rowSize)
	total := 0
	for i := range live.Segments {
		segment := &live.Segments[i]
		if segment.Damage != nil {
			return nil, segment.Damage
		}
		total += int(segment.Rows)
		if in.Dialect(segment.Segment) == segments.DialectRuntime {
			continue // where its rows stand is known
		}
		reader, err := rows.Open(in.Of(segment.Segment), segment.Entry)
		if err != nil {
			return nil, err
		}
		if c.readers == nil {
			c.readers = make([]rows.Reader, len(live.Segments))
		}
		c.readers[i] = reader
	}
	perTask := c.perRead * max(1, (total/c.perRead+maxTasks-1)/maxTasks)
	for i := range live.Segments {
		if live.Segments[i].Live == 0 {
			continue
		}
		rows := int(live.Segments[i].Rows)
		for first := 0; first < rows; first += perTask {
			c.tasks = append(c.tasks, task{i, first, min(perTask, rows-first)})
		}
	}
	return c, nil
}

// each visits all rows, up to perRead at a time, of which the first is row number
// first of its segment. Visits of one worker follow each other, and what they are
// given is valid meanwhile. The first error ends all.
func (s *scan) each(ctx context.Context, visit func(worker int, segment *rows.LiveSegment, first int, block nearest.Block)) error {
	pass, err := passes.Enter(ctx)
	if err != nil {
		return err
	}
	defer pass.Leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for worker := range min(s.workers, len(s.tasks)) {
		workers.Go(func() {
			buffer := s.newBuffer(s.perRead)
			for {
				at := int(next.Add(1)) - 1
				if at >= len(s.tasks) {
					return
				}
				t := s.tasks[at]
				err := s.run(ctx, buffer, t, func(first int, block nearest.Block) {
					pass.GetOn()
					visit(worker, &s.live.Segments[t.segment], first, block)
				})
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// run visits the rows of one task.
func (s *scan) run(ctx context.Context, buffer *rowBuffer, t task, visit func(first int, block nearest.Block)) error {
	for end := t.first + t.count; t.first < end; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		count := min(s.perRead, end-t.first)
		block, err := s.read(ctx, buffer, t.segment, t.first, count)
		if err != nil {
			return fmt.Errorf("read the vectors at offset %d: %w", s.live.Segments[t.segment].Entry.Offset, volume.AsCorrupt(err))
		}
		visit(t.first, block)
		t.first += count
	}
	return nil
}

// rowBuffer is where a worker reads rows into.
type rowBuffer struct {
	ids  []uint64
	rows []byte
}

func (s *scan) newBuffer(rows int) *rowBuffer {
	return &rowBuffer{ids: make([]uint64, rows), rows: make([]byte, rows*s.rowSize)}
}

// read reads rows of a segment. Those of the runtime dialect stay as they stand in
// the file, ids and all.
func (s *scan) read(ctx context.Context, buffer *rowBuffer, segment, first, count int) (nearest.Block, error) {
	rowSize, width := s.rowSize, s.rowSize-8
	ids := buffer.ids[:count]
	place := s.live.Segments[segment].Segment
	reading := s.in.Of(place)
	if err := reading.Snapshot().Touch(ctx, place.Entry.Offset, segments.HeaderSize); err != nil {
		return nearest.Block{}, err
	}
	if s.readers != nil && s.readers[segment] != nil {
		rows := buffer.rows[:count*width]
		err := s.readers[segment].ReadRows(first, ids, rows)
		return nearest.Block{IDs: ids, Vectors: rows, Stride: width}, err
	}
	rows := buffer.rows[:count*rowSize]
	if err := volume.ReadFull(reading, rows, place.RowOffset(uint64(first), s.sources.Dimension())); err != nil {
		return nearest.Block{}, err
	}
	for i := range ids {
		ids[i] = binary.LittleEndian.Uint64(rows[i*rowSize:])
	}
	return nearest.Block{IDs: ids, Vectors: rows[8:], Stride: rowSize}, nil
}

package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/nearest"
)

// scanBytes is how much a worker reads at a time. It still lies in the processor's
// second cache when it is looked at.
const scanBytes = 256 << 10

// maxTasks bounds the parts into which a store is cut for the workers, but for
// segments, of which each has a part of its own.
const maxTasks = 1 << 16

// passes bounds the searches that read at the same time in this process: one
// alone keeps all cores busy.
var passes = make(chan struct{}, 2)

// scan reads all rows of a snapshot with several workers.
type scan struct {
	snapshot *Snapshot
	file     File
	entries  []segments.DirectoryEntry
	readers  []vectorReader // for each entry
	tasks    []task
	perRead  int // rows
	workers  int
	survey   *survey // filled in by the next pass over all tasks, if any
}

// task is a run of rows of one segment.
type task struct {
	number, segment int
	first, count    int
}

// newScan reads the heads of all vector segments.
func (s *Snapshot) newScan(file File) (*scan, error) {
	c := &scan{snapshot: s, file: file, entries: s.vectors(), workers: runtime.GOMAXPROCS(0)}
	rowSize := segments.RowSize(s.Dimension())
	c.perRead = max(1, scanBytes/rowSize)
	total := 0
	for _, entry := range c.entries {
		reader, err := openVectors(file, s, entry)
		if err != nil {
			return nil, err
		}
		c.readers = append(c.readers, reader)
		total += reader.Count()
	}
	perTask := c.perRead * max(1, (total/c.perRead+maxTasks-1)/maxTasks)
	for segment, reader := range c.readers {
		for first := 0; first < reader.Count(); first += perTask {
			c.tasks = append(c.tasks, task{len(c.tasks), segment, first, min(perTask, reader.Count()-first)})
		}
	}
	return c, nil
}

// each visits the rows of the tasks, up to perRead at a time, of which the first
// is row number first of its segment. Visits of one worker follow each other, and
// what they are given is valid meanwhile. The first error ends all.
func (s *scan) each(ctx context.Context, tasks []task, visit func(worker int, t task, first int, block nearest.Block) error) error {
	select {
	case passes <- struct{}{}:
		defer func() { <-passes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for worker := range min(s.workers, len(tasks)) {
		workers.Go(func() {
			buffer := s.newBuffer()
			for {
				at := int(next.Add(1)) - 1
				if at >= len(tasks) {
					return
				}
				if err := s.run(ctx, buffer, worker, tasks[at], visit); err != nil {
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
func (s *scan) run(ctx context.Context, buffer *rowBuffer, worker int, t task, visit func(int, task, int, nearest.Block) error) error {
	for end := t.first + t.count; t.first < end; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		count := min(s.perRead, end-t.first)
		block, err := s.read(buffer, t.segment, t.first, count)
		if err != nil {
			return fmt.Errorf("read the vectors at offset %d: %w", s.entries[t.segment].Offset, asCorrupt(err))
		}
		if s.survey != nil {
			if err := s.survey.add(t.number, block.IDs); err != nil {
				return err
			}
		}
		if err := visit(worker, t, t.first, block); err != nil {
			return err
		}
		t.first += count
	}
	return nil
}

// rowBuffer is where a worker reads rows into.
type rowBuffer struct {
	ids  []uint64
	rows []byte
}

func (s *scan) newBuffer() *rowBuffer {
	return &rowBuffer{ids: make([]uint64, s.perRead), rows: make([]byte, s.perRead*segments.RowSize(s.snapshot.Dimension()))}
}

// read reads rows of a segment. Those of the runtime dialect stay as they stand in
// the file, ids and all.
func (s *scan) read(buffer *rowBuffer, segment, first, count int) (nearest.Block, error) {
	rowSize := segments.RowSize(s.snapshot.Dimension())
	width := rowSize - 8
	ids := buffer.ids[:count]
	if s.snapshot.Dialect() != segments.DialectRuntime {
		rows := buffer.rows[:count*width]
		err := s.readers[segment].ReadRows(first, ids, rows)
		return nearest.Block{IDs: ids, Vectors: rows, Stride: width}, err
	}
	rows := buffer.rows[:count*rowSize]
	start := s.entries[segment].Offset + segments.HeaderSize + segments.VecPrefixSize
	if err := readFull(s.file, rows, start+int64(first)*int64(rowSize)); err != nil {
		return nearest.Block{}, err
	}
	for i := range ids {
		ids[i] = binary.LittleEndian.Uint64(rows[i*rowSize:])
	}
	return nearest.Block{IDs: ids, Vectors: rows[8:], Stride: rowSize}, nil
}

// idRange is the lowest and the highest id of some rows.
type idRange struct{ low, high uint64 }

// survey finds out on a pass which ids are where. Each task is one worker's, and so
// is its range.
type survey struct {
	ranges   []idRange
	seen     []bool
	tolerant bool // ids may come in any order
}

func newSurvey(tasks int) *survey {
	return &survey{ranges: make([]idRange, tasks), seen: make([]bool, tasks)}
}

// add takes the next ids of a task; errDisorder says that they do not rise.
func (s *survey) add(task int, ids []uint64) error {
	r := &s.ranges[task]
	for _, id := range ids {
		switch {
		case !s.seen[task]:
			*r, s.seen[task] = idRange{id, id}, true
		case id > r.high:
			r.high = id
		case !s.tolerant:
			return errDisorder
		default:
			r.low = min(r.low, id)
		}
	}
	return nil
}

// ordered tells, when every task's ids rise, that no id occurs in two tasks.
func (s *survey) ordered() bool {
	sorted := slices.SortedFunc(slices.Values(s.ranges), func(a, b idRange) int { return cmp.Compare(a.low, b.low) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].low <= sorted[i-1].high {
			return false
		}
	}
	return true
}

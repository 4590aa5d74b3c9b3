package store

import (
	"context"
	"fmt"
	"io"
	"sync"

	"rvffs/store/vecio"
)

// VectorFile shows the live vectors, in the order of Vectors, as a file of a format.
// Any part of it is computed when it is read. The first call on a snapshot finds
// out which rows are live, which mostly takes no time; ctx ends a longer search.
func (s *Snapshot) VectorFile(ctx context.Context, format vecio.FileFormat) (View, error) {
	live, err := s.liveRows(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the live vectors: %w", err)
	}
	return s.vectorView(live, 0, format.Layout(live.count, s.Dimension()), false)
}

// LiveVectors is the number of live vectors, found out as VectorFile does.
func (s *Snapshot) LiveVectors(ctx context.Context) (uint64, error) {
	live, err := s.liveRows(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the live vectors: %w", err)
	}
	return live.count, nil
}

// VectorByID shows the live vector with an id as the one row of a file. The error
// is ErrNotFound when there is none.
func (s *Snapshot) VectorByID(ctx context.Context, id uint64, format vecio.FileFormat) (View, error) {
	live, err := s.liveRows(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the live vectors: %w", err)
	}
	var row uint64
	err = s.with(ctx, func(file File) error {
		row, err = live.find(ctx, s, file, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.vectorView(live, row, format.Layout(1, s.Dimension()), true)
}

func (s *Snapshot) vectorView(live *liveRows, first uint64, layout *vecio.Layout, byID bool) (View, error) {
	size, fits := layout.Size()
	if !fits {
		return nil, fmt.Errorf("%w: %d vectors make a file too long", ErrTooLarge, live.count)
	}
	return &vectorView{snapshot: s, live: live, first: first, byID: byID, layout: layout, size: size}, nil
}

// vectorView is a file of consecutive live vectors, computed where it is read.
type vectorView struct {
	snapshot *Snapshot
	live     *liveRows
	first    uint64 // number of the live vector in the first row
	byID     bool   // which was found by its id
	layout   *vecio.Layout
	size     int64
}

func (v *vectorView) Size() int64      { return v.size }
func (v *vectorView) Allocated() int64 { return 0 }

func (v *vectorView) Open(context.Context) (Reader, error) {
	file, err := v.snapshot.source.acquire()
	if err != nil {
		return nil, err
	}
	return &vectorFile{view: v, file: v.snapshot.known(file)}, nil
}

// vectorFile is an open view. Reads go on side by side and share nothing but the
// segment that was opened last.
type vectorFile struct {
	view *vectorView
	file File

	mu     sync.Mutex
	opened *liveSegment // in the wire dialect
	reader vectorReader // of opened
}

func (f *vectorFile) Close() error { return f.view.snapshot.source.release() }

func (f *vectorFile) ReadAt(p []byte, offset int64) (int, error) {
	return f.ReadContext(context.Background(), p, offset)
}

func (f *vectorFile) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= f.view.size {
		return 0, io.EOF
	}
	wanted := p[:min(int64(len(p)), f.view.size-offset)]
	rest := wanted
	layout := f.view.layout
	if prefix := layout.Prefix(); offset < int64(len(prefix)) {
		n := copy(rest, prefix[offset:])
		rest, offset = rest[n:], offset+int64(n)
	}
	if len(rest) > 0 {
		f.view.snapshot.touchDeciding(f.view.live)
		offset -= int64(len(layout.Prefix()))
		size := int64(layout.RowSize())
		err := f.readRows(ctx, rest, uint64(offset/size), int(offset%size))
		if err == nil {
			err = f.view.snapshot.doubted(f.view.live)
		}
		if err != nil {
			return 0, err
		}
	}
	if len(wanted) < len(p) {
		return len(wanted), io.EOF
	}
	return len(wanted), nil
}

// readRows fills p with rows of the layout, beginning at the byte from of the row
// with the number n.
func (f *vectorFile) readRows(ctx context.Context, p []byte, n uint64, from int) error {
	index, row, err := f.view.live.locate(f.view.first + n)
	if err != nil {
		return err
	}
	buffer := gatherBuffers.Get().(*[gatherBuffer]byte)
	defer gatherBuffers.Put(buffer)
	runs := newLiveRuns(&f.view.live.segments[index], row)
	width := f.view.layout.RowSize()
	for len(p) > 0 {
		if runs.length == 0 {
			for index++; f.view.live.segments[index].live == 0; index++ {
			}
			runs = newLiveRuns(&f.view.live.segments[index], 0)
		}
		if unplaced := f.view.live.unplaced; unplaced != nil && index >= f.view.live.placed && !f.view.byID {
			return unplaced
		}
		if from == 0 && len(p) >= width {
			rows, err := f.readWhole(ctx, p, buffer[:], &runs)
			if err != nil {
				return err
			}
			p = p[rows*width:]
			continue
		}
		part := p[:min(width-from, len(p))]
		if err := f.readPart(ctx, part, from, runs.segment, runs.row, buffer[:]); err != nil {
			return err
		}
		runs.skip(1)
		p, from = p[len(part):], 0
	}
	return nil
}

// liveRuns goes through the live rows of one segment, run by run.
type liveRuns struct {
	segment *liveSegment
	row     uint64 // the first of the run that is left
	length  uint64 // 0 at the segment's end
	dead    runCursor
}

// newLiveRuns begins with the first live row from row on.
func newLiveRuns(segment *liveSegment, row uint64) liveRuns {
	r := liveRuns{segment: segment}
	if segment.dead.positions != nil {
		r.dead = startCursor(segment.dead.positions.blocks)
	}
	r.begin(row)
	return r
}

func (r *liveRuns) begin(row uint64) {
	r.dead.seek(row)
	if r.dead.any && r.dead.run.first <= row {
		row = r.dead.run.last + 1
		r.dead.next()
	}
	end := r.segment.rows
	if r.dead.any {
		end = r.dead.run.first
	}
	r.row, r.length = row, end-row
}

// skip leaves out the first rows of the run.
func (r *liveRuns) skip(rows uint64) {
	r.row, r.length = r.row+rows, r.length-rows
	if r.length == 0 && r.row < r.segment.rows {
		r.begin(r.row)
	}
}

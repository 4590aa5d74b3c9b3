package rows

import (
	"context"
	"fmt"
	"io"
	"sync"
	"weak"

	"rvffs/store/idset"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// File shows the live vectors, in the order of Vectors, as a file of a format.
// Any part of it is computed when it is read. The first call on a snapshot finds
// out which rows are live, which mostly takes no time; ctx ends a longer search.
func File(ctx context.Context, s Sources, format vecio.FileFormat) (state.View, error) {
	count, err := Count(ctx, s)
	if err != nil {
		return nil, err
	}
	return newVectorView(s, count, format, nil)
}

// Count is the number of live vectors, found out as File does.
func Count(ctx context.Context, s Sources) (uint64, error) {
	var count uint64
	err := With(ctx, s, func(live *Live) error {
		count = live.count
		return nil
	})
	return count, err
}

// Counts is Count that also tells how many of the live vectors are in the last of the
// sources: a branch's own.
func Counts(ctx context.Context, s Sources) (all, own uint64, err error) {
	err = With(ctx, s, func(live *Live) error {
		all = live.count
		for i := range live.Segments {
			if live.Segments[i].Source == len(s.snapshots)-1 {
				own += live.Segments[i].Live
			}
		}
		return nil
	})
	return all, own, err
}

// ByID shows the live vector with an id as the one row of a file. The error
// is ErrNotFound when there is none.
func ByID(ctx context.Context, s Sources, id uint64, format vecio.FileFormat) (state.View, error) {
	sought := &soughtVector{id: id}
	err := With(ctx, s, func(live *Live) error {
		_, err := sought.row(ctx, s, live)
		return err
	})
	if err != nil {
		return nil, err
	}
	return newVectorView(s, 1, format, sought)
}

// soughtVector is a vector that is found by its id.
type soughtVector struct {
	id uint64

	mu     sync.Mutex
	number uint64             // of the live vector
	among  weak.Pointer[Live] // these
}

// row finds the vector's number among the live rows of a snapshot. When they were found
// anew, after damage became known, it may have another.
func (v *soughtVector) row(ctx context.Context, s Sources, live *Live) (uint64, error) {
	v.mu.Lock()
	number, known := v.number, v.among.Value() == live
	v.mu.Unlock()
	if known {
		return number, nil
	}
	err := s.With(ctx, state.Giving, func(in Readings) (err error) {
		number, err = live.Find(ctx, in, v.id)
		return err
	})
	if err == nil {
		v.mu.Lock()
		v.number, v.among = number, weak.Make(live)
		v.mu.Unlock()
	}
	return number, err
}

func newVectorView(s Sources, count uint64, format vecio.FileFormat, sought *soughtVector) (state.View, error) {
	size, fits := vecio.SizeOf(format.Layouts(count, s.Dimension()))
	if !fits {
		return nil, fmt.Errorf("%w: %d vectors make a file too long", volume.ErrTooLarge, count)
	}
	return &vectorView{sources: s, count: count, sought: sought, format: format, size: size}, nil
}

// vectorView is a file of consecutive live vectors, computed where it is read.
type vectorView struct {
	sources Sources
	count   uint64        // of rows
	sought  *soughtVector // what is in the only row; nil: all live vectors
	format  vecio.FileFormat
	size    int64
}

func (v *vectorView) Size() int64 { return v.size }

func (v *vectorView) Open(ctx context.Context) (state.Reader, error) {
	live, done, err := Hold(ctx, v.sources)
	if err != nil {
		return nil, fmt.Errorf("find the live vectors: %w", err)
	}
	var first uint64
	if v.sought != nil {
		first, err = v.sought.row(ctx, v.sources, live)
	}
	var in Readings
	if err == nil {
		in, err = v.sources.Open(ctx, state.Giving)
	}
	if err != nil {
		done()
		return nil, err
	}
	return &vectorFile{
		view: v, in: in, live: live, done: done, first: first, layouts: v.format.Layouts(v.count, v.sources.Dimension()), dimension: v.sources.Dimension(),
	}, nil
}

// vectorFile is an open view. Reads go on side by side and share nothing but the
// segment that was opened last.
type vectorFile struct {
	view      *vectorView
	in        Readings
	live      *Live
	done      func()          // with live
	first     uint64          // number of the live vector in the first row
	layouts   []*vecio.Layout // of the parts, one behind the other
	dimension int

	mu     sync.Mutex
	opened *LiveSegment // in the wire dialect
	reader Reader       // of opened
}

func (f *vectorFile) Close() error {
	f.done()
	return f.in.Close()
}

// ReadContext implements state.Reader.
func (f *vectorFile) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= f.view.size {
		return 0, io.EOF
	}
	wanted := p[:min(int64(len(p)), f.view.size-offset)]
	rest := wanted
	for _, layout := range f.layouts {
		size, _ := layout.Size()
		if offset >= size {
			offset -= size
			continue
		}
		part := rest[:min(int64(len(rest)), size-offset)]
		if err := f.readLayout(ctx, layout, part, offset); err != nil {
			return 0, err
		}
		rest, offset = rest[len(part):], 0
		if len(rest) == 0 {
			break
		}
	}
	if len(wanted) < len(p) {
		return len(wanted), io.EOF
	}
	return len(wanted), nil
}

// readLayout fills p with a part of the file from the part's byte offset on.
func (f *vectorFile) readLayout(ctx context.Context, layout *vecio.Layout, p []byte, offset int64) error {
	if prefix := layout.Prefix(); offset < int64(len(prefix)) {
		n := copy(p, prefix[offset:])
		p, offset = p[n:], offset+int64(n)
	}
	if len(p) == 0 {
		return nil
	}
	touchDeciding(f.in, f.live)
	offset -= int64(len(layout.Prefix()))
	size := int64(layout.RowSize())
	if err := f.readRows(ctx, layout, p, uint64(offset/size), int(offset%size)); err != nil {
		return err
	}
	return checkDoubted(f.in, f.live)
}

// readRows fills p with rows of a layout, beginning at the byte from of the row
// with the number n.
func (f *vectorFile) readRows(ctx context.Context, layout *vecio.Layout, p []byte, n uint64, from int) error {
	index, row, err := f.live.Locate(f.first + n)
	if err != nil {
		return err
	}
	in := f.in.During(ctx)
	buffer := gatherBuffers.Get().(*[gatherBuffer]byte)
	defer gatherBuffers.Put(buffer)
	runs := newLiveRuns(&f.live.Segments[index], row)
	width := layout.RowSize()
	for len(p) > 0 {
		if runs.length == 0 {
			for index++; f.live.Segments[index].Live == 0; index++ {
			}
			runs = newLiveRuns(&f.live.Segments[index], 0)
		}
		if unplaced := f.live.unplaced; unplaced != nil && index >= f.live.placed && f.view.sought == nil {
			return unplaced
		}
		if from == 0 && len(p) >= width {
			rows, err := f.readWhole(in, layout, p, buffer[:], &runs)
			if err != nil {
				return err
			}
			p = p[rows*width:]
			continue
		}
		part := p[:min(width-from, len(p))]
		if err := f.readPart(in, layout, part, from, runs.segment, runs.row, buffer[:]); err != nil {
			return err
		}
		runs.skip(1)
		p, from = p[len(part):], 0
	}
	return nil
}

// liveRuns goes through the live rows of one segment, run by run.
type liveRuns struct {
	segment *LiveSegment
	row     uint64 // the first of the run that is left
	length  uint64 // 0 at the segment's end
	dead    idset.Cursor
}

// newLiveRuns begins with the first live row from row on.
func newLiveRuns(segment *LiveSegment, row uint64) liveRuns {
	r := liveRuns{segment: segment}
	if segment.dead.positions != nil {
		r.dead = segment.dead.positions.Cursor()
	}
	r.begin(row)
	return r
}

func (r *liveRuns) begin(row uint64) {
	r.dead.Seek(row)
	if r.dead.Any && r.dead.Run.First <= row {
		row = r.dead.Run.Last + 1
		r.dead.Next()
	}
	end := r.segment.Rows
	if r.dead.Any {
		end = r.dead.Run.First
	}
	r.row, r.length = row, end-row
}

// skip leaves out the first rows of the run.
func (r *liveRuns) skip(rows uint64) {
	r.row, r.length = r.row+rows, r.length-rows
	if r.length == 0 && r.row < r.segment.Rows {
		r.begin(r.row)
	}
}

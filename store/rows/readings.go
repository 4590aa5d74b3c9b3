package rows

import (
	"context"
	"errors"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Readings are the sources of rows, in their order, with their files held open.
type Readings []Source

// Source is one of the sources of rows, with its file held open.
type Source struct {
	*state.Reading
	members *Members // which ids of those before it are shown; nil: all
}

// Alone is one source, as Of is.
func Alone(reading *state.Reading) Readings { return Readings{{Reading: reading}} }

// Segment is a vector segment and where it stands.
type Segment struct {
	Source int // index of the one in whose file it is
	Entry  segments.DirectoryEntry
}

// RowOffset is where a row begins in the file, in the runtime dialect.
func (g Segment) RowOffset(row uint64, dimension int) int64 {
	return g.Entry.Offset + segments.HeaderSize + segments.VecPrefixSize + int64(row)*int64(segments.RowSize(dimension))
}

// Of is the source in whose file the segment is.
func (in Readings) Of(segment Segment) *state.Reading { return in[segment.Source].Reading }

// Dialect is that of the segment's file.
func (in Readings) Dialect(segment Segment) segments.Dialect {
	return in.Of(segment).Snapshot().Dialect()
}

// Dimension is the number of components of each vector, 0 while no vector has fixed it.
func (in Readings) Dimension() int {
	for _, reading := range in {
		if dimension := reading.Snapshot().Dimension(); dimension != 0 {
			return dimension
		}
	}
	return 0
}

// Segments lists all segments of vectors, those first whose rows count less.
func (in Readings) Segments() []Segment {
	var all []Segment
	for i, reading := range in {
		if reading.Snapshot().Dimension() != in.Dimension() {
			continue
		}
		entries := reading.Snapshot().Vectors()
		all = slices.Grow(all, len(entries))
		for _, entry := range entries {
			all = append(all, Segment{i, entry})
		}
	}
	return all
}

// For is the same for another use. It is open for as long as in.
func (in Readings) For(use state.Use) Readings {
	other := make(Readings, len(in))
	for i, reading := range in {
		other[i] = Source{reading.For(use), reading.members}
	}
	return other
}

// During is the same for reads that end with ctx. It is open for as long as in.
func (in Readings) During(ctx context.Context) Readings {
	other := make(Readings, len(in))
	for i, reading := range in {
		other[i] = Source{reading.During(ctx), reading.members}
	}
	return other
}

// Through is the same by way of other bytes, made of those of the files. It is open for as
// long as in.
func (in Readings) Through(other func(volume.Bytes) volume.Bytes) Readings {
	through := make(Readings, len(in))
	for i, reading := range in {
		through[i] = Source{reading.Through(other), reading.members}
	}
	return through
}

// Close gives the files back.
func (in Readings) Close() (err error) {
	for _, reading := range in {
		err = errors.Join(err, reading.Close())
	}
	return err
}

// nearby reads segments of which many may be small, for one goroutine.
type nearby []state.Nearby

func (in Readings) nearby() nearby {
	near := make(nearby, len(in))
	for i, reading := range in {
		near[i] = reading.Nearby()
	}
	return near
}

// of is the way to read a segment.
func (n nearby) of(segment Segment) *state.Reading { return n[segment.Source].Of(segment.Entry) }

// hides reports up to which source an id is hidden from those behind: deleted, or no
// member of what a branch shows; -1: in none.
func (in Readings) hides(id uint64) int {
	for i := len(in) - 1; i >= 0; i-- {
		switch {
		case in[i].Snapshot().Deleted().Contains(id):
			return i
		case in[i].members != nil && !in[i].members.Contains(id):
			return i - 1
		}
	}
	return -1
}

// isOwn reports whether a segment is of the last source, which inherits the others.
func (in Readings) isOwn(segment Segment) bool { return segment.Source == len(in)-1 }

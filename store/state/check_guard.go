package state

import (
	"context"

	"rvffs/segments"
)

// GuardedSegment is a segment of which something was made that is kept in memory: a
// decompressed image, a text. Who reads that reads the segment.
type GuardedSegment struct {
	snapshot *Snapshot
	entry    segments.DirectoryEntry
}

// Guarded is a segment of the snapshot of which something is kept.
func (s *Snapshot) Guarded(entry segments.DirectoryEntry) GuardedSegment {
	return GuardedSegment{s, entry}
}

// Intact makes sure that the segment is not damaged, whatever the mode.
func (g GuardedSegment) Intact(ctx context.Context) error { return g.snapshot.intact(ctx, g.entry) }

// Open is open for what was made of the segment.
func (g GuardedSegment) Open(ctx context.Context, open func() (Reader, error)) (Reader, error) {
	if err := g.snapshot.Touch(ctx, g.entry.Offset, segments.HeaderSize); err != nil {
		return nil, err
	}
	reader, err := open()
	if err != nil {
		return nil, err
	}
	return &guardedReader{reader, g}, nil
}

func (g GuardedSegment) refuse() error { return g.snapshot.refuse(g.entry.Offset, segments.HeaderSize) }

// guardedReader reads until the segment is known to be damaged.
type guardedReader struct {
	Reader
	segment GuardedSegment
}

// ReadContext implements Reader.
func (r *guardedReader) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	n, err := r.Reader.ReadContext(ctx, p, offset)
	if refused := r.segment.refuse(); refused != nil {
		return 0, refused
	}
	return n, err
}

// intact makes sure that a segment is not damaged, whatever the mode: what is made
// of its bytes gets a hash of its own, which would be that of the damage.
func (s *Snapshot) intact(ctx context.Context, entry segments.DirectoryEntry) error {
	if s.source.checker != nil {
		return s.Demand(ctx, entry)
	}
	return s.With(ctx, Judging, func(reading *Reading) error {
		segment, err := reading.ReadHeader(entry)
		if err != nil {
			return err
		}
		verdict, err := segments.VerifySegment(reading, segment)
		if err == nil && verdict == segments.HashMismatch {
			err = s.damageOf(entry)
		}
		return err
	})
}

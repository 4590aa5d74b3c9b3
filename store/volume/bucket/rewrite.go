package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Rewrite is the next generation of a store in the making, on this machine until it is
// published. What is not committed stands elsewhere and stays there.
type Rewrite struct {
	session   *Session
	spool     volume.Spool
	out       volume.Scratch // the same, at the pace that is asked for
	tail      int64
	published bool
	made      []extent // of the first bytes, which are in the bucket already
	madeTo    int64
	madeIn    string // the log that they are in
}

var _ volume.Rewrite = (*Rewrite)(nil)

// scratch is a spool as a rewrite's bytes. What was not written reads as zeros.
type scratch struct {
	volume.Spool
	rewrite *Rewrite
}

// WriteAt implements volume.Scratch. What is in the bucket already is other bytes then.
func (s scratch) WriteAt(p []byte, offset int64) (int, error) {
	s.rewrite.forget(offset)
	return s.Spool.WriteAt(p, offset)
}

// StartWriteback implements volume.Scratch.
func (scratch) StartWriteback(int64, int64) {}

// ReadAt implements volume.Scratch.
func (s scratch) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.Spool.ReadAt(p, offset)
	if n < len(p) && errors.Is(err, io.EOF) {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}

// Rewrite implements volume.Session.
func (s *Session) Rewrite(ctx context.Context, options volume.RewriteOptions) (volume.Rewrite, error) {
	if err := errors.Join(ctx.Err(), s.Failed()); err != nil {
		return nil, err
	}
	spool, err := s.log.volume.options.Spool()
	if err != nil {
		return nil, err
	}
	r := &Rewrite{session: s, spool: spool}
	r.out = options.Writes(scratch{spool, r})
	return r, nil
}

// Bytes implements volume.Rewrite.
func (r *Rewrite) Bytes() volume.Scratch { return r.out }

// Tail implements volume.Rewrite.
func (r *Rewrite) Tail() int64 { return r.tail }

// Advance implements volume.Rewrite.
func (r *Rewrite) Advance(to int64) { r.tail = to }

// Cut implements volume.Rewrite.
func (r *Rewrite) Cut(ctx context.Context, to int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.tail = to
	r.forget(to)
	return r.spool.SetLength(to)
}

// forget has what is in the bucket of the bytes from an offset on count for nothing.
func (r *Rewrite) forget(from int64) {
	for last := len(r.made) - 1; r.madeTo > from; last-- {
		r.madeTo -= r.made[last].Length
		r.made = r.made[:last]
	}
}

// Copy implements volume.Rewrite.
func (r *Rewrite) Copy(ctx context.Context, from io.ReaderAt, offset, length int64) (at int64, err error) {
	at = r.tail
	if err := volume.CopyRange(volume.WatchWriter(ctx, volume.NewOffsetWriter(r.out, at)), from, offset, length); err != nil {
		return 0, err
	}
	r.tail += length
	return at, nil
}

// Put implements volume.Rewrite.
func (r *Rewrite) Put(ctx context.Context, small volume.NewSegment, stamp uint64) (segments.Segment, error) {
	if err := ctx.Err(); err != nil {
		return segments.Segment{}, err
	}
	segment := small.Describe(r.tail, r.session.TakeIDs(1), stamp)
	encoded := segment.Encode()
	image := append(encoded[:], small.Payload...)
	if _, err := r.out.WriteAt(image, r.tail); err != nil {
		return segments.Segment{}, volume.WriteError(err, len(image), r.tail)
	}
	r.tail = segment.End()
	return segment, nil
}

// Settle implements volume.Rewrite: it puts what was made so far into extents, so that little is
// left to do while writers wait.
func (r *Rewrite) Settle(ctx context.Context) error {
	l := r.session.log
	if r.tail <= l.volume.options.Inline || r.tail-r.madeTo < l.volume.options.Part {
		return ctx.Err()
	}
	l.mu.Lock()
	newest := l.current
	l.mu.Unlock()
	return r.cut(r.tail, func(from, to int64) error {
		if to == r.tail && to-from < l.volume.options.Part {
			return nil // it will be with what comes behind it
		}
		_, err := r.extent(ctx, newest, from, to)
		return err
	})
}

// Lacks implements volume.Rewrite.
func (r *Rewrite) Lacks() int64 { return 0 }

// Carry implements volume.Rewrite.
func (r *Rewrite) Carry(ctx context.Context, _ int64) error { return ctx.Err() }

// MakeRoom implements volume.Rewrite.
func (r *Rewrite) MakeRoom(ctx context.Context, _, _ int64) error { return ctx.Err() }

// Freeze implements volume.Rewrite.
func (r *Rewrite) Freeze(context.Context) (lacking int64, err error) { return 0, r.session.Failed() }

// Thaw implements volume.Rewrite.
func (r *Rewrite) Thaw() {}

// Hurry implements volume.Rewrite.
func (r *Rewrite) Hurry() { r.out = scratch{r.spool, r} }

// Published implements volume.Rewrite.
func (r *Rewrite) Published() bool { return r.published }

// Abort implements volume.Rewrite.
func (r *Rewrite) Abort() error {
	if r.spool == nil {
		return nil
	}
	err := r.spool.Close()
	r.spool = nil
	return err
}

// Publish implements volume.Rewrite: what replaced it names the extents that are not needed
// any more, and they are there until nobody reads them.
func (r *Rewrite) Publish(ctx context.Context, found *segments.State) (*volume.Version, error) {
	s := r.session
	l := s.log
	v := l.volume
	if err := errors.Join(ctx.Err(), s.Failed()); err != nil {
		return nil, err
	}
	if found.End != r.tail {
		return nil, fmt.Errorf("%w: %d bytes were made, and the state ends at %d", volume.ErrInput, r.tail, found.End)
	}
	s.publishing.Store(true)
	defer s.publishing.Store(false)
	base := s.Base()
	if err := follows(found.Manifest, base); err != nil {
		return nil, err
	}
	_, version, err := l.swap(context.WithoutCancel(ctx), l.writer, func(ctx context.Context, newest *stored) (*stored, error) {
		if !shows(newest, base) {
			return nil, volume.ErrMoved
		}
		next := newest.next(v.options.Now())
		next.large = false
		now := v.options.Now().Unix()
		if !newest.copied() {
			for _, e := range newest.line.Extents {
				next.retire(e.Name, now)
			}
		} else {
			next.line = line{}
		}
		next.line.Extents, next.line.Base = nil, 0
		next.Generation++
		if err := r.lay(ctx, next, found); err != nil {
			return nil, err
		}
		s.leaveQueue(next)
		next.ends(found)
		return next, nil
	})
	if err != nil {
		return nil, s.lost(ctx, err)
	}
	r.published = true
	s.mu.Lock()
	s.own = version
	s.mu.Unlock()
	s.move(version)
	l.pinFormer()
	l.tidy()
	return version, r.Abort()
}

// largestRewritten bounds the extents that several segments of a rewrite share, in parts.
const largestRewritten = 8

// lay puts what was made into extents and what is inline.
func (r *Rewrite) lay(ctx context.Context, next *stored, found *segments.State) error {
	inline := int64(0)
	if found.End > r.session.log.volume.options.Inline {
		for _, made := range slices.Clone(r.made) {
			again, err := r.extent(ctx, next, inline, inline+made.Length)
			if err != nil {
				return err
			}
			next.append(again)
			inline += made.Length
		}
		// All but the manifest, which is read with the object.
		err := r.cut(found.Segment.Offset, func(from, to int64) error {
			made, err := r.extent(ctx, next, from, to)
			if err == nil {
				next.append(made)
			}
			inline = to
			return err
		})
		if err != nil {
			return err
		}
	}
	next.inline = make([]byte, found.End-inline)
	return volume.ReadFull(r.spool, next.inline, inline)
}

// cut cuts what is not in the bucket yet, up to an end, into runs of whole segments, as large as
// extents should be.
func (r *Rewrite) cut(to int64, run func(from, to int64) error) error {
	walker := segments.NewWalker(r.spool, r.madeTo, to)
	at, end := r.madeTo, r.madeTo
	for walker.Next() {
		s := walker.Segment()
		if s.End()-at > largestRewritten*r.session.log.volume.options.Part && at < end {
			if err := run(at, end); err != nil {
				return err
			}
			at = end
		}
		end = s.End()
	}
	if err := walker.Err(); err != nil || end != to {
		return errors.Join(err, fmt.Errorf("%w: what was made ends at %d of %d", volume.ErrCorrupt, end, to))
	}
	if at == end {
		return nil
	}
	return run(at, end)
}

// extent makes one of a run, once.
func (r *Rewrite) extent(ctx context.Context, next *stored, from, to int64) (extent, error) {
	at := int64(0)
	for _, e := range r.made {
		if at == from && at+e.Length == to && !before(e.Name, next.line.Horizon) && r.madeIn == next.log() {
			return e, nil
		}
		at += e.Length
	}
	made, err := r.session.log.volume.makeExtent(ctx, next.log(), io.NewSectionReader(r.spool, from, to-from), to-from, next.line.Horizon)
	if err != nil {
		return extent{}, err
	}
	if len(r.made) == 0 {
		r.madeIn = next.log()
	}
	if from == r.madeTo && r.madeIn == next.log() {
		r.made, r.madeTo = append(r.made, made), to
	}
	return made, nil
}

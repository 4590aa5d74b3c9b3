package filelog

import (
	"context"
	"errors"
	"io"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Rewrite is a new file in the making that will take the place of a store's file, and all
// that is not committed with it. It has the session's turn to publish while it publishes.
type Rewrite struct {
	session  *Session
	old      volume.Bytes // at the pace that is asked for
	target   File
	out      volume.Scratch // the target, at the pace that is asked for
	name     string         // of the target
	tail     int64          // behind what was appended
	carriage *carriage      // nil while nothing is carried
	gapShift int            // of the load that is carried, for the bytes left in front of it
	limits   volume.FollowLimits
	progress volume.Progress
}

// Rewrite begins a new file. It ends with Publish or Abort.
func (s *Session) Rewrite(ctx context.Context, options volume.RewriteOptions) (volume.Rewrite, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := TemporaryName(s.name)
	target, err := s.files.Create(name, 0o600)
	if err != nil {
		return nil, err
	}
	r := &Rewrite{
		session: s, old: options.Reads(s.openFile()), target: target, out: options.Writes(target), name: name,
		gapShift: firstGapShift, limits: options.Limits, progress: options.Progress,
	}
	if _, err := lockIfCan(target); err != nil {
		return nil, errors.Join(err, r.Abort())
	}
	return r, nil
}

// Abort gives the new file up, unless it has taken the old one's place.
func (r *Rewrite) Abort() error {
	if r.target == nil {
		return nil
	}
	return errors.Join(r.target.Close(), r.session.files.Remove(r.name))
}

// Published reports whether the new file has taken the old one's place.
func (r *Rewrite) Published() bool { return r.target == nil }

// Bytes is the new file: what is written between Tail and the next Advance is private.
func (r *Rewrite) Bytes() volume.Scratch { return r.out }

// Tail is where the next segment goes.
func (r *Rewrite) Tail() int64 { return r.tail }

// Advance takes what stands before an offset for appended.
func (r *Rewrite) Advance(to int64) { r.tail = to }

// Cut takes back what was appended from an offset on. Nothing must be carried.
func (r *Rewrite) Cut(ctx context.Context, to int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.tail = to
	return r.target.Truncate(to)
}

// Copy appends a run of another file and returns where it stands.
func (r *Rewrite) Copy(ctx context.Context, file io.ReaderAt, offset, length int64) (at int64, err error) {
	at = r.tail
	if err := volume.CopyRange(volume.WatchWriter(ctx, volume.NewOffsetWriter(r.out, at)), file, offset, length); err != nil {
		return 0, err
	}
	r.tail += length
	return at, nil
}

// Put appends a segment.
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

// Settle has what was written on the disk before anybody has to wait for it.
func (r *Rewrite) Settle(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.target.SyncData()
}

// Lacks is how many bytes of what is not committed are not carried yet.
func (r *Rewrite) Lacks() int64 { return r.carriage.lacks(r.session.openExtents()) }

// Carry takes along what is written and not committed, if that is worth it or was begun:
// so much that writers need not wait for it. Room is what the next commit writes besides
// its segments, at most.
func (r *Rewrite) Carry(ctx context.Context, room int64) error {
	open := r.session.openExtents()
	if r.carriage == nil && r.carriage.lacks(open) < r.limits.Little {
		return nil
	}
	return r.carry(ctx, open, room)
}

// Freeze keeps writers from reserving space, waits until what they have reserved is
// written, and tells how much of that is not carried yet. Writers wait until Thaw.
func (r *Rewrite) Freeze(ctx context.Context) (lacking int64, err error) {
	s := r.session
	s.mu.Lock()
	s.frozen = make(chan struct{})
	extents := append([]*Extent(nil), s.extents...)
	failed := s.failed
	s.mu.Unlock()
	for _, e := range extents {
		if err := e.awaitQuiet(ctx); err != nil {
			return 0, err
		}
	}
	return r.carriage.lacks(frozenExtents(s.uncommitted())), failed
}

// Hurry is for who has writers wait: they shall not do so longer than needs be.
func (r *Rewrite) Hurry() { r.old, r.out = r.session.file, r.target }

// uncommitted are the extents that somebody still wants.
func (s *Session) uncommitted() []*Extent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.extents), func(e *Extent) bool { return e.dropped.Load() })
}

// Thaw lets writers go on.
func (r *Rewrite) Thaw() {
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.frozen)
	s.frozen = nil
}

// Publish puts the new file, which ends with the manifest of a state, in the place of the
// old one, while writers are frozen. What is not committed goes on in it. From the moment
// in which Published reports it, an error is not about that any more.
func (r *Rewrite) Publish(ctx context.Context, found *segments.State) (*volume.Version, error) {
	s := r.session
	open, moves, err := r.carryRest(ctx, s.uncommitted())
	if err != nil {
		return nil, err
	}
	if err := r.target.SyncData(); err != nil {
		return nil, err
	}
	attributes, err := r.dress()
	if err != nil {
		return nil, err
	}
	if err := s.guard(s.file); err != nil {
		return nil, err
	}
	info, err := r.target.Describe()
	if err != nil {
		return nil, err
	}
	reading, err := OpenSame(s.files, r.name, info)
	if err != nil {
		return nil, err
	}
	if err := s.files.Replace(r.name, s.name, s.current.info); err != nil {
		return nil, errors.Join(err, reading.Close())
	}
	// From here on the new file is the store, whatever happens.
	late := r.dressAgain(attributes)
	generation := NewGeneration(s.log.Place(), reading, info)
	next, err := s.log.publish(found, generation, info)
	late = errors.Join(late, err)
	s.mu.Lock()
	for _, m := range moves {
		m.apply()
	}
	for _, e := range open {
		if e.id == 0 {
			e.id = s.takeID()
		}
	}
	old := s.file
	s.extents = open
	s.file, s.current, s.base = r.target, generation, next
	s.tail = r.tail
	s.length.is(info.Size)
	s.mu.Unlock()
	r.target = nil
	s.log.owe()
	if err := s.log.payName(); err != nil {
		// The name may still lead to the old file after a power loss: nothing that
		// is committed to the new one would be safe.
		return next, errors.Join(s.Fail(err), late, old.Close())
	}
	s.log.discard(old)
	return next, late
}

// dress gives the new file owner, mode and all that the old one has.
func (r *Rewrite) dress() (FileAttributes, error) {
	attributes, err := r.session.file.Attributes()
	if err != nil {
		return attributes, err
	}
	return attributes, r.target.SetAttributes(attributes)
}

// dressAgain takes over what became of the old file between the first time and the
// moment in which it lost its name: nobody may take a right away in vain.
func (r *Rewrite) dressAgain(before FileAttributes) error {
	attributes, err := r.session.file.Attributes()
	if err == nil && !attributes.Equal(before) {
		err = r.target.SetAttributes(attributes)
	}
	return err
}

// Frozen reports whether writers have to wait for a rewrite.
func (s *Session) Frozen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen != nil
}

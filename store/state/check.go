package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rvffs/segments"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// snapshotChecks is what a snapshot knows of the segments that it names.
type snapshotChecks struct {
	table *checkTable
	index checkIndex
}

func (s *Snapshot) checks() *snapshotChecks {
	if known := s.cache.checks.Load(); known != nil {
		return known
	}
	table := s.source.checks.Load()
	s.cache.checks.CompareAndSwap(nil, &snapshotChecks{table, table.index(s)})
	return s.cache.checks.Load()
}

// Outdated reports whether the file was found damaged, or was mended, since the
// snapshot was made, or one that it also shows vectors of. What was computed from it, and
// what the kernel keeps of it, may be wrong then.
func (s *Snapshot) Outdated() bool {
	shown := s.cache.shown.Load()
	return s.isOutdatedItself() || shown != nil && slices.ContainsFunc(*shown, (*Snapshot).isOutdatedItself)
}

// isOutdatedItself reports whether a snapshot is outdated whatever it shows of others.
func (s *Snapshot) isOutdatedItself() bool {
	return s.source.verdicts.Load() != s.verdicts || s.cache.displaced.Load()
}

// Shows notes that vectors of others are shown as the snapshot's. They are all of these, with
// those that the others show in turn: to ask these for theirs would double the work with each
// generation of branches.
func (s *Snapshot) Shows(others []*Snapshot) { s.cache.shown.Store(&others) }

// ShownTime is when the rows came into the order in which they are shown: when the snapshot was
// committed, or, when it shows vectors of others whose files were rewritten since, when the
// last of these was.
func (s *Snapshot) ShownTime() time.Time {
	latest := s.time
	if shown := s.cache.shown.Load(); shown != nil {
		for _, other := range *shown {
			if other.time.After(latest) {
				latest = other.time
			}
		}
	}
	return latest
}

// Displace notes that what else is shown as the snapshot's stands in another place now, as
// after a compaction of its parent: what shows it in the order of the former place is that
// of an outdated snapshot.
func (s *Snapshot) Displace() { s.cache.displaced.Store(true) }

// Renewed is the same state as a snapshot of its own.
func (s *Snapshot) Renewed() *Snapshot {
	return NewSnapshot(s.source, s.state, s.time)
}

// Touch is asked before bytes of the file are given out. It starts the checks of
// the segments to which they belong, or waits for them, as the mode says; ctx ends
// the wait. Whether they are damaged refuse tells.
func (s *Snapshot) Touch(ctx context.Context, offset, length int64) error {
	c := s.source.checker
	if c == nil {
		return nil
	}
	touched := s.checks().index.within(offset, length)
	for i := range touched {
		segment := &touched[i]
		switch state := segment.load(); {
		case state.settled():
		case c.mode == VerifyFirst:
			if err := s.settleNow(ctx, segment); err != nil {
				return err
			}
		case state == unchecked && s.source.mayCheck() && segment.move(unchecked, queued):
			if !c.enqueue(s.source, checkJob{s, segment}) {
				segment.move(queued, unchecked)
			}
		}
	}
	return nil
}

// refuse is asked after bytes of the file were read: the error is ErrCorrupt when
// they belong to a segment that is known to be damaged.
func (s *Snapshot) refuse(offset, length int64) error {
	if s.source.checker == nil {
		return nil
	}
	checks := s.checks()
	return s.refuseIn(checks.index.within(offset, length))
}

func (s *Snapshot) refuseIn(touched checkIndex) error {
	for i := range touched {
		if touched[i].load() == damaged {
			return s.damageOf(touched[i].DirectoryEntry)
		}
	}
	return nil
}

// damageOf is the error that a damaged segment is.
func (s *Snapshot) damageOf(entry segments.DirectoryEntry) error {
	return fmt.Errorf("%w: store %q: the %s segment %d at offset %d is damaged: %s",
		volume.ErrCorrupt, s.source.StoreName(), entry.Type, entry.SegmentID, entry.Offset, s.checks().table.reason(entry))
}

// Demand checks one segment now, if that was not done yet and the mode is not
// VerifyNever. The error is ErrCorrupt when it is damaged.
func (s *Snapshot) Demand(ctx context.Context, entry segments.DirectoryEntry) error {
	if s.source.checker == nil {
		return nil
	}
	touched := s.checks().index.within(entry.Offset, segments.HeaderSize)
	for i := range touched {
		if err := s.settleNow(ctx, &touched[i]); err != nil {
			return err
		}
	}
	return s.refuseIn(touched)
}

// settleNow is settle for somebody who waits.
func (s *Snapshot) settleNow(ctx context.Context, segment *checkedSegment) error {
	return s.settle(ctx, segment, s.source.checker.urgent())
}

// settle finds out whether a segment is damaged, unless that is known. The error is
// one of the disk, or of ctx.
func (s *Snapshot) settle(ctx context.Context, segment *checkedSegment, pace checkPace) error {
	table := s.checks().table
	for !segment.load().settled() {
		if under := table.claim(segment.state); under != nil {
			select {
			case <-under:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := s.compare(ctx, segment, pace)
		table.leave(segment.state)
		if err != nil {
			return fmt.Errorf("check the %s segment at offset %d: %w", segment.Type, segment.Offset, err)
		}
	}
	return nil
}

// compare reads a segment and judges it.
func (s *Snapshot) compare(ctx context.Context, segment *checkedSegment, pace checkPace) error {
	if segment.load().settled() {
		return nil
	}
	lane, err := pace.lanes.Enter(ctx)
	if err != nil {
		return err
	}
	defer lane.Leave()
	step := func() {
		lane.GetOn()
		pace.step()
	}
	return s.With(ctx, Judging, func(in *Reading) error {
		info, err := in.Stat()
		if err == nil && info.Size < segment.end() {
			err = fmt.Errorf("%w: the file ends at %d", volume.ErrCorrupt, info.Size)
		}
		if err != nil {
			return err // no verdict on bytes that are not there
		}
		header, err := in.ReadHeader(segment.DirectoryEntry)
		if errors.Is(err, volume.ErrCorrupt) {
			s.accuse(segment, err.Error())
			return nil
		}
		var verdict segments.HashVerdict
		if err == nil {
			verdict, err = compareHash(ctx, in, header, pace.share, step)
		}
		switch {
		case err != nil:
			return err
		case verdict == segments.HashMismatch:
			s.accuse(segment, wrongHash)
		case verdict == segments.HashMatch:
			segment.state.Store(uint32(sound))
		default:
			segment.state.Store(uint32(unhashed))
		}
		return nil
	})
}

// accuse makes it known that a segment is damaged.
func (s *Snapshot) accuse(segment *checkedSegment, reason string) {
	found := s.checks().table.accuse(segment, reason)
	s.source.verdicts.Add(1)
	if report := s.source.onDamage; report != nil {
		s.source.checker.tell(func() { report(found) })
	}
}

// checkPiece is how many bytes a check reads at a time.
const checkPiece = 256 << 10

var checkBuffers = sync.Pool{New: func() any { return new([checkPiece]byte) }}

// compareHash reads a segment and compares it with its content hash. It works and
// pauses by turns, as the share asks, and calls step each time that it got on.
func compareHash(ctx context.Context, in *Reading, segment segments.Segment, share throttle.Share, step func()) (segments.HashVerdict, error) {
	check := segments.NewPayloadCheck(segment.Header)
	if !check.Reads() {
		return check.Verdict(), nil
	}
	pacer := throttle.NewPacer(ctx, share)
	buffer := checkBuffers.Get().(*[checkPiece]byte)
	defer checkBuffers.Put(buffer)
	for offset, end := segment.PayloadOffset(), segment.End(); offset < end; {
		part := buffer[:min(checkPiece, end-offset)]
		var failed error
		ended := pacer.Pace(func() {
			if failed = volume.ReadFull(in, part, offset); failed == nil {
				_, _ = check.Write(part)
			}
		})
		if err := errors.Join(failed, ended); err != nil {
			return segments.HashUnknown, err
		}
		offset += int64(len(part))
		step()
	}
	return check.Verdict(), nil
}

package filelog

import (
	"context"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Publish writes what a commit is made of and makes it count. An error ends the session.
func (s *Session) Publish(ctx context.Context, c volume.Commit) (*volume.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, info, err := s.publish(c)
	if err != nil {
		return nil, s.Fail(err)
	}
	next, err := s.log.publish(found, s.current, info)
	s.committed(next, c.Parts)
	return next, err
}

func (s *Session) publish(c volume.Commit) (*segments.State, volume.FileInfo, error) {
	if err := s.showMasked(c); err != nil {
		return nil, volume.FileInfo{}, err
	}
	manifest, err := s.appendManifest(c)
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	info, err := s.file.Describe()
	return &segments.State{Dialect: segments.DialectRuntime, Manifest: c.Manifest, Segment: manifest, End: manifest.End(), Clean: true}, info, err
}

// retire makes dead segments of those that the next manifest does not name, but for extents
// that it does not name yet. It is the last thing before that manifest counts, when all that
// takes their place is on the disk: what is gone when the manifest counts is gone for whoever goes
// by types, too, wherever this process dies. Whoever goes by the manifest before finds them all
// the same, and unretire puts them back where there was no next one.
func (s *Session) retire(gone []segments.DirectoryEntry) error {
	s.mu.Lock()
	gone = slices.DeleteFunc(slices.Clone(gone), func(entry segments.DirectoryEntry) bool {
		return slices.ContainsFunc(s.extents, func(e *Extent) bool { return e.offset == entry.Offset && !e.dropped.Load() })
	})
	s.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	if s.log.options.Lasting != volume.LastsAtOnce {
		if err := s.file.SyncData(); err != nil {
			return err
		}
	}
	for _, entry := range gone {
		if err := volume.Retire(s.file, entry); err != nil {
			return err
		}
	}
	if err := s.log.sync(s.file); err != nil {
		return err
	}
	return s.guardCommit()
}

// unretire gives segments that the base names their types back. It comes before what was
// written behind the base is cut off, which may stand for them until then, and is not synced:
// where that is for naught, the next writer does it again.
func (s *Session) unretire() error {
	var back []segments.DirectoryEntry
	for _, entry := range segments.CountedByName(s.base.State.Named()) {
		if entry.Offset < 0 || entry.Offset > s.base.State.End-segments.HeaderSize-4 {
			continue // the directory points outside of the file
		}
		was, err := segments.WasRetired(s.file, entry)
		if err != nil {
			return err
		}
		if was {
			back = append(back, entry)
		}
	}
	if len(back) == 0 {
		return nil
	}
	if err := s.untouched(s.file); err != nil {
		return err
	}
	for _, entry := range back {
		at := entry.Offset + segments.TypeOffset
		if _, err := s.file.WriteAt([]byte{byte(entry.Type)}, at); err != nil {
			return volume.WriteError(err, 1, at)
		}
	}
	return nil
}

// showMasked puts the bytes right that the parts had to hide. Bytes behind the newest
// manifest may only be shown with a manifest behind them: so the present state is stated
// once more first, behind the new segments.
func (s *Session) showMasked(c volume.Commit) error {
	var masked []int64
	for _, part := range c.Parts {
		masked = append(masked, part.(*Extent).masked...)
	}
	if len(masked) == 0 {
		return nil
	}
	if err := s.guard(s.file); err != nil {
		return err
	}
	if slices.Max(masked) >= s.base.State.Segment.Offset {
		again := *s.base.State.Manifest
		again.Directory = s.base.State.Named()
		if _, err := s.appendManifest(volume.Commit{Stamp: c.Stamp, Manifest: &again}); err != nil {
			return err
		}
	}
	for _, offset := range masked {
		if _, err := s.file.WriteAt(maskedByte, offset); err != nil {
			return volume.WriteError(err, 1, offset)
		}
	}
	return nil
}

// appendManifest writes the small segments and, behind them, the manifest, which
// gets to name them too. Whatever stands unfinished before is given its header
// first, so that the file can be walked up to the new manifest.
//
// The order on the disk is what makes a commit whole or absent: everything but
// the manifest's magic number, then, when that is durable, the magic number.
//
// Of everything, the headers of what stood unfinished come last, and the magic number
// of the first small segment. So if anything whole can be found after the process
// died, the manifest without its magic number is there too, and tells that nobody was
// told of the commit.
func (s *Session) appendManifest(c volume.Commit) (segments.Segment, error) {
	if err := s.guard(s.file); err != nil {
		return segments.Segment{}, err
	}
	start, id, open, err := s.claimEnd(volume.Laid(c.Small, c.Manifest), uint64(len(c.Small)+1), c.Parts)
	if err != nil {
		return segments.Segment{}, err
	}
	for _, e := range open {
		_ = e.awaitQuiet(context.Background()) // the end is taken, so this goes on
	}
	image, last, err := volume.Lay(start, id, c.Stamp, c.Small, c.Manifest)
	if err != nil {
		return segments.Segment{}, err
	}
	magic := [len(unsaid)]byte(image)
	copy(image, unsaid[:])
	copy(image[last.Offset-start:], unsaid[:])
	if err := s.write(s.file, image, start); err != nil {
		return segments.Segment{}, err
	}
	for _, e := range open {
		if err := e.writeHead(s.file, c.Stamp, slices.Contains(c.Parts, volume.Extent(e))); err != nil {
			return segments.Segment{}, err
		}
	}
	if start < last.Offset {
		if _, err := s.file.WriteAt(magic[:], start); err != nil {
			return segments.Segment{}, volume.WriteError(err, len(magic), start)
		}
	}
	if err := s.log.sync(s.file); err != nil {
		return segments.Segment{}, err
	}
	if err := s.guardCommit(); err != nil {
		return segments.Segment{}, err
	}
	if err := s.retire(c.Retired); err != nil {
		return segments.Segment{}, err
	}
	if _, err := s.file.WriteAt(magic[:], last.Offset); err != nil {
		return segments.Segment{}, volume.WriteError(err, len(magic), last.Offset)
	}
	if err := s.log.sync(s.file); err != nil {
		return segments.Segment{}, err
	}
	return last, s.guardSaid()
}

// unsaid stands for a manifest's magic number as long as its payload is not on
// the disk. Nobody takes what follows it for a header, and it is so short that
// even a write cut at any byte leaves no half header behind.
var unsaid [4]byte

// claimEnd takes the end of the file, seals all that stands before it and lists
// what of that still needs its header, or one of parts its own.
func (s *Session) claimEnd(length int64, segmentCount uint64, parts []volume.Extent) (start int64, id uint64, open []*Extent, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return 0, 0, nil, s.failed
	}
	for _, e := range s.extents {
		e.sealed = true
		if !e.headed.Load() || e.hidden.Load() && slices.Contains(parts, volume.Extent(e)) {
			open = append(open, e)
		}
	}
	start, id = s.tail, s.segmentID
	s.tail = start + length
	s.segmentID += segmentCount
	return start, id, open, nil
}

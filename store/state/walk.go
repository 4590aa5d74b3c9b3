package state

import (
	"cmp"
	"errors"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Walk visits every whole segment of the snapshot in file order, dead ones
// included; see WalkFrom.
func (r *Reading) Walk(visit func(segments.Segment) error) error {
	return r.WalkFrom(0, visit)
}

// WalkFrom is Walk from an offset on at which a segment begins or the file ends.
//
// A program that was killed while it wrote leaves a header whose length reaches
// over what others have appended since. So the walk goes from one segment that the
// manifest names to the next, and believes no header that claims bytes of a named
// one. Where a stretch between them holds bytes that are no segment, it goes on
// behind them if it can be told where, else at the next named segment. A named
// segment whose header is not what the directory says is passed over.
func (r *Reading) WalkFrom(from int64, visit func(segments.Segment) error) error {
	s := r.snapshot
	known := s.Live()
	next, _ := slices.BinarySearchFunc(known, from, func(entry segments.DirectoryEntry, offset int64) int {
		return cmp.Compare(entry.Offset, offset)
	})
	w := carefulWalk{in: r, wire: s.Dialect() == segments.DialectWire, visit: visit, reach: searchReach}
	limit := s.Size()
	if next < len(known) {
		limit = min(limit, known[next].Offset)
	}
	if err := w.stretch(from, limit); err != nil {
		return err
	}
	for ; next < len(known) && known[next].Offset < s.Size(); next++ {
		limit := s.Size()
		if next+1 < len(known) {
			limit = min(limit, known[next+1].Offset)
		}
		if err := w.named(known[next], limit); err != nil {
			return err
		}
	}
	return nil
}

// carefulWalk is one walk through stretches of a file.
type carefulWalk struct {
	in    *Reading
	wire  bool
	visit func(segments.Segment) error
	reach int64 // bytes that may still be read to see where to go on
}

// searchReach is how many bytes one walk reads at most to see where to go on: as
// many as a torn payload can have, and some.
const searchReach = segments.MaxPayload + 1<<20

// named visits a segment that the manifest names and goes on behind it up to limit.
func (w *carefulWalk) named(entry segments.DirectoryEntry, limit int64) error {
	segment, err := w.in.ReadHeader(entry)
	if err != nil && !errors.Is(err, volume.ErrCorrupt) {
		return err
	}
	if err == nil {
		if err := w.visit(segment); err != nil {
			return err
		}
	}
	segment = segments.Segment{Offset: entry.Offset, Header: segments.Header{PayloadLength: entry.PayloadLength}}
	from := segment.End()
	if w.wire && from < limit {
		from += -from & (segments.Alignment - 1)
	}
	return w.stretch(from, limit)
}

// stretch visits the segments between two places of which none is named.
func (w *carefulWalk) stretch(from, limit int64) error {
	for from < limit {
		walker := segments.NewWalker(w.in, from, limit)
		var last segments.Segment // not visited yet
		some := false
		for walker.Next() {
			if some {
				if err := w.visit(last); err != nil {
					return err
				}
			}
			last, some = walker.Segment(), true
		}
		if err := walker.Err(); err != nil {
			return err
		}
		at, resumed, err := w.resume(walker, last, some, limit)
		if err != nil {
			return err
		}
		if some && (!resumed || at >= last.End()) {
			if err := w.visit(last); err != nil {
				return err
			}
		}
		if !resumed {
			return nil
		}
		from = at
	}
	return nil
}

// resume finds where segments go on behind the place where a walk broke off. The
// last segment before it may be what led the walk astray.
func (w *carefulWalk) resume(walker *segments.Walker, last segments.Segment, some bool, limit int64) (int64, bool, error) {
	if walker.Clean() || w.reach <= 0 {
		return 0, false, nil
	}
	from := walker.End()
	if some {
		torn := last.PayloadLength > uint64(w.reach)
		if !torn {
			verdict, err := segments.VerifySegment(w.in, last)
			if err != nil {
				return 0, false, err
			}
			torn = verdict != segments.HashMatch
			w.reach -= int64(last.PayloadLength)
		}
		if torn {
			from = last.PayloadOffset()
		}
	}
	at, resumed, err := segments.Resume(w.in, from, limit, w.reach)
	if !resumed {
		at = limit
	}
	w.reach -= min(w.reach, at-from)
	return at, resumed, err
}

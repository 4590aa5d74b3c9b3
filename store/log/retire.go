package log

import (
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
)

// retires are the segments that other programs must not find by their types any more when
// the commit counts: those that its manifest names no more, and where something is replaced
// or removed those of its type that none names. These were left behind by a process that died
// as it replaced them, or by a program that does not retire them. The whole file is looked
// through for them, which costs less than an image does.
func (d *Draft) retires(base *state.Reading) ([]segments.DirectoryEntry, error) {
	named := map[int64]bool{}
	for _, entry := range d.Manifest.Directory {
		named[entry.Offset] = true
	}
	dealt := map[segments.Type]bool{}
	for _, e := range d.added {
		dealt[e.Entry().Type] = true
	}
	var gone []segments.DirectoryEntry
	for _, entry := range segments.CountedByName(d.Base.Named()) {
		if !named[entry.Offset] {
			gone = append(gone, entry)
			dealt[entry.Type] = true
		}
	}
	if !slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Removes != nil }) {
		return gone, nil
	}
	left, err := unnamed(base)
	if err != nil {
		return nil, err
	}
	for _, entry := range left {
		if !dealt[entry.Type] || !entry.Type.CountsByName() {
			continue
		}
		foreign, err := segments.IsForeign(base, entry)
		if err != nil {
			return nil, err
		}
		if !foreign {
			gone = append(gone, entry)
		}
	}
	return gone, nil
}

// unnamed are the segments that the manifest does not name, as far as a row of whole ones
// leads to them from one that is named: what else there is may be anybody's, and under way.
func unnamed(base *state.Reading) (found []segments.DirectoryEntry, err error) {
	live := base.Snapshot().Live()
	from := int64(0)
	for at := 0; at <= len(live); at++ {
		limit := base.Snapshot().Size()
		if at < len(live) {
			limit = min(limit, live[at].Offset)
		}
		walker := segments.NewWalker(base, from, limit)
		for walker.Next() && walker.Segment().Offset == from {
			found = append(found, state.EntryOf(walker.Segment()))
			from = walker.End()
		}
		if err := walker.Err(); err != nil {
			return nil, err
		}
		if at < len(live) {
			from = max(from, segments.Segment{Offset: live[at].Offset, Header: segments.Header{PayloadLength: live[at].PayloadLength}}.End())
		}
	}
	return found, nil
}

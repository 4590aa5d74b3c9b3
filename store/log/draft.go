package log

import (
	"context"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Change is what one commit does to the state.
type Change struct {
	Added   []volume.Extent                                                // segments that become part of the store, in order
	Removes func(context.Context, *state.Snapshot) (map[int64]bool, error) // tells the offsets of segments that have to go; nil: none
	Actions []Action                                                       // for the audit chain
	Content any                                                            // for the hooks

	InPlace bool // the added segments are named where the removed ones were
	First   bool // or before all others of their kind

	// Renew makes the change anew for the session's newest base, where it has to be another on that;
	// nil: it need not. It is asked before each draft, by who has the turn to commit: what was written
	// to an extent it reads of that, and not of the session.
	Renew func(context.Context) (Change, error)
}

// Draft is a commit in the making.
type Draft struct {
	Base     *state.Snapshot
	Manifest *segments.Manifest // a copy of the base's, which the commit changes
	Stamp    uint64             // nanoseconds since 1970
	Changes  []Change

	added     []volume.Extent
	merged    *merge // small neighbours that become one segment; nil for none
	small     []volume.NewSegment
	actions   []Action
	previous  lineage.Hash // of the newest entry of the audit chain
	committed []Committed
	retired   []segments.DirectoryEntry // found by their types by others who rewrite the file
}

// Add adds a small segment to the commit, which its manifest names.
func (d *Draft) Add(small volume.NewSegment) { d.small = append(d.small, small) }

// Act adds an entry to the audit chain, behind those of the changes.
func (d *Draft) Act(action Action) { d.actions = append(d.actions, action) }

// Unname takes the segments of a type out of the manifest.
func (d *Draft) Unname(kind segments.Type) {
	d.Manifest.Directory = slices.DeleteFunc(d.Manifest.Directory, func(entry segments.DirectoryEntry) bool { return entry.Type == kind })
}

// Above has the commit take an epoch above those of states that are lost, of which the
// audit chain then tells.
func (d *Draft) Above(lost uint32) error {
	if lost < d.Manifest.Epoch {
		return nil
	}
	record, err := lineage.Lost(d.Manifest.Epoch, lost).AppendBinary(nil)
	if err != nil {
		return err
	}
	d.Act(Drop(record))
	d.Manifest.Epoch = lost + 1
	return nil
}

// Merged are the base's segments whose rows the commit puts into one.
func (d *Draft) Merged() []segments.DirectoryEntry {
	if d.merged == nil {
		return nil
	}
	return d.merged.run
}

// Brings reports whether the commit itself brings a segment.
func (d *Draft) Brings(entry segments.DirectoryEntry) bool {
	return slices.ContainsFunc(d.written(), func(e volume.Extent) bool { return e.Entry().Offset == entry.Offset })
}

// written are the segments that the commit makes visible.
func (d *Draft) written() []volume.Extent {
	if d.merged == nil {
		return d.added
	}
	return append([]volume.Extent{d.merged.into}, d.added...)
}

// masked reports whether bytes of the written segments had to be hidden.
func (d *Draft) masked() bool { return slices.ContainsFunc(d.written(), volume.Extent.Masked) }

// ask lets the hooks have their say.
func (d *Draft) ask(ctx context.Context, hooks []Hook) error {
	for _, hook := range hooks {
		committed, err := hook.Draft(ctx, d)
		if err != nil {
			return err
		}
		if committed != nil {
			d.committed = append(d.committed, committed)
		}
	}
	return nil
}

// unsafe reports whether a manifest would contain what the reference runtime takes for a
// newer one.
func (d *Draft) unsafe() bool {
	return segments.LooksLikeManifest(d.Manifest.Encode()) >= 0 ||
		d.masked() && segments.LooksLikeManifest(d.Base.Manifest().Encode()) >= 0 ||
		slices.ContainsFunc(d.small, func(small volume.NewSegment) bool { return segments.LooksLikeManifest(small.Payload) >= 0 })
}

package compact

import (
	"context"
	"fmt"
	"math"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// copyOthers copies, in file order, what is no vector and no bookkeeping and was not
// copied before, and notes the states that it comes by: what the manifest names, wherever it lies and whatever became of its
// header; and of what a walk from the offset from on finds besides each segment that the
// engine does not understand, and the audit chain. A segment that is named only now may
// lie before others that were named long ago: its place was taken first.
func (r *rewrite) copyOthers(ctx context.Context, old *state.Reading, from int64) error {
	base := old.Snapshot()
	named := map[int64]bool{}
	var waiting []segments.DirectoryEntry // named, in file order
	var total int64
	for _, entry := range base.Live() {
		named[entry.Offset] = true
		if !r.lacks(entry) {
			continue
		}
		copies, err := r.copies(old, entry)
		if err != nil {
			return err
		}
		if copies {
			waiting = append(waiting, entry)
			total = min(total, math.MaxInt64/2) + int64(min(entry.PayloadLength, math.MaxInt64/2))
		}
	}
	if total > base.Size() {
		return fmt.Errorf("%w: the manifest names %d bytes of segments in a file of %d", volume.ErrCorrupt, total, base.Size())
	}
	copyNamed := func(before int64) error {
		for len(waiting) > 0 && waiting[0].Offset < before {
			entry, err := r.copySegment(ctx, old, waiting[0])
			if err != nil {
				return err
			}
			r.moved[waiting[0].Offset] = entry
			waiting = waiting[1:]
		}
		return nil
	}
	err := old.WalkFrom(from, func(segment segments.Segment) error {
		if err := r.dropped.see(old, segment); err != nil {
			return err
		}
		if named[segment.Offset] {
			return nil
		}
		foreign, err := segments.IsForeign(old, state.EntryOf(segment))
		if err != nil {
			return err
		}
		if !foreign && (!isCopied(segment.Type) || segment.Type.CountsByName()) {
			return nil
		}
		if err := copyNamed(segment.Offset); err != nil {
			return err
		}
		entry, err := r.copySegment(ctx, old, state.EntryOf(segment))
		if err == nil && segment.Type != segments.TypeWitness {
			r.adopted = append(r.adopted, entry)
		}
		return err
	})
	if err != nil {
		return err
	}
	return copyNamed(math.MaxInt64)
}

// isCopied reports whether a rewrite copies segments of a type, which is all but those
// that it makes anew or that the next manifest makes needless.
func isCopied(kind segments.Type) bool {
	switch kind {
	case segments.TypeVec, segments.TypeIndex, segments.TypeJournal, segments.TypeManifest, segments.TypeMeta,
		segments.TypeKeptState, segments.TypeBranches:
		return false
	}
	return true
}

// copySegment copies one segment byte for byte to the end of the new file.
func (r *rewrite) copySegment(ctx context.Context, old *state.Reading, segment segments.DirectoryEntry) (segments.DirectoryEntry, error) {
	length := segments.HeaderSize + int64(min(segment.PayloadLength, math.MaxInt64/2))
	at, err := r.file.Copy(ctx, old, segment.Offset, length)
	if err != nil {
		return segments.DirectoryEntry{}, fmt.Errorf("copy the %s at offset %d: %w", segment.Type, segment.Offset, err)
	}
	entry := segment
	entry.Offset = at
	r.progress.Done(length)
	return entry, nil
}

// lacks reports whether a segment, other than of vectors, was not copied yet.
func (r *rewrite) lacks(entry segments.DirectoryEntry) bool {
	_, copied := r.moved[entry.Offset]
	return !copied
}

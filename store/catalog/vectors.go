package catalog

import (
	"context"

	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

// VectorFile shows the live vectors of the newest state as a file of a format.
func (s *Store) VectorFile(ctx context.Context, format vecio.FileFormat) (state.View, *state.Snapshot, error) {
	return s.viewOfRows(ctx, func(of rows.Sources) (state.View, error) { return rows.File(ctx, of, format) })
}

// VectorByID shows one vector of the newest state. The error is volume.ErrNotFound
// when it is not there.
func (s *Store) VectorByID(ctx context.Context, id uint64, format vecio.FileFormat) (state.View, *state.Snapshot, error) {
	return s.viewOfRows(ctx, func(of rows.Sources) (state.View, error) { return rows.ByID(ctx, of, id, format) })
}

// viewOfRows makes a view of the vectors of the newest state.
func (s *Store) viewOfRows(ctx context.Context, show func(rows.Sources) (state.View, error)) (state.View, *state.Snapshot, error) {
	return s.newestView(ctx, func(snapshot *state.Snapshot) (state.View, error) {
		of, err := s.sources(ctx, snapshot)
		if err != nil {
			return nil, err
		}
		view, err := show(of)
		return viewOf(of, view), err
	})
}

// newestView makes a view that takes reading.
func (s *Store) newestView(ctx context.Context, show func(*state.Snapshot) (state.View, error)) (view state.View, snapshot *state.Snapshot, err error) {
	err = s.withNewest(ctx, func(newest *state.Snapshot) (err error) {
		snapshot = newest
		view, err = show(newest)
		return err
	})
	return view, snapshot, err
}

// withNewest runs use with the newest state, and again with a newer one when a
// compaction took the file away meanwhile.
func (s *Store) withNewest(ctx context.Context, use func(*state.Snapshot) error) error {
	return state.OnNewest(ctx, s.Snapshot, use)
}

// VectorNumber is the inode number of a file about one vector. There are more
// vectors than numbers, so that numbers recur; whoever makes a node must tell those
// of one number apart by their generation.
func (s *Store) VectorNumber(index uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vectorSpan.number(s.catalog, index)
}

// SegmentNumber is VectorNumber for a file about one segment.
func (s *Store) SegmentNumber(index uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.segmentSpan.number(s.catalog, index)
}

// numberSpan is the first of spanSize inode numbers, 0 before the first is needed.
type numberSpan uint64

// number is one of them; after the last comes the first. The span's owner is locked.
func (s *numberSpan) number(c *Catalog, index uint64) uint64 {
	if *s == 0 {
		*s = numberSpan(c.nextNumber())
	}
	return uint64(*s) + index%spanSize
}

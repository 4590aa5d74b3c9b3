package store

import (
	"context"
	"fmt"

	"rvffs/store/compact"
	"rvffs/store/idset"
)

// CompactResult tells what a compaction did.
type CompactResult = compact.Result

// compaction is what the compactor needs of the store.
func (s *Store) compaction() compact.Environment {
	return compact.Environment{Log: s.log, Head: s.head, IDs: s.ids, OnCompaction: s.options.OnCompaction, Branches: s.branches, ForgetDamaged: s.options.ForgetDamaged, Fresh: s.freshForRewrite, Lost: s.tails.LostEpoch, ToldLost: s.tails.ToldLost}
}

// Compact rewrites the store without dead bytes: live vectors, the audit chain,
// named compute segments, and every segment of a type that the engine does not
// understand, byte for byte. It goes at full speed. Streams and readers go on
// meanwhile; what they commit is taken in, and then the new file takes the old
// one's place in one step. Snapshots of the old one stay readable while they are
// held open.
func (s *Store) Compact(ctx context.Context) (CompactResult, error) {
	result, err := s.compactor.Compact(ctx, nil)
	if err != nil {
		return CompactResult{}, fmt.Errorf("compact store %q: %w", s.Path(), err)
	}
	return result, nil
}

// CompactionProgress tells how many bytes the compaction under way has written,
// and how many it will write at most; zero when none is.
func (s *Store) CompactionProgress() (done, total int64) {
	_, done, total = s.compactor.Progress()
	return done, total
}

// letGo compacts vectors away that no manifest may call deleted.
func (s *Store) letGo(ctx context.Context, ids *idset.Set) error {
	_, err := s.compactor.Compact(ctx, ids)
	return err
}

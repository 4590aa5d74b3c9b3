package catalog

import (
	"context"
	"errors"

	"rvffs/store"
	"rvffs/store/recovery"
)

// tailKey tells tails apart.
type tailKey struct {
	file          string
	epoch         uint32
	offset, bytes int64
}

// tailNames are the names of what the newest listing saw kept beside the store, and
// beside others in its folder.
func (s *Store) tailNames() []string {
	c := s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil {
		return nil
	}
	scan := c.tree.scans[s.place.folder.place.path()]
	if scan == nil {
		return nil
	}
	return scan.tails
}

// tellTails logs, once each, what somebody has to decide upon in a store that was opened
// just now.
func (s *Store) tellTails(ctx context.Context, engine *store.Store) {
	tails, err := engine.TailsOpened(ctx)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.about(s.catalog.options.Log.Warn()).Err(err).Msg("cannot tell what stands behind the newest manifest")
		}
		return
	}
	for _, tail := range tails {
		s.tellTail(tail)
	}
}

func (s *Store) tellTail(tail recovery.Tail) {
	key := tailKey{tail.File, tail.Epoch, tail.Offset, tail.Bytes}
	s.mu.Lock()
	told := s.told[key]
	if s.told == nil {
		s.told = map[tailKey]bool{}
	}
	s.told[key] = true
	s.mu.Unlock()
	if told {
		return
	}
	message := "vectors stand behind the newest manifest, which does not name them"
	if tail.Kept {
		message = "vectors that stood behind a manifest without being named by it are kept beside the store"
	}
	message += "; rvffs recover " + s.Path() + ", in the mounted directory, brings them back, or lets them go"
	s.about(s.catalog.options.Log.Warn()).Str("file", tail.File).Uint32("epoch", tail.Epoch).
		Uint64("segments", tail.Segments).Uint64("vectors", tail.Vectors).Uint64("cut_vectors", tail.CutVectors).
		Uint64("deletions", tail.Deletions).Uint64("cut_segments", tail.CutSegments).Int64("bytes", tail.Bytes).Msg(message)
}

// leftTail logs that what is kept beside the store stays where the store stood.
func (s *Store) leftTail(tail, moved string, err error) {
	s.about(s.catalog.options.Log.Warn()).Str("file", tail).Str("new_name", moved).Err(err).
		Msg("what is kept beside the store did not go along when it was renamed; rename it by hand")
}

package catalog

import (
	"context"
	"errors"

	"rvffs/store"
)

// Query answers queries in the form that store.ParseQueries reads, from the state
// that is the newest now, as lines of JSON.
func (s *Store) Query(ctx context.Context, text []byte) (answer []byte, err error) {
	err = s.search(ctx, func(snapshot *store.Snapshot) error {
		queries, err := store.ParseQueries(text, snapshot.Dimension(), store.DefaultNeighbors)
		if err != nil {
			return err
		}
		answers, err := snapshot.Nearest(ctx, queries)
		answer = store.AppendAnswers(nil, answers)
		return err
	})
	return answer, err
}

// search runs use with the newest snapshot, and again with a newer one when a
// compaction took the file of the first away.
func (s *Store) search(ctx context.Context, use func(*store.Snapshot) error) error {
	var former *store.Snapshot
	for {
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return err
		}
		if err = use(snapshot); !errors.Is(err, store.ErrStale) || snapshot == former {
			return err
		}
		former = snapshot
	}
}

package catalog

import (
	"context"

	"rvffs/store/rows"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Query answers queries in the form that search.ParseQueries reads, from the state
// that is the newest now, as lines of JSON.
func (s *Store) Query(ctx context.Context, text []byte) (answer []byte, err error) {
	err = s.withNewest(ctx, func(snapshot *state.Snapshot) error {
		if err := s.AllowOf(ctx, volume.Read, snapshot.Origin()); err != nil {
			return err
		}
		answer, err = search.Answer(ctx, rows.Of(snapshot), text)
		return err
	})
	return answer, err
}

package catalog

import (
	"context"

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
		of, err := s.sources(ctx, snapshot)
		if err == nil {
			err = allowInherited(ctx, of)
		}
		if err == nil {
			answer, err = search.Answer(ctx, of, text)
		}
		return err
	})
	return answer, err
}

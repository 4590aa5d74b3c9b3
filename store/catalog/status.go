package catalog

import (
	"context"
	"encoding/json"

	"rvffs/store"
)

// statusText is what status.json adds to the engine's account.
type statusText struct {
	store.Status
	OpenStreams int    `json:"open_streams"`
	LastError   string `json:"last_error,omitempty"`
}

// StatusJSON tells how the store is at this moment, and which file that is.
func (s *Store) StatusJSON(ctx context.Context) ([]byte, *store.Snapshot, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx = store.OnlyIn(ctx, snapshot.Origin())
	var status store.Status
	err = s.use(ctx, func(engine *store.Store) (err error) {
		status, err = engine.Status(ctx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	failure := s.history.lastFailure(snapshot.Origin())
	s.mu.Lock()
	text := statusText{Status: status, OpenStreams: len(s.streams), LastError: failure}
	s.mu.Unlock()
	encoded, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	return append(encoded, '\n'), snapshot, nil
}

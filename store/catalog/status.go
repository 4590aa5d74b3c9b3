package catalog

import (
	"context"
	"encoding/json"

	"rvffs/store"
	"rvffs/store/state"
)

// statusText is what status.json adds to the engine's account.
type statusText struct {
	File string `json:"file"` // its path in the backing directory
	store.Status
	OpenStreams int    `json:"open_streams"`
	LastError   string `json:"last_error,omitempty"`
}

// StatusJSON tells how the store is at this moment, and which file that is.
func (s *Store) StatusJSON(ctx context.Context) ([]byte, *state.Snapshot, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx = state.OnlyIn(ctx, snapshot.Origin())
	text := statusText{File: s.Path()}
	err = s.use(ctx, func(engine *store.Store) (err error) {
		text.OpenStreams = engine.OpenStreams()
		text.Status, err = engine.Status(ctx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	text.LastError = s.history.lastFailure(snapshot.Origin())
	encoded, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	return append(encoded, '\n'), snapshot, nil
}

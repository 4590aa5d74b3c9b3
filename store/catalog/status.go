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

// StatusJSON tells how the store is at this moment.
func (s *Store) StatusJSON(ctx context.Context) ([]byte, error) {
	var status store.Status
	err := s.use(ctx, func(engine *store.Store) (err error) {
		status, err = engine.Status(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	failure := s.past().lastFailure()
	s.mu.Lock()
	text := statusText{Status: status, OpenStreams: len(s.streams), LastError: failure}
	s.mu.Unlock()
	encoded, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(encoded, '\n'), nil
}

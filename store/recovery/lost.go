package recovery

import (
	"context"

	"rvffs/store/log"
)

// LostEpoch is the highest epoch of a state of the store that is known to be lost, with a
// manifest that was damaged and then cut off; 0 for none.
func (t *Tails) LostEpoch() uint32 { return t.known.lostEpoch() }

// Draft implements log.Hook: a commit takes no epoch of a state that is lost.
func (t *Tails) Draft(_ context.Context, draft *log.Draft) (log.Committed, error) {
	return nil, draft.Above(t.LostEpoch())
}

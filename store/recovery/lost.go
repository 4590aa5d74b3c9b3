package recovery

import (
	"context"

	"rvffs/store/log"
	"rvffs/store/state"
)

// LostEpoch is the highest epoch of a state of the store that is known to be lost, with a
// manifest that was damaged and then cut off; 0 for none. Who cut it off may have died before
// he wrote that anywhere but beside the store.
func (t *Tails) LostEpoch(ctx context.Context) (uint32, error) {
	if _, _, err := t.HighestID(ctx); err != nil { // it looks at what every kept tail says, once
		return 0, err
	}
	return t.known.lostEpoch(), nil
}

// Draft implements log.Hook: a commit takes no epoch of a state that is lost.
func (t *Tails) Draft(ctx context.Context, draft *log.Draft) (log.Committed, error) {
	lost, err := t.LostEpoch(ctx)
	if err != nil || lost == 0 {
		return nil, err
	}
	return t.ToldLost, draft.Above(lost)
}

// ToldLost removes what only remembered that a state is lost, once the store itself tells. What
// cannot be removed harms nothing, and goes with the next commit.
func (t *Tails) ToldLost(ctx context.Context, after *state.Snapshot) {
	if !t.known.tell(after.Epoch()) {
		return
	}
	tails, err := t.All(ctx)
	if err != nil {
		return
	}
	for _, tail := range tails {
		if tail.remembers() && tail.LostEpoch < after.Epoch() {
			_ = t.Forget(ctx, tail)
		}
	}
	t.known.tell(after.Epoch()) // of those that were read again
}

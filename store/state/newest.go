package state

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/volume"
)

// ErrSuperseded means that what a change builds upon was replaced meanwhile.
var ErrSuperseded = errors.New("another change came first")

// changeAttempts bounds how often a change is made anew because another came first.
const changeAttempts = 16

// OnNewest runs use with the snapshot that look finds to be the newest, and again
// with a newer one while a compaction or another program took the file away from
// under it, or what use changes was changed by others. Where others always come first
// the error is ErrHeld.
func OnNewest(ctx context.Context, look func(context.Context) (*Snapshot, error), use func(*Snapshot) error) error {
	var tried *Snapshot
	var failed error
	for superseded := 0; superseded < changeAttempts; {
		snapshot, err := look(ctx)
		if err != nil {
			return err
		}
		if snapshot == tried {
			return failed
		}
		failed = use(snapshot)
		switch {
		case errors.Is(failed, ErrSuperseded):
			superseded++
		case errors.Is(failed, volume.ErrStale) && !errors.Is(failed, ErrReplaced):
			tried = snapshot
		default:
			return failed
		}
	}
	return fmt.Errorf("%w: %w", volume.ErrHeld, failed)
}

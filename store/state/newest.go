package state

import (
	"context"
	"errors"

	"rvffs/store/volume"
)

// OnNewest runs use with the snapshot that look finds to be the newest, and again
// with a newer one while a compaction or another program took the file away from
// under it.
func OnNewest(ctx context.Context, look func(context.Context) (*Snapshot, error), use func(*Snapshot) error) error {
	var tried *Snapshot
	var failed error
	for {
		snapshot, err := look(ctx)
		if err != nil {
			return err
		}
		if snapshot == tried {
			return failed
		}
		if failed = use(snapshot); !errors.Is(failed, volume.ErrStale) {
			return failed
		}
		tried = snapshot
	}
}

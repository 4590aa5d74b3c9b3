package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// HoldsNothing fails with ErrNotEmpty if a store has anything in a state that somebody would
// miss: in its own file, or, of a branch, among what it shows of its parent's. One whose
// filter cannot be read may show all.
func HoldsNothing(ctx context.Context, snapshot *state.Snapshot) error {
	if snapshot.HasContent() {
		return fmt.Errorf("%w: it holds vectors or embedded segments", volume.ErrNotEmpty)
	}
	if !snapshot.IsBranch() {
		return nil
	}
	var members *rows.Members
	err := snapshot.With(ctx, state.Looking, func(own *state.Reading) (err error) {
		members, err = rows.MembersOf(own)
		return err
	})
	switch {
	case errors.Is(err, volume.ErrCorrupt):
		return fmt.Errorf("%w: it is a branch, and may show vectors of its parent's: %w", volume.ErrNotEmpty, err)
	case err != nil:
		return err
	}
	if count, counted := members.Count(); !counted || count > 0 {
		return fmt.Errorf("%w: it is a branch, and shows vectors of its parent's", volume.ErrNotEmpty)
	}
	return nil
}

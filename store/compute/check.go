package compute

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
)

// CheckAll compares every image of a snapshot with its hash and calls visit for each,
// with the verdict, or the reason why it cannot be read, and what is odd about its header.
func CheckAll(ctx context.Context, s *state.Snapshot, visit func(segments.DirectoryEntry, Integrity, []string, error)) error {
	for _, kind := range Kinds {
		err := kind.each(ctx, s, func(entry segments.DirectoryEntry, found image, err error) (bool, error) {
			if err != nil {
				visit(entry, IntegrityUnreadable, nil, err)
				return true, nil
			}
			embedded := found.common()
			if err := embedded.Check(ctx); err != nil {
				return false, err
			}
			visit(entry, embedded.Integrity, found.problems(), nil)
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

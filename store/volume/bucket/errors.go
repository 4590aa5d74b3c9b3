package bucket

import (
	"errors"
	"fmt"
	"io/fs"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

var (
	// errNoObject is that of a name behind which nothing stands.
	errNoObject = fs.ErrNotExist
	// errBehind means that a server gave an older answer than one that was given before, and
	// did so until nobody waited any more.
	errBehind = errors.New("the server shows an older state than it did before")
	// errOther is that of another store at the name than the one that was meant.
	errOther = fmt.Errorf("%w: another store has its name", volume.ErrStale)
	// errGone is that of a store that is not at its name any more.
	errGone = fmt.Errorf("%w: it was removed: %w", volume.ErrNotFound, fs.ErrNotExist)
)

// storeError says what went wrong with a store, in words that tell the kinds apart.
func storeError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errMovedAway):
		return fmt.Errorf("store %q: %w", name, errGone)
	case errors.Is(err, objects.ErrNotFound):
		return fmt.Errorf("store %q: %w: %w", name, volume.ErrNotFound, err)
	}
	return fmt.Errorf("store %q: %w", name, err)
}

package directory

import (
	"context"

	"rvffs/store/volume"
)

var _ volume.Held = (*HeldFile)(nil)

// Change changes the owner first, for that may clear bits of the mode.
func (h *HeldFile) Change(_ context.Context, change volume.AttributeChange) error {
	if change.UID >= 0 || change.GID >= 0 {
		if err := h.Chown(change.UID, change.GID); err != nil {
			return err
		}
	}
	if change.Mode != nil {
		if err := h.Chmod(*change.Mode); err != nil {
			return err
		}
	}
	if !change.Accessed.IsZero() || !change.Modified.IsZero() {
		return h.Chtimes(change.Accessed, change.Modified)
	}
	return nil
}

package filelog

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/volume"
)

// Extend implements volume.Remnants. An interruption leaves a part of what was missing there,
// and a file that lacks the rest.
func (l *Log) Extend(ctx context.Context, length int64, missing []byte) error {
	return l.withClaimed(ctx, func(_ Place, file File, stat volume.FileInfo) error {
		if stat.Size != length {
			return fmt.Errorf("%w: it had %d bytes, and has %d", volume.ErrStale, length, stat.Size)
		}
		if _, err := file.WriteAt(missing, length); err != nil {
			return errors.Join(err, file.Truncate(length))
		}
		return file.SyncData()
	})
}

package directory

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"rvffs/segments"
)

var _ segments.Sparse = (*osFile)(nil)

// NextData implements segments.Sparse with SEEK_DATA. Reads and writes go to
// offsets of their own, so it is nobody's business where the descriptor stands.
func (f *osFile) NextData(offset int64) int64 {
	next := offset // all that is known of a file system without holes
	_ = f.control(func(descriptor int) error {
		found, err := unix.Seek(descriptor, offset, unix.SEEK_DATA)
		switch {
		case err == nil:
			next = found
		case errors.Is(err, unix.ENXIO):
			next = math.MaxInt64
		}
		return err
	})
	return next
}

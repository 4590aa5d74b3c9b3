package rows

import (
	"fmt"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// CheckVectors fails with ErrCorrupt if a segment of vectors is not what its content hash
// says: the hash of a copy of its rows would be that of the damage.
func CheckVectors(in *state.Reading, entry segments.DirectoryEntry) error {
	segment, err := in.ReadHeader(entry)
	if err != nil {
		return err
	}
	verdict, err := segments.VerifySegment(in, segment)
	if err == nil && verdict == segments.HashMismatch {
		err = fmt.Errorf("%w: the vectors at offset %d are not what their content hash says", volume.ErrCorrupt, entry.Offset)
	}
	return err
}

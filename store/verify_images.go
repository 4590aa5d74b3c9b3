package store

import (
	"rvffs/segments"

	"rvffs/store/compute"
)

// checkImages compares the embedded images with the hashes in their headers, which
// are others than the content hashes of the segments.
func (v *verifier) checkImages() error {
	return compute.CheckAll(v.ctx, v.snapshot, func(entry segments.DirectoryEntry, verdict compute.Integrity, problems []string, err error) {
		for _, problem := range problems {
			v.find(Note, entry.Offset, "%s segment %d: %s", entry.Type, entry.SegmentID, problem)
		}
		switch {
		case v.reported[entry.Offset]:
		case err != nil:
			v.damaged(entry, "%v", err)
		case verdict == compute.IntegrityMismatch || verdict == compute.IntegrityUnreadable:
			v.damaged(entry, "%v", verdict.Err())
		case verdict == compute.IntegrityUnset:
			v.find(Note, entry.Offset, "%s segment %d: the header holds no hash of the image", entry.Type, entry.SegmentID)
		}
	})
}

package store

import "rvffs/segments"

// addChecks tells how far the content hashes of the live segments were checked.
func (status *Status) addChecks(snapshot *Snapshot) {
	status.Verify, status.UncheckedSegments = VerifyNever.String(), status.Segments
	c := snapshot.source.checker
	if c == nil {
		return
	}
	status.Verify = c.mode.String()
	checks := snapshot.checks()
	for i := range checks.index {
		switch checks.index[i].load() {
		case sound:
			status.CheckedSegments++
		case unhashed:
			status.UnhashedSegments++
		case damaged:
			status.addDamaged(checks, checks.index[i].DirectoryEntry)
		default:
			continue
		}
		status.UncheckedSegments--
	}
	_, audit := checks.table.auditOf()
	for _, segment := range audit {
		if len(checks.index.within(segment.Offset, 1)) == 0 {
			status.addDamaged(checks, segment.DirectoryEntry)
		}
	}
}

func (status *Status) addDamaged(checks *snapshotChecks, entry segments.DirectoryEntry) {
	if status.DamagedCount++; status.DamagedCount <= maxFindings {
		status.DamagedSegments = append(status.DamagedSegments, DamagedSegment{entry.SegmentID, entry.Offset, entry.Type.String(), checks.table.reason(entry)})
	}
}

// lostVectors says whether vectors are among what is known to be damaged.
func (s *Snapshot) lostVectors() bool {
	if s.source.checker == nil || s.source.checks.Load().clean() {
		return false
	}
	checks := s.checks()
	for i := range checks.index {
		if checks.index[i].Type == segments.TypeVec && checks.index[i].load() == damaged {
			return true
		}
	}
	return false
}

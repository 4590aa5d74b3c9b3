package state

import "rvffs/segments"

// CheckReport tells how far the content hashes of the live segments were checked.
type CheckReport struct {
	Mode      VerifyMode
	Sound     int // segments that are what their hash says
	Unhashed  int // have no hash that could be checked
	Unchecked int // were not looked at yet
	Damage    []DamagedSegment
	Damaged   int // segments; of the first MaxFindings Damage tells
}

// Checked tells how far the content hashes of the live segments were checked.
func (s *Snapshot) Checked() CheckReport {
	report := CheckReport{Mode: VerifyNever, Unchecked: len(s.Live())}
	c := s.source.checker
	if c == nil {
		return report
	}
	report.Mode = c.mode
	checks := s.checks()
	for i := range checks.index {
		switch checks.index[i].load() {
		case sound:
			report.Sound++
		case unhashed:
			report.Unhashed++
		case damaged:
			report.addDamaged(checks, checks.index[i].DirectoryEntry)
		default:
			continue
		}
		report.Unchecked--
	}
	_, audit := checks.table.auditOf()
	for _, segment := range audit {
		if len(checks.index.within(segment.Offset, 1)) == 0 {
			report.addDamaged(checks, segment.DirectoryEntry)
		}
	}
	return report
}

func (r *CheckReport) addDamaged(checks *snapshotChecks, entry segments.DirectoryEntry) {
	if r.Damaged++; r.Damaged <= MaxFindings {
		r.Damage = append(r.Damage, DamagedSegment{entry.SegmentID, entry.Offset, entry.Type.String(), checks.table.reason(entry)})
	}
}

// VerifyMode is when segments are compared with their content hashes.
func (s *Snapshot) VerifyMode() VerifyMode {
	if s.source.checker == nil {
		return VerifyNever
	}
	return s.source.checker.mode
}

// FindDamage is the damage of a segment of a type that is known to have some; nil when
// there is none. Segments at the offsets of which known says so do not count.
func (s *Snapshot) FindDamage(kind segments.Type, known func(offset int64) bool) error {
	if s.source.checker == nil || s.source.checks.Load().clean() {
		return nil
	}
	index := s.checks().index
	for i := range index {
		if index[i].Type == kind && index[i].load() == damaged && !known(index[i].Offset) {
			return s.damageOf(index[i].DirectoryEntry)
		}
	}
	return nil
}

// LostVectors reports whether vectors are among what is known to be damaged.
func (s *Snapshot) LostVectors() bool {
	return s.FindDamage(segments.TypeVec, func(int64) bool { return false }) != nil
}

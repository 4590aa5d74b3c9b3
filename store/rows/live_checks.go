package rows

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
)

// touchDeciding starts the checks of the segments whose ids decided which rows are
// live, when the first of these is given out.
func touchDeciding(in Readings, live *Live) {
	if live.trusted {
		return
	}
	live.shown.Do(func() {
		for i := range live.Segments {
			if s := in.Of(live.Segments[i].Segment).Snapshot(); s.VerifyMode() == state.VerifyBackground {
				_ = s.Touch(context.Background(), live.Segments[i].Entry.Offset, segments.HeaderSize) // which waits for nothing
			}
		}
	})
}

// checkDoubted is asked after rows were read that were live when the snapshot was looked
// at: the error is ErrCorrupt when vectors were found damaged since, whose ids may
// have decided that.
func checkDoubted(in Readings, live *Live) error {
	if live.trusted {
		return nil
	}
	for i, reading := range in {
		s := reading.Snapshot()
		if !s.Outdated() {
			continue
		}
		err := s.FindDamage(segments.TypeVec, func(offset int64) bool { return live.Knows(i, offset) })
		if err != nil {
			return err
		}
	}
	return nil
}

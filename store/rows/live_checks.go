package rows

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
)

// touchDeciding starts the checks of the segments whose ids decided which rows are
// live, when the first of these is given out.
func touchDeciding(s *state.Snapshot, live *Live) {
	if s.VerifyMode() != state.VerifyBackground || live.trusted {
		return
	}
	live.shown.Do(func() {
		for i := range live.Segments {
			_ = s.Touch(context.Background(), live.Segments[i].Entry.Offset, segments.HeaderSize) // which waits for nothing
		}
	})
}

// doubted is asked after rows were read that were live when the snapshot was looked
// at: the error is ErrCorrupt when vectors were found damaged since, whose ids may
// have decided that.
func doubted(s *state.Snapshot, live *Live) error {
	if live.trusted || !s.Outdated() {
		return nil
	}
	return s.FindDamage(segments.TypeVec, live.Knows)
}

package recovery

import (
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
)

// TestWireHeadersAreLeftAlone: a directory of that dialect says less.
func TestWireHeadersAreLeftAlone(t *testing.T) {
	t.Parallel()
	found := &segments.State{Dialect: segments.DialectWire, Manifest: &segments.Manifest{Directory: []segments.DirectoryEntry{{Type: segments.TypeVec, PayloadLength: 8}}}}
	written := false
	repairs, err := repairHeaders(state.NewSnapshot(&state.Backing{}, found, time.Time{}).In(nil), func([segments.HeaderSize]byte, int64) error { written = true; return nil })
	if err != nil || written || len(repairs) > 0 {
		t.Errorf("%+v, %v", repairs, err)
	}
}

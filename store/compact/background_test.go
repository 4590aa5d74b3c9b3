package compact

import (
	"testing"

	"rvffs/store/rows"
	volumes "rvffs/store/volume/memory"
)

// TestCommitsBringWhatIsDue: a deletion makes a compaction due, which then runs by itself;
// the next has to wait, unless it is an emergency; and none begins after the end.
func TestCommitsBringWhatIsDue(t *testing.T) {
	t.Parallel()
	compacted := make(chan Result, 10)
	s := newStore(t, volumes.New(), 64, func(result Result, err error) {
		if err != nil {
			t.Error(err)
		}
		compacted <- result
	})
	t.Cleanup(s.Stop)
	s.ingest(t, 4000, nil)
	if got := urgencyOf(s.head.Current()); got != notDue {
		t.Fatalf("a fresh store of %d bytes is to be compacted", s.head.Current().Size())
	}
	s.delete(t, 0, 2000)
	if result := <-compacted; result.BytesReclaimed < 2000*64*4 {
		t.Errorf("%+v", result)
	}
	if got := len(live(t, rows.Of(s.head.Current()))); got != 2000 {
		t.Errorf("%d vectors left", got)
	}
	s.delete(t, 2000, 800)
	if got := urgencyOf(s.head.Current()); got != due {
		t.Errorf("urgency %d", got)
	}
	s.delete(t, 2800, 1000)
	if result := <-compacted; result.BytesReclaimed < 1500*64*4 {
		t.Errorf("%+v", result)
	}
	s.Stop()
	s.ingest(t, 4000, nil)
	s.delete(t, 4000, 3900)
	s.background.mu.Lock()
	defer s.background.mu.Unlock()
	if got := urgencyOf(s.head.Current()); got != emergency || s.background.running || len(compacted) > 0 {
		t.Errorf("urgency %d; after the end %d compactions, and that one runs is %v", got, len(compacted), s.background.running)
	}
}

package store

import (
	"context"
	"testing"

	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// What a first crash leaves of a kernel with a hidden manifest must not make what
// was acknowledged later vanish when a second crash tears the file's end.
func TestTwoCrashesAroundAHiddenManifest(t *testing.T) {
	t.Parallel()
	w := newCrashWorkload(t, false)
	w.ingest(run(0, 3), 1)
	from := w.files.Changes()
	w.kernel(fakeManifest())
	for first := from; first <= w.files.Changes(); first++ {
		files := w.files.State(volumes.Crash{After: first, Torn: -1})
		files.Restate()
		s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
		w.must(err)
		_, err = s.Ingest(context.Background(), []uint64{7}, []float32{7, 7})
		w.must(err)
		acknowledged := files.Changes()
		_, err = s.Ingest(context.Background(), []uint64{8}, []float32{8, 8})
		w.must(err)
		for second := acknowledged; second <= files.Changes(); second++ {
			after, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files.State(volumes.Crash{After: second, Torn: -1})}})
			w.must(err)
			if found := contents(t, after); found[7] == nil {
				t.Errorf("crashes after change %d and then %d: vector 7 was acknowledged and is gone: epoch %d of %d",
					first-from, second-acknowledged, after.Current().Epoch(), s.Current().Epoch())
			}
		}
	}
}

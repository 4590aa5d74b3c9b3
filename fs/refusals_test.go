package fs

import (
	"testing"
	"time"

	"rvffs/store/catalog"
)

// TestRefusalsAreToldOnce for all that one command tries, of each store, and of no more
// stores than there is room for.
func TestRefusalsAreToldOnce(t *testing.T) {
	t.Parallel()
	var r refusals
	a, b, start := new(catalog.Store), new(catalog.Store), time.Unix(1000, 0)
	for i, test := range []struct {
		store *catalog.Store
		after time.Duration
		want  bool
	}{
		{a, 0, true}, {a, time.Second, false}, {b, 2 * time.Second, true}, {a, 3 * time.Second, false},
		{a, refusalPause, true}, {b, refusalPause, false}, {a, 2*refusalPause - 1, false}, {b, 2*refusalPause + 2*time.Second, true},
	} {
		if got := r.due(test.store, start.Add(test.after)); got != test.want {
			t.Errorf("%d: %t", i, got)
		}
	}
	for range 3 * refusalsKept {
		r.due(new(catalog.Store), start.Add(3*refusalPause))
	}
	if len(r.told) != refusalsKept {
		t.Errorf("%d stores are remembered", len(r.told))
	}
}

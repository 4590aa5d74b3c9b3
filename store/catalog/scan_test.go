package catalog

import (
	"testing"
	"time"

	"rvffs/store/volume"
)

// TestSettles: a folder's time says that nothing has changed when no later change could
// leave the same time.
func TestSettles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	whole := now.Truncate(time.Second)
	for what, c := range map[string]struct {
		modified, since time.Time
		want            bool
	}{
		"just changed":                   {now, now, false},
		"changed a second ago":           {whole.Add(-time.Second + 1), now, true},
		"in whole seconds":               {whole.Add(-5 * time.Second), now, false},
		"in whole seconds, seen so long": {whole.Add(-time.Minute), now.Add(-time.Minute), true},
		"by a slow clock":                {whole.Add(-time.Minute), now, false},
		"in whole seconds, long ago":     {whole.Add(-2 * time.Hour), now, true},
	} {
		scan := folderScan{info: volume.FileInfo{Modified: c.modified}, since: c.since}
		if got := scan.settles(); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

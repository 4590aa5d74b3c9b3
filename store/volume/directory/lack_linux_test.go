package directory

import (
	"strings"
	"testing"
)

// TestEachLackIsTold: whatever a file system may lack, there is one sentence that says what
// follows from it.
func TestEachLackIsTold(t *testing.T) {
	t.Parallel()
	for what := noReplacing; what <= fineTimes; what <<= 1 {
		var told []string
		for _, limit := range limitTexts {
			if limit.lack == what {
				told = append(told, limit.text)
			}
		}
		if len(told) != 1 || !strings.HasPrefix(told[0], "it") || !strings.Contains(told[0], ": ") && !strings.Contains(told[0], ", so ") {
			t.Errorf("lack %b is told as %q", what, told)
		}
	}
	if limits, err := Limits(t.TempDir()); err != nil || len(limits) > 0 {
		t.Errorf("of the disk for temporary files it is said %q, %v", limits, err)
	}
}

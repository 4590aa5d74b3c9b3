package catalog

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"rvffs/store/ingest"
	"rvffs/store/memory"
	"rvffs/store/state"
)

// TestLogIsBounded: a log tells of the newest, as whole lines, up to its limit, and of
// less where memory is short.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		memory      int64
		least, most int
	}{
		"much memory":   {1 << 20, logLimit / 2, logLimit},
		"little memory": {100 << 10, 20 << 10, 50 << 10},
		"none":          {0, leastLog / 4, leastLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := memory.NewBudget(c.memory)
			h := &history{}
			h.charge(budget)
			for i := range 10_000 {
				h.addAppended(ingest.StreamReport{Time: time.Unix(int64(i), 0), Accepted: uint64(i)})
			}
			text := h.logOf(state.Origin{}).Text()
			if len(text) < c.least || len(text) > c.most {
				t.Errorf("it is %d bytes long, want %d to %d", len(text), c.least, c.most)
			}
			lines := bytes.SplitAfter(text, []byte("\n"))
			for _, line := range lines[:len(lines)-1] {
				if !bytes.HasPrefix(line, []byte(`{"time":`)) {
					t.Errorf("cut: %q", line)
				}
			}
			if last := string(lines[len(lines)-2]); !strings.Contains(last, `"accepted":9999,`) {
				t.Errorf("the newest is %q", last)
			}
			if u := budget.Usage(); u.Used < int64(len(text)) {
				t.Errorf("%+v for %d bytes", u, len(text))
			}
			runtime.KeepAlive(h)
		})
	}
}

package bucket

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// TestNobodyStarves has machines commit to one store as fast as they can: none waits long.
// Time is that of the test, in which only requests, and what an engine does to draft, take any.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		writers              int
		trip, draft, longest time.Duration
		each                 bool // commit has a session of its own, as streams of one vector do
	}{
		"two, loopback":                {2, 3 * time.Millisecond, 2 * time.Millisecond, time.Second, false},
		"eight, loopback":              {8, 3 * time.Millisecond, 2 * time.Millisecond, time.Second, false},
		"eight, no drafting":           {8, 3 * time.Millisecond, 0, time.Second, false},
		"eight, of sessions":           {8, 3 * time.Millisecond, 2 * time.Millisecond, time.Second, true},
		"eight, of sessions, far away": {8, 40 * time.Millisecond, 2 * time.Millisecond, 8 * time.Second, true},
		"eight, far away":              {8, 40 * time.Millisecond, 2 * time.Millisecond, 5 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				objects := memory.New()
				create(t, objects, Options{}, "a.rvf")
				objects.Delay = c.trip
				options := Options{Untidy: true}
				begun := time.Now()
				const span = 3 * time.Second
				var mu sync.Mutex
				var waits []time.Duration
				counts := make([]int, c.writers)
				longest := make([]time.Duration, c.writers)
				var all sync.WaitGroup
				for i := range c.writers {
					all.Go(func() {
						p := open(t, objects, options, "a.rvf")
						if !c.each {
							p.begin()
							defer p.end()
						}
						for n := 0; time.Since(begun) < span; n++ {
							from := time.Now()
							if c.each {
								p.begin()
							}
							e := p.extent(fmt.Sprintf("%d of %d", n, i))
							for {
								time.Sleep(c.draft)
								_, err := p.publish(e)
								if err == nil {
									break
								}
								if !errors.Is(err, volume.ErrMoved) {
									t.Error(err)
									return
								}
							}
							if c.each {
								p.end()
							}
							took := time.Since(from)
							mu.Lock()
							waits = append(waits, took)
							counts[i]++
							longest[i] = max(longest[i], took)
							mu.Unlock()
						}
					})
				}
				all.Wait()
				slices.Sort(waits)
				t.Logf("%d commits, %.0f a second, median %v, 99 %% %v, longest %v; of each %v", len(waits), float64(len(waits))/span.Seconds(),
					waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1], counts)
				t.Logf("requests a commit: %.2f", float64(objects.Requests(""))/float64(len(waits)))
				if last := waits[len(waits)-1]; last > c.longest {
					t.Errorf("the longest wait was %v, of each %v", last, longest)
				}
				objects.Delay = 0
				texts, err := open(t, objects, options, "a.rvf").texts()
				if err != nil || len(texts) != len(waits) {
					t.Errorf("%d segments are found of %d, %v", len(texts), len(waits), err)
				}
			})
		})
	}
}

package state

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"rvffs/store/volume"
)

// TestOnNewest makes a thing anew for as long as that may help: when its file was taken
// away, on another snapshot, and when another change came first, some times.
func TestOnNewest(t *testing.T) {
	t.Parallel()
	stale, superseded := fmt.Errorf("read: %w", volume.ErrStale), fmt.Errorf("commit: %w", ErrSuperseded)
	for name, test := range map[string]struct {
		moves bool  // each look finds another snapshot
		fails error // of the first uses
		times int
		want  error
		uses  int
	}{
		"at once":                       {true, nil, 0, nil, 1},
		"another failure":               {true, volume.ErrCorrupt, 1, volume.ErrCorrupt, 1},
		"stale, and there is a newer":   {true, stale, 30, nil, 31},
		"stale, and nothing is newer":   {false, stale, 30, volume.ErrStale, 1},
		"another file":                  {true, ErrReplaced, 30, ErrReplaced, 1},
		"superseded once":               {true, superseded, 1, nil, 2},
		"superseded before it is shown": {false, superseded, 1, nil, 2},
		"superseded each time":          {true, superseded, 1000, volume.ErrHeld, changeAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newest, uses := &Snapshot{}, 0
			err := OnNewest(t.Context(), func(context.Context) (*Snapshot, error) {
				if test.moves {
					newest = &Snapshot{}
				}
				return newest, nil
			}, func(given *Snapshot) error {
				if given != newest {
					t.Error("not the newest")
				}
				if uses++; uses <= test.times {
					return test.fails
				}
				return nil
			})
			if !errors.Is(err, test.want) || uses != test.uses {
				t.Errorf("%v after %d uses, want %v after %d", err, uses, test.want, test.uses)
			}
		})
	}
	if err := OnNewest(t.Context(), func(context.Context) (*Snapshot, error) { return nil, volume.ErrNotStore }, nil); !errors.Is(err, volume.ErrNotStore) {
		t.Errorf("nothing to look at: %v", err)
	}
}

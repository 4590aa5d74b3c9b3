package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	volumes "rvffs/store/volume/memory"
)

// TestCrashesBeforeALostStateIsTold stops the machine while the first who writes to a store,
// whose newest manifest is damaged, cuts that off. Whoever writes next, no state gets the
// epoch of the one that was lost, so that a child of that one contradicts nothing.
func TestCrashesBeforeALostStateIsTold(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(*testing.T, *Store){
		"vectors": func(t *testing.T, s *Store) { bring(t, s, []uint64{20}, 1, 1) },
		// Of this one nothing is left to bring back.
		"an audit entry": func(t *testing.T, s *Store) {
			if err := s.SetDerivationType(t.Context(), lineage.Filter); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for how, next := range map[string]func(context.Context, *Store) error{
			"delete": func(ctx context.Context, s *Store) error {
				_, err := s.Delete(ctx, []uint64{1})
				return err
			},
			"compact": func(ctx context.Context, s *Store) error {
				_, err := s.Compact(ctx)
				return err
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				files, parent := derivedStore(t)
				closedAtEnd(t, parent)
				last(t, parent)
				if err := parent.Derive(t.Context(), "c.rvf", DeriveOptions{}); err != nil {
					t.Fatal(err)
				}
				flip(t, parent, parent.Current().State().Segment.Offset+segments.HeaderSize+30)
				begin := func(files *volumes.Files) error {
					s, err := Open(context.Background(), "p.rvf", alone(files))
					if err != nil {
						return err
					}
					bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
					return errors.Join(next(context.Background(), s), s.Close())
				}
				from := files.Changes()
				if err := begin(files); err != nil {
					t.Fatal(err)
				}
				for file := range files.Names {
					if name == "an audit entry" && strings.Contains(file, ".tail") {
						t.Errorf("%s is left when the store itself tells", file)
					}
				}
				files.Crashes(from, everyState(), func(what string, crash volumes.Crash) {
					left := files.State(crash)
					s, err := Open(context.Background(), "p.rvf", alone(left))
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					err = next(context.Background(), s)
					bring(t, s, []uint64{3, 4}, 1, 1, 2, 2)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					child := closedAtEnd(t, openAlone(t, left, "c.rvf"))
					if got := judge(t, child, s); got.Damaged() {
						t.Fatalf("%s: after change %d, torn at %d: %s, %s", what, crash.After-from, crash.Torn, got.Status, got.Reason)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

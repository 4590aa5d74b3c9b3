package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"rvffs/segments"
	"rvffs/store/recovery"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// recoveries are ways to bring a store back that was cut. Each goes on after what an
// earlier one has left.
var recoveries = map[string]struct {
	script string // of the store
	cut    int    // bytes that are missing; negative: that are left
	run    func(context.Context, Options) error
}{
	"a tail is kept, and recovered later": {"replaced, deleted and added again", 40, func(ctx context.Context, options Options) error {
		s, err := Open(context.Background(), "a.rvf", options)
		if err != nil {
			return err
		}
		_, err = s.Ingest(ctx, []uint64{7_000_000}, []float32{1, 2})
		if err == nil {
			_, err = s.Recover(ctx, recovery.Options{Cut: true})
		}
		return errors.Join(err, s.Close())
	}},
	"in the file, beside a compaction": {"appended", 150, func(ctx context.Context, options Options) error {
		s, err := Open(context.Background(), "a.rvf", options)
		if err != nil {
			return err
		}
		_, err = s.Compact(ctx)
		if err == nil {
			_, err = s.Recover(ctx, recovery.Options{Cut: true})
		}
		return errors.Join(err, s.Close())
	}},
	"a cut segment and a kernel": {"a kernel", 300, func(ctx context.Context, options Options) error {
		s, err := Open(context.Background(), "a.rvf", options)
		if err != nil {
			return err
		}
		_, err = s.Recover(ctx, recovery.Options{Cut: true})
		return errors.Join(err, s.Close())
	}},
	"without any manifest": {"compacted", -500, func(ctx context.Context, options Options) error {
		if err := Rebuild(ctx, "a.rvf", new(segments.L2), options); err != nil && !errors.Is(err, volume.ErrExists) {
			return err
		}
		s, err := Open(context.Background(), "a.rvf", options)
		if err != nil {
			return err
		}
		_, err = s.Recover(ctx, recovery.Options{Cut: true})
		return errors.Join(err, s.Close())
	}},
}

// TestCrashesWhileRecovering stops the machine at every moment of keeping a tail and
// of bringing it back. Whatever is left, doing it again brings all vectors back. Of a
// power cut in the midst of a commit damaged segments may be left, which nobody can
// tell from others.
func TestCrashesWhileRecovering(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var checked atomic.Int64
	t.Run("recoveries", func(t *testing.T) {
		for name, r := range recoveries {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := newCutStore(t, cutScripts[r.script].script)
				length := len(c.content) - r.cut
				if r.cut < 0 {
					length = -r.cut
				}
				files, want := c.cutFiles(length), c.wantAll(length)
				from := files.Changes()
				if err := r.run(ctx, Options{Shelf: filelog.Shelf{Files: files}}); err != nil {
					t.Fatal(err)
				}
				if err := recoveredIn(files, want); err != nil {
					t.Fatal(err)
				}
				files.Crashes(from, everyState(), func(what string, crash volumes.Crash) {
					checked.Add(1)
					left := files.State(crash)
					err := r.run(ctx, Options{Shelf: filelog.Shelf{Files: left}, TurnWait: -1})
					if err == nil && crash.Lost != nil {
						err = dropDamaged(ctx, left)
					}
					if err == nil {
						err = recoveredIn(left, want)
					}
					if err != nil {
						t.Fatalf("%s: after change %d of %d, torn at %d: %v", what, crash.After-from, files.Changes()-from, crash.Torn, err)
					}
				})
			})
		}
	})
	t.Logf("%d crash states checked", checked.Load())
}

// dropDamaged lets tails go of which nothing is left but damaged segments.
func dropDamaged(ctx context.Context, files *volumes.Files) error {
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		return err
	}
	left, err := s.Recover(ctx, recovery.Options{List: true})
	for _, r := range left {
		if r.Recovered+r.Deleted > 0 || len(r.Doubts) != 1 || r.Doubts[0].Reason != recovery.DoubtDamaged {
			return fmt.Errorf("left: %+v", r)
		}
	}
	if err == nil && len(left) > 0 {
		_, err = s.Recover(ctx, recovery.Options{Drop: true})
	}
	return errors.Join(err, s.Close())
}

// wantAll is want, also for a store that was cut before its first manifest.
func (c *cutStore) wantAll(length int) cutMark {
	if _, _, whole := c.base(length); whole {
		return c.want(length)
	}
	return c.wantRebuilt(length)
}

// recoveredIn checks that all is there, and nothing but temporary files beside it.
func recoveredIn(files *volumes.Files, want cutMark) error {
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		return err
	}
	found, err := vectorsOf(s.Current())
	if err != nil {
		return err
	}
	if vector, appended := found[7_000_000]; appended {
		want.model = maps.Clone(want.model)
		want.model[7_000_000] = vector
	}
	if err := want.holds(s); err != nil {
		return fmt.Errorf("%w; beside it: %v", err, slices.Sorted(maps.Keys(files.Names)))
	}
	for name := range files.Names {
		if name != "a.rvf" && !volume.IsTemporary(name) && !strings.HasSuffix(name, ".lock") {
			return fmt.Errorf("%s is left", name)
		}
	}
	found2, err := s.Verify(context.Background())
	if err != nil || found2.Damages > 0 {
		return fmt.Errorf("%+v, %w", found2, err)
	}
	return s.Close()
}

// TestFaultsWhileRecovering breaks every operation of keeping a tail and of bringing it
// back. When the disk is whole again, doing it again brings all vectors back.
func TestFaultsWhileRecovering(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, r := range recoveries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCutStore(t, cutScripts[r.script].script)
			length := len(c.content) - r.cut
			if r.cut < 0 {
				length = -r.cut
			}
			want := c.wantAll(length)
			for at, refused := 1, true; refused; at++ {
				for _, f := range []*fault{
					{lasting: true, err: syscall.EIO}, {err: syscall.EIO}, {err: &volumes.ShortWrite{Divisor: 2, Err: syscall.ENOSPC}}, {lasting: true, err: &volumes.ShortWrite{Divisor: 2, Err: syscall.ENOSPC}},
				} {
					files := c.cutFiles(length)
					count := 0
					files.Fail = func(operation string) error {
						var short *volumes.ShortWrite
						if count++; count < at || count > at && !f.lasting || operation != "write" && errors.As(f.err, &short) {
							return nil
						}
						f.struck++
						return f.err
					}
					err := r.run(ctx, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
					files.Fail = nil
					refused = count >= at
					if err == nil && f.struck > 0 && f.lasting && refused && !errors.As(f.err, new(*volumes.ShortWrite)) {
						t.Errorf("operation %d: %v was passed over", at, f)
					}
					if err := r.run(ctx, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1}); err != nil {
						t.Fatalf("operation %d: %v: again: %v", at, f, err)
					}
					if err := recoveredIn(files, want); err != nil {
						t.Fatalf("operation %d: %v: %v", at, f, err)
					}
				}
			}
		})
	}
}

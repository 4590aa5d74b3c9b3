package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// openIn opens stores of a folder that find each other by their ids.
func openIn(files *volumes.Files) Options {
	each := func(claims func(*Store) bool, found func(name string, id lineage.FileID)) {
		for _, name := range slices.Sorted(maps.Keys(files.Names)) {
			if !strings.HasSuffix(name, ".rvf") || volume.IsTemporary(name) {
				continue
			}
			s, err := OpenReadOnly(context.Background(), name, Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				continue
			}
			if claims(s) {
				found(name, s.FileID())
			}
			_ = s.Close()
		}
	}
	options := Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1}
	with := func(name string) func(context.Context, func(*Store) error) error {
		return func(ctx context.Context, use func(*Store) error) error {
			s, err := OpenReadOnly(ctx, name, options)
			if err != nil {
				return err
			}
			return errors.Join(use(s), s.Close())
		}
	}
	options.Parents = func(_ context.Context, branch lineage.Identity, _ string) iter.Seq2[BranchParent, error] {
		return func(yield func(BranchParent, error) bool) {
			var parents []string
			each(func(s *Store) bool { return s.FileID() == branch.ParentID }, func(name string, _ lineage.FileID) { parents = append(parents, name) })
			for _, name := range parents {
				if !yield(BranchParent{Name: name, Use: with(name)}, nil) {
					return
				}
			}
		}
	}
	options.Branches = func(_ context.Context, of BranchesOf) (found FoundBranches, err error) {
		each(func(s *Store) bool { return s.ParentID() == of.Parent }, func(name string, id lineage.FileID) {
			found.Files = append(found.Files, BranchFile{FileID: id, Name: name, Use: with(name)})
		})
		return found, nil
	}
	return options
}

// branchWorkload is a script on a parent and its branches, and what each of them has to
// show at each moment that the engine acknowledged something.
type branchWorkload struct {
	t      *testing.T
	files  *volumes.Files
	stores map[string]*Store
	hold   map[string]map[uint64][]float32
	marks  []branchMark
}

type branchMark struct {
	change int
	hold   map[string]map[uint64][]float32
}

func newBranchWorkload(t *testing.T) *branchWorkload {
	w := &branchWorkload{t: t, files: volumes.New(), stores: map[string]*Store{}, hold: map[string]map[uint64][]float32{}}
	s, err := Create(t.Context(), "0.rvf", CreateOptions{Dimension: 2}, openIn(w.files))
	if err != nil {
		t.Fatal(err)
	}
	w.stores["0.rvf"], w.hold["0.rvf"] = s, map[uint64][]float32{}
	w.acknowledged()
	return w
}

func (w *branchWorkload) acknowledged() {
	now := map[string]map[uint64][]float32{}
	for name, holds := range w.hold {
		now[name] = maps.Clone(holds)
	}
	w.marks = append(w.marks, branchMark{w.files.Changes(), now})
}

func (w *branchWorkload) ingest(name string, ids []uint64, value float32) {
	w.t.Helper()
	var vectors []float32
	for _, id := range ids {
		w.hold[name][id] = []float32{value, float32(id)}
		vectors = append(vectors, value, float32(id))
	}
	bring(w.t, w.stores[name], ids, vectors...)
	w.acknowledged()
}

func (w *branchWorkload) delete(name string, ids ...uint64) {
	w.t.Helper()
	for _, id := range ids {
		delete(w.hold[name], id)
	}
	remove(w.t, w.stores[name], ids...)
	w.acknowledged()
}

func (w *branchWorkload) compact(name string) {
	w.t.Helper()
	if _, err := w.stores[name].Compact(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.acknowledged()
}

func (w *branchWorkload) branch(parent, name string) {
	w.t.Helper()
	w.hold[name] = maps.Clone(w.hold[parent])
	w.stores[name] = branchOf(w.t, w.stores[parent], name)
	w.acknowledged()
}

// shownBySomebody are the vectors that a store shows, whoever opens it.
func shownBySomebody(files *volumes.Files, name string) (map[uint64][]float32, error) {
	s, err := OpenReadOnly(context.Background(), name, openIn(files))
	if err != nil {
		return nil, err
	}
	found := map[uint64][]float32{}
	err = s.withNewest(context.Background(), func(newest *state.Snapshot) error {
		of, err := s.Sources(context.Background(), newest)
		if err != nil {
			return err
		}
		return visitInto(found, of)
	})
	return found, errors.Join(err, s.Close())
}

func visitInto(found map[uint64][]float32, of rows.Sources) error {
	return rowstest.Visit(context.Background(), of, func(ids []uint64, rows []byte) error {
		for i, id := range ids {
			found[id] = []float32{finite(rows[8*i:]), finite(rows[8*i+4:])}
		}
		return nil
	})
}

// check compares what a crash left with what was promised: the last state that was
// acknowledged, or the one that was being made.
func (w *branchWorkload) check(files *volumes.Files, after int) error {
	next, _ := slices.BinarySearchFunc(w.marks, after+1, func(m branchMark, after int) int { return m.change - after })
	var reasons []string
	for _, mark := range w.marks[max(0, next-1):min(next+1, len(w.marks))] {
		reason := w.differs(files, mark)
		if reason == nil {
			return nil
		}
		reasons = append(reasons, reason.Error())
	}
	return errors.New(strings.Join(reasons, "; and "))
}

func (w *branchWorkload) differs(files *volumes.Files, mark branchMark) error {
	for name := range w.hold {
		found, err := shownBySomebody(files, name)
		want, there := mark.hold[name]
		switch {
		case !there && errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !maps.EqualFunc(found, want, slices.Equal[[]float32]):
			return fmt.Errorf("%s shows %d vectors, want %d: others are %v", name, len(found), len(want), differences(found, want))
		}
	}
	return nil
}

// branchWorkloads are the scripts.
var branchWorkloads = map[string]func(*branchWorkload){
	"making": func(w *branchWorkload) {
		w.ingest("0.rvf", run(0, 20), 1)
		w.branch("0.rvf", "1.rvf")
		w.branch("1.rvf", "2.rvf")
	},
	"commits to a branch": func(w *branchWorkload) {
		w.ingest("0.rvf", run(0, 20), 1)
		w.branch("0.rvf", "1.rvf")
		w.ingest("1.rvf", run(15, 10), 2)
		w.delete("1.rvf", 3, 16, 24)
		w.ingest("0.rvf", run(30, 3), 3)
		w.ingest("1.rvf", []uint64{3, 31}, 4)
		w.compact("1.rvf")
	},
	"compaction of a parent": func(w *branchWorkload) {
		w.ingest("0.rvf", run(0, 20), 1)
		w.branch("0.rvf", "1.rvf")
		w.ingest("0.rvf", run(5, 5), 2)
		w.delete("0.rvf", 0, 1, 7)
		w.branch("0.rvf", "2.rvf")
		w.delete("0.rvf", 10)
		w.compact("0.rvf")
		w.ingest("0.rvf", run(0, 3), 3)
		w.compact("0.rvf")
	},
	"compaction in the middle": func(w *branchWorkload) {
		w.ingest("0.rvf", run(0, 20), 1)
		w.branch("0.rvf", "1.rvf")
		w.ingest("1.rvf", run(15, 10), 2)
		w.branch("1.rvf", "2.rvf")
		w.ingest("1.rvf", run(0, 4), 3)
		w.delete("1.rvf", 5, 18)
		w.compact("1.rvf")
		w.delete("0.rvf", 6)
		w.compact("0.rvf")
	},
}

// TestBranchesAfterEveryCrash: whatever a crash leaves of a parent and its branches, each
// shows what was acknowledged, and goes on to after the next writers.
func TestBranchesAfterEveryCrash(t *testing.T) {
	t.Parallel()
	var checked atomic.Int64
	t.Run("workloads", func(t *testing.T) {
		for name, script := range branchWorkloads {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newBranchWorkload(t)
				script(w)
				w.files.Crashes(w.marks[0].change, everyState(), func(what string, c volumes.Crash) {
					number := checked.Add(1)
					files := w.files.State(c)
					for name := range files.Names {
						if strings.HasSuffix(name, ".lock") {
							files.Age(name, time.Minute)
						}
					}
					err := w.check(files, c.After)
					if err == nil && number%16 == 0 {
						if err = w.goOn(files); err == nil {
							err = w.check(files, c.After)
						}
					}
					if err != nil {
						t.Fatalf("%s: after change %d, torn at %d: %v", what, c.After, c.Torn, err)
					}
				})
			})
		}
	})
	t.Logf("%d crash states checked", checked.Load())
	if !testing.Short() && checked.Load() < 1000 {
		t.Errorf("only %d crash states were built", checked.Load())
	}
}

// goOn compacts all stores that are there.
func (w *branchWorkload) goOn(files *volumes.Files) error {
	for name := range w.hold {
		s, err := Open(context.Background(), name, openIn(files))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = s.Compact(context.Background())
			err = errors.Join(err, s.Close())
		}
		if err != nil {
			return fmt.Errorf("compact %s after the crash: %w", name, err)
		}
	}
	return nil
}

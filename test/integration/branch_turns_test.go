package integration

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume/directory"
	"rvffs/test/integration/peer"
)

// turns is a parent and a branch of it in a folder, to which the reference runtime and we
// write by turns.
type turns struct {
	t       *testing.T
	process *peer.Process
	random  *rand.Rand
	dir     string

	parent, branch map[uint64]float32 // the second component of each vector
	own            map[uint64]bool    // ids that the branch stores, or stored once
	changed        bool               // the parent shows another vector of an id that the branch inherits
	value          float32
	next           uint64
	done           []string

	opened, refused int // by the peer, of the branch
}

// engine runs use with our engine on a store of the folder, which finds the others there.
func (h *turns) engine(name string, use func(context.Context, *store.Store) error) {
	h.t.Helper()
	shelf := must(directory.OpenShelf(h.dir))(h.t)
	options := store.Options{Shelf: shelf}
	with := func(name string) func(context.Context, func(*store.Store) error) error {
		return func(ctx context.Context, use func(*store.Store) error) error {
			s, err := store.OpenReadOnly(ctx, name, options)
			if err != nil {
				return err
			}
			return errors.Join(use(s), s.Close())
		}
	}
	options.Parents = func(context.Context, lineage.Identity, string) iter.Seq2[store.BranchParent, error] {
		return func(yield func(store.BranchParent, error) bool) {
			yield(store.BranchParent{Name: "parent.rvf", Use: with("parent.rvf")}, nil)
		}
	}
	options.Branches = func(_ context.Context, of store.BranchesOf) (found store.FoundBranches, err error) {
		s, err := store.OpenReadOnly(context.Background(), "branch.rvf", store.Options{Shelf: shelf})
		if err != nil {
			return found, nil
		}
		if s.ParentID() == of.Parent {
			found.Files = []store.BranchFile{{FileID: s.FileID(), Name: "branch.rvf", Use: with("branch.rvf")}}
		}
		return found, s.Close()
	}
	s, err := store.Open(h.t.Context(), name, options)
	if err == nil {
		err = errors.Join(use(h.t.Context(), s), s.Close())
	}
	if err = errors.Join(err, shelf.Close()); err != nil {
		h.t.Fatalf("%s: %v\n%v", name, err, h.done)
	}
}

// shows are the vectors that we find in the branch.
func (h *turns) shows() map[uint64]float32 {
	h.t.Helper()
	found := map[uint64]float32{}
	h.engine("branch.rvf", func(ctx context.Context, s *store.Store) error {
		return state.OnNewest(ctx, s.Snapshot, func(newest *state.Snapshot) error {
			of, err := s.Sources(ctx, newest)
			if err != nil {
				return err
			}
			return rowstest.Visit(ctx, of, func(ids []uint64, rows []byte) error {
				for i, id := range ids {
					found[id] = math.Float32frombits(binary.LittleEndian.Uint32(rows[8*i+4:]))
				}
				return nil
			})
		})
	})
	return found
}

// rows draws vectors of some ids.
func (h *turns) rows(ids []uint64, holds ...map[uint64]float32) (rows []float32) {
	for _, id := range ids {
		h.value++
		rows = append(rows, float32(id), h.value)
		for _, hold := range holds {
			hold[id] = h.value
		}
	}
	return rows
}

// some draws ids of a map, new ones of none.
func (h *turns) some(of map[uint64]float32, may func(uint64) bool) (ids []uint64) {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(id uint64) bool { return !may(id) })
	for range min(len(all), 1+h.random.IntN(4)) {
		if id := all[h.random.IntN(len(all))]; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (h *turns) fresh() (ids []uint64) {
	for range 1 + h.random.IntN(4) {
		h.next++
		ids = append(ids, h.next)
	}
	return ids
}

// theirs has the peer do something to the branch, if it opens it. It must open it while
// the parent shows what the branch does, and we have committed since the parent grew.
func (h *turns) theirs(must bool, do func(*peer.Store) error) {
	h.t.Helper()
	opened, err := h.process.Open(filepath.Join(h.dir, "branch.rvf"))
	if err != nil {
		if must {
			h.t.Fatalf("the peer does not open the branch: %v\n%v", err, h.done)
		}
		h.refused++
		return
	}
	h.opened++
	if err := errors.Join(do(opened), opened.Close()); err != nil {
		h.t.Fatalf("the peer: %v\n%v", err, h.done)
	}
}

func (h *turns) step(fresh *bool) {
	h.t.Helper()
	any := func(uint64) bool { return true }
	what := h.random.IntN(9)
	h.done = append(h.done, fmt.Sprint(what))
	switch what {
	case 0, 1: // we append and overwrite
		ids := append(h.fresh(), h.some(h.branch, any)...)
		rows := h.rows(ids, h.branch)
		h.engine("branch.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Ingest(ctx, ids, rows); return err })
		h.note(ids)
		*fresh = true
	case 2: // we delete
		ids := h.some(h.branch, any)
		h.engine("branch.rvf", func(ctx context.Context, s *store.Store) error {
			result, err := s.Delete(ctx, ids)
			if err == nil && result.Deleted != uint64(len(ids)) {
				err = fmt.Errorf("%+v of %d", result, len(ids))
			}
			return err
		})
		for _, id := range ids {
			delete(h.branch, id)
			*fresh = true
		}
	case 3: // we compact the branch
		h.engine("branch.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Compact(ctx); return err })
		*fresh = true
	case 4: // the peer writes to the branch, and compacts it at times
		h.theirs(*fresh && !h.changed, func(s *peer.Store) error {
			ids := h.fresh()
			if _, err := s.Ingest(ids, h.rows(ids, h.branch)); err != nil {
				return err
			}
			h.note(ids)
			gone := h.some(h.branch, func(id uint64) bool { return !h.own[id] })
			if _, err := s.Delete(gone); len(gone) > 0 && err != nil {
				return err
			}
			for _, id := range gone {
				delete(h.branch, id)
			}
			if h.random.IntN(3) == 0 {
				_, err := s.Compact()
				return err
			}
			return nil
		})
	case 5: // the parent grows
		ids := h.fresh()
		rows := h.rows(ids, h.parent)
		h.engine("parent.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Ingest(ctx, ids, rows); return err })
		*fresh = false
	case 6: // the parent changes what the branch inherits
		if h.random.IntN(6) > 0 {
			return
		}
		ids := h.some(h.parent, any)
		rows := h.rows(ids, h.parent)
		h.engine("parent.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Ingest(ctx, ids, rows); return err })
		h.changed, *fresh = true, false
	case 7: // and loses some
		if h.random.IntN(6) > 0 {
			return
		}
		ids := h.some(h.parent, any)
		h.engine("parent.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Delete(ctx, ids); return err })
		for _, id := range ids {
			delete(h.parent, id)
		}
		h.changed, *fresh = true, false
	case 8: // the parent is compacted, by us
		h.engine("parent.rvf", func(ctx context.Context, s *store.Store) error { _, err := s.Compact(ctx); return err })
		*fresh = false
	}
}

func (h *turns) note(ids []uint64) {
	for _, id := range ids {
		h.own[id] = true
	}
}

// check compares what we show, and what the peer does if it opens the branch.
func (h *turns) check(must bool) {
	h.t.Helper()
	if found := h.shows(); !maps.Equal(found, h.branch) {
		h.t.Fatalf("we show %v, want %v\n%v", found, h.branch, h.done)
	}
	opened, err := h.process.OpenReadonly(filepath.Join(h.dir, "branch.rvf"))
	if err != nil {
		if must {
			h.t.Fatalf("the peer does not open the branch: %v\n%v", err, h.done)
		}
		h.refused++
		return
	}
	h.opened++
	if got := idsOf(h.t, opened); !slices.Equal(got, slices.Sorted(maps.Keys(h.branch))) {
		h.t.Fatalf("the peer shows %v, want %v\n%v", got, slices.Sorted(maps.Keys(h.branch)), h.done)
	}
	if err := opened.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// TestBranchesByTurnsWithThePeer: whoever made the branch, and whoever writes to it or to
// its parent, it shows what it must; and the peer opens it, or refuses it, but never shows
// anything else.
func TestBranchesByTurnsWithThePeer(t *testing.T) {
	t.Parallel()
	histories := 8
	if os.Getenv("RVFFS_LONG") == "1" {
		histories = 200
	}
	process := peer.Start(t)
	opened, refused := 0, 0
	for seed := range histories {
		h := &turns{
			t: t, process: process, random: rand.New(rand.NewPCG(uint64(seed), 11)), dir: t.TempDir(),
			parent: map[uint64]float32{}, own: map[uint64]bool{}, next: 60,
		}
		path := filepath.Join(h.dir, "parent.rvf")
		theirs := must(process.Create(path, 2, "l2"))(t)
		var ids []uint64
		for id := range uint64(h.next) {
			if h.random.IntN(8) > 0 {
				ids = append(ids, id)
			}
		}
		must(theirs.Ingest(ids, h.rows(ids, h.parent)))(t)
		if seed%2 == 0 {
			made := must(theirs.Branch(filepath.Join(h.dir, "branch.rvf")))(t)
			if err := made.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := theirs.Close(); err != nil {
			t.Fatal(err)
		}
		if seed%2 == 1 {
			h.engine("parent.rvf", func(ctx context.Context, s *store.Store) error {
				return s.Derive(ctx, "branch.rvf", store.DeriveOptions{Content: store.ContentBranch})
			})
		}
		h.branch = maps.Clone(h.parent)
		fresh := true
		for range 14 {
			h.step(&fresh)
			h.check(fresh && !h.changed)
		}
		opened, refused = opened+h.opened, refused+h.refused
	}
	t.Logf("the peer opened the branch %d times, and refused it %d times", opened, refused)
	if opened < histories || refused < histories {
		t.Error("that is too few of one of them for the test to be of worth")
	}
}

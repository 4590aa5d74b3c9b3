package store

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// changes are all ways in which a store can be changed.
func changes(t *testing.T) map[string]func(*Store) error {
	return map[string]func(*Store) error{
		"ingest": func(s *Store) error { _, err := s.Ingest(t.Context(), nil, []float32{1, 2}); return err },
		"append": func(s *Store) error { _, err := s.OpenAppend(t.Context(), ingest.StreamOptions{}); return err },
		"delete": func(s *Store) error { _, err := s.Delete(t.Context(), []uint64{0}); return err },
		"delete by a stream": func(s *Store) error {
			_, err := s.OpenDelete(t.Context(), vecio.AutoIDs, func(ingest.DeleteReport) {})
			return err
		},
		"embed": func(s *Store) error {
			_, err := s.EmbedKernel(t.Context(), bytes.NewReader([]byte("kernel")), 6, compute.KernelConfig{})
			return err
		},
		"remove an image": func(s *Store) error { _, err := s.RemoveImages(t.Context(), "kernel", ""); return err },
		"compact":         func(s *Store) error { _, err := s.Compact(t.Context()); return err },
		"type":            func(s *Store) error { return s.SetDerivationType(t.Context(), lineage.Filter) },
	}
}

// TestFrozenStoresStayAsTheyAre: every change of a frozen store is refused, by who froze it,
// by who had it open, and by who opens it later, and no byte of it changes. It can be frozen
// again, and others are derived from it.
func TestFrozenStoresStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(*testing.T) (*volumes.Files, *Store){
		"root": func(t *testing.T) (*volumes.Files, *Store) { return emptyStore(t) },
		"branch": func(t *testing.T) (*volumes.Files, *Store) {
			files, parent := emptyStore(t)
			bring(t, parent, []uint64{10, 11}, 1, 2, 3, 4)
			family := []*Store{parent}
			parent.options.Parents = func(_ context.Context, of lineage.Identity, _ string) iter.Seq2[BranchParent, error] {
				return func(yield func(BranchParent, error) bool) {
					for _, s := range family {
						if s.FileID() == of.ParentID {
							yield(BranchParent{Name: s.Path(), Use: func(_ context.Context, use func(*Store) error) error { return use(s) }}, nil)
						}
					}
				}
			}
			family = append(family, branchOf(t, parent, "b.rvf"))
			return files, family[1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, s := kind(t)
			bring(t, s, []uint64{0, 1}, 1, 2, 3, 4)
			embedKernel(t, s, noise(300), compute.KernelConfig{})
			options := s.options
			options.Known = Known{}
			other, err := Open(t.Context(), s.Path(), options)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
			later, err := Open(t.Context(), s.Path(), options)
			if err != nil {
				t.Fatal(err)
			}
			before := files.Content(s.Path())
			for who, store := range map[string]*Store{"who froze it": s, "who had it open": other, "who opens it": later} {
				if _, err := store.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
				for what, change := range changes(t) {
					if err := change(store); !errors.Is(err, volume.ErrReadOnly) {
						t.Errorf("%s may %s: %v", who, what, err)
					}
				}
				if _, err := store.Freeze(t.Context()); err != nil {
					t.Errorf("freeze again: %v", err)
				}
				if status, err := store.Status(t.Context()); err != nil || !status.Frozen || !status.ReadOnly {
					t.Errorf("%s is told %+v, %v", who, status, err)
				}
			}
			if !bytes.Equal(files.Content(s.Path()), before) {
				t.Error("the file changed")
			}
			for name, content := range map[string]Content{"e.rvf": ContentEmpty, "c.rvf": ContentCopy, "d.rvf": ContentBranch} {
				if err := s.Derive(t.Context(), name, DeriveOptions{Content: content}); err != nil {
					t.Errorf("%s from a frozen store: %v", content, err)
					continue
				}
				child, err := Open(t.Context(), name, options)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := child.Ingest(context.Background(), []uint64{7}, []float32{1, 2}); err != nil {
					t.Errorf("%s of a frozen store: %v", content, err)
				}
				if err := child.Close(); err != nil {
					t.Error(err)
				}
			}
			if !bytes.Equal(files.Content(s.Path()), before) {
				t.Error("the file changed as others were derived from it")
			}
			if err := errors.Join(other.Close(), later.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFreezingEndsSessions: who is at work with a store as somebody freezes it cannot commit
// any more what was not whole by then, and hears of it; and no compaction takes over.
func TestFreezingEndsSessions(t *testing.T) {
	t.Parallel()
	_, s := emptyStore(t)
	bring(t, s, []uint64{0}, 1, 2)
	appender := s.NewAppender()
	if err := appender.Append(t.Context(), []uint64{5}, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := appender.Commit(t.Context()); !errors.Is(err, volume.ErrReadOnly) {
		t.Errorf("a commit of an older session: %v", err)
	}
	if err := appender.Rollback(); err != nil && !errors.Is(err, volume.ErrReadOnly) {
		t.Error(err)
	}
	sameContents(t, contents(t, s), map[uint64][]float32{0: {1, 2}})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFreezingIsWholeOrAbsent enumerates what a crash may leave of a freeze: the store as it
// was, which can be changed, or the frozen one, of which it was told.
func TestFreezingIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, []uint64{0}, 1, 2)
	from := files.Changes()
	if _, err := s.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	made, frozen, not := files.Changes(), 0, 0
	files.Crashes(from, 1, func(what string, c volumes.Crash) {
		left, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files.State(c)}})
		if err != nil {
			t.Errorf("%s after %d changes: %v", what, c.After, err)
			return
		}
		is := isFrozen(context.Background(), left.Current())
		if is {
			frozen++
		} else {
			not++
		}
		if !is && c.After >= made {
			t.Errorf("%s after %d changes: it is not frozen", what, c.After)
		}
		_, err = left.Ingest(context.Background(), []uint64{1}, []float32{3, 4})
		if is != errors.Is(err, volume.ErrReadOnly) || !is && err != nil {
			t.Errorf("%s after %d changes: frozen %t, and then %v", what, c.After, is, err)
		}
		if err := left.Close(); err != nil {
			t.Error(err)
		}
	})
	if frozen == 0 || not == 0 {
		t.Errorf("%d states are frozen, %d are not", frozen, not)
	}
}

// TestMarksOfOthersFreezeNothing: a vendor's segment of the same type is another thing.
func TestMarksOfOthersFreezeNothing(t *testing.T) {
	t.Parallel()
	if segments.IsFreeze([]byte("other vendor")) || !segments.IsFreeze(segments.EncodeFreeze(1)) || segments.IsFreeze(nil) {
		t.Error("a freeze is taken for something else, or something else for one")
	}
}

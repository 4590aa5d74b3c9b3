package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// membersOf are the ids that a branch's filter lets be seen.
func membersOf(t *testing.T, s *Store) (ids []uint64) {
	t.Helper()
	entry, branch := s.Current().LastOf(segments.TypeMembership)
	if !branch {
		t.Fatal("the store is no branch")
	}
	payload, err := s.Current().PrefixOf(t.Context(), entry, entry.PayloadLength)
	if err != nil {
		t.Fatal(err)
	}
	members, err := segments.ParseMembership(payload)
	if err != nil {
		t.Fatal(err)
	}
	for id := range members.Header.VectorCount {
		if members.Contains(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// branchOf makes a branch and opens it.
func branchOf(t *testing.T, parent *Store, name string) *Store {
	t.Helper()
	if err := parent.Derive(t.Context(), name, DeriveOptions{Content: ContentBranch}); err != nil {
		t.Fatal(err)
	}
	options := parent.options
	options.Known = Known{}
	s, err := Open(context.Background(), name, options)
	if err != nil {
		t.Fatal(err)
	}
	return closedAtEnd(t, s)
}

// TestBranchesShowWhatIsLive: whatever is known of the parent's rows, its live vectors are
// those that a branch lets be seen.
func TestBranchesShowWhatIsLive(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*Store){
		"nothing":     func(*Store) {},
		"counted up":  func(s *Store) { bring(t, s, nil, make([]float32, 2*5000)...) },
		"deleted":     func(s *Store) { bring(t, s, nil, make([]float32, 200)...); remove(t, s, 0, 17, 18, 99) },
		"all deleted": func(s *Store) { bring(t, s, nil, make([]float32, 20)...); remove(t, s, run(0, 10)...) },
		"any order":   func(s *Store) { bring(t, s, []uint64{9, 3, 70000, 4}, make([]float32, 8)...) },
		"one far away": func(s *Store) {
			bring(t, s, append(run(0, 50), append([]uint64{900}, run(51, 49)...)...), make([]float32, 200)...)
		},
		"one far away, where no sample is": func(s *Store) {
			ids := run(0, 300_000)
			ids[5] = 500_000
			bring(t, s, ids, make([]float32, 2*len(ids))...)
		},
		"two in each other's place, where no sample is": func(s *Store) {
			ids := run(0, 300_000)
			ids[5], ids[99_999] = ids[99_999], ids[5]
			bring(t, s, ids, make([]float32, 2*len(ids))...)
			remove(t, s, 5)
		},
		"overwritten": func(s *Store) {
			bring(t, s, run(0, 40), make([]float32, 80)...)
			bring(t, s, run(20, 40), make([]float32, 80)...)
			remove(t, s, 30, 59)
		},
	} {
		_, s := emptyStore(t)
		fill(s)
		var want []uint64
		for id := range contents(t, s) {
			want = append(want, id)
		}
		slices.Sort(want)
		files := filelog.FilesOf(s.shelf)
		cold, err := Open(context.Background(), s.Path(), Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		for i, parent := range []*Store{s, cold} {
			branch := branchOf(t, parent, fmt.Sprintf("b%d.rvf", i))
			if got := membersOf(t, branch); !slices.Equal(got, want) {
				t.Errorf("%s: %.300v, want %.300v", name, fmt.Sprint(got), fmt.Sprint(want))
			}
			if found := verify(t, branch.Current()); found.Damages > 0 {
				t.Errorf("%s: %s", name, describeFindings(found))
			}
		}
		if err := cold.Close(); err != nil {
			t.Error(err)
		}
	}
}

// remove deletes vectors.
func remove(t *testing.T, s *Store, ids ...uint64) {
	t.Helper()
	if _, err := s.Delete(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
}

// TestBranchesNameTheirParent: the map and the identity hold what the reference runtime
// wants, the record of the derivation what we do.
func TestBranchesNameTheirParent(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, nil, make([]float32, 20)...)
	made := s.Current() // the branch is listed since
	branch := branchOf(t, s, "b.rvf")
	entry, _ := branch.Current().LastOf(segments.TypeCowMap)
	payload, err := branch.Current().PrefixOf(t.Context(), entry, entry.PayloadLength)
	if err != nil {
		t.Fatal(err)
	}
	m, err := segments.ParseCowMap(payload)
	if err != nil {
		t.Fatal(err)
	}
	content := contentOfFile(t, files, s.Path())
	fold := lineage.Fold(content[max(0, len(content)-lineage.TailSize):])
	identity, _ := branch.Identity()
	if m.BaseID != s.FileID() || m.BaseHash != fold || identity.ParentHash != fold || identity.ParentID != s.FileID() || identity.Depth != 1 ||
		m.ParentPath != s.Path() || m.SnapshotEpoch != made.Epoch() || m.BytesPerVector != 8 {
		t.Errorf("%+v of %+v", m, identity)
	}
	hash, err := made.ParentHash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	record, known, err := branch.Current().Derivation(t.Context())
	if err != nil || !known || record.ParentHash != hash || record.MutationCount != made.Epoch() || record.Type != lineage.Clone {
		t.Errorf("%+v, %t, %v", record, known, err)
	}
}

// contentOfFile are the bytes of a file.
func contentOfFile(t *testing.T, files *volumes.Files, name string) []byte {
	t.Helper()
	file, err := files.Open(name, false)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Describe()
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, info.Size)
	if _, err := file.ReadAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return content
}

// TestWhatCannotBeBranched: ids that no filter has room for, and vectors that nobody can
// read; nothing is left behind.
func TestWhatCannotBeBranched(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	bring(t, s, []uint64{segments.HighestMember + 1}, 1, 1)
	if err := s.Derive(t.Context(), "b.rvf", DeriveOptions{Content: ContentBranch}); !errors.Is(err, volume.ErrInput) {
		t.Errorf("a large id: %v", err)
	}
	remove(t, s, segments.HighestMember+1)
	bring(t, s, run(0, 10), make([]float32, 20)...)
	flip(t, s, s.Current().Vectors()[1].Offset)
	damaged, err := Open(context.Background(), s.Path(), Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	if err := damaged.Derive(t.Context(), "b.rvf", DeriveOptions{Content: ContentBranch}); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	if err := damaged.Close(); err != nil {
		t.Error(err)
	}
	if len(files.Names) != 1 {
		t.Errorf("%d files", len(files.Names))
	}
}

func TestParseContent(t *testing.T) {
	t.Parallel()
	for i := range contentWords {
		if got, err := ParseContent(Content(i).String()); err != nil || got != Content(i) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
	for _, word := range []string{"", "full", "200"} {
		if _, err := ParseContent(word); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%q: %v", word, err)
		}
	}
}

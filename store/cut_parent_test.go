package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	volumes "rvffs/store/volume/memory"
)

// TestCutParents cuts a parent at every byte of its newest commit. Whoever writes to it then, the
// child that came from what was lost is not said to be changed; and rvffs gives no other state the
// epoch of that one as long as anything of it is left.
func TestCutParents(t *testing.T) {
	t.Parallel()
	const silent = "another program, which makes no audit entry,"
	for who, next := range map[string]func(*testing.T, *volumes.Files){
		"rvffs": func(t *testing.T, files *volumes.Files) {
			s := openAlone(t, files, "p.rvf")
			bring(t, s, []uint64{30}, 1, 1)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"another program": func(t *testing.T, files *volumes.Files) {
			peer := openPeer(t, files, "p.rvf")
			entry := peer.append(segments.TypeWitness, segments.Witness{Action: []byte("ingest")}.Encode())
			peer.manifest.Directory = append(slices.Clone(peer.manifest.Directory), entry)
			peer.ingest(30, 1, 1)
		},
		silent: func(t *testing.T, files *volumes.Files) { openPeer(t, files, "p.rvf").ingest(30, 1, 1) },
	} {
		for what, last := range map[string]func(*testing.T, *Store){
			"vectors":   func(t *testing.T, s *Store) { bring(t, s, []uint64{20}, 2, 2) },
			"deletions": func(t *testing.T, s *Store) { deleteIDs(t, s, 10) },
			"a list, which has no audit entry": func(t *testing.T, s *Store) {
				if err := s.Derive(t.Context(), "b.rvf", DeriveOptions{Content: ContentBranch, ListedAs: "b.rvf"}); err != nil {
					t.Fatal(err)
				}
			},
			"a record": func(t *testing.T, s *Store) {
				if err := s.SetDerivationType(t.Context(), lineage.Filter); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(who+" after "+what, func(t *testing.T) {
				t.Parallel()
				files, parent := derivedStore(t)
				if what != "a record" {
					bring(t, parent, []uint64{10}, 1, 1)
				}
				before := parent.Current().State().End
				last(t, parent)
				lost := parent.Current().Epoch()
				if err := parent.Derive(t.Context(), "c.rvf", DeriveOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := parent.Close(); err != nil {
					t.Fatal(err)
				}
				whole := files.Content("p.rvf")
				ends := map[int64]bool{before: true}
				walker := segments.NewWalker(bytes.NewReader(whole), before, int64(len(whole)))
				for walker.Next() {
					ends[walker.Segment().End()] = true
				}
				for size := before; size < int64(len(whole)); size++ {
					if who == silent && ends[size] {
						continue // nothing is torn, and nothing tells
					}
					left := files.State(volumes.Crash{After: files.Changes(), Torn: -1})
					left.Names["p.rvf"].Content = append([]byte(nil), whole[:size]...)
					next(t, left)
					child, s := openAlone(t, left, "c.rvf"), openAlone(t, left, "p.rvf")
					got := judge(t, child, s)
					if got.Damaged() {
						t.Fatalf("cut to %d of %d to %d: %s, %s", size, before, len(whole), got.Status, got.Reason)
					}
					// A whole audit entry alone belongs to the state before it, and tells enough.
					entry := what == "a record" && got.Status == lineage.StatusContinuous
					if epoch := s.Current().Epoch(); who == "rvffs" && size > before && epoch <= lost && !entry {
						t.Fatalf("cut to %d of %d to %d: the next state has epoch %d, and %d is lost", size, before, len(whole), epoch, lost)
					}
					if err := child.Close(); err != nil {
						t.Error(err)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// TestDamagedAuditEntryOfAParent: where the hash that another program has recorded covers an audit
// entry that is damaged, that is what is said.
func TestDamagedAuditEntryOfAParent(t *testing.T) {
	t.Parallel()
	files, parent := derivedStore(t)
	closedAtEnd(t, parent)
	bring(t, parent, []uint64{10}, 1, 1)
	fold := lineage.NewFold()
	if _, err := fold.Write(files.Content("p.rvf")); err != nil {
		t.Fatal(err)
	}
	came := lineage.Descent{Hash: lineage.Hash(fold.Sum(nil))}
	if found, err := parent.Current().History(t.Context(), came); err != nil || found.Held == nil {
		t.Fatalf("%+v, %v", found, err)
	}
	entry, _ := parent.Current().LastOf(segments.TypeWitness)
	flip(t, parent, entry.Offset+segments.HeaderSize+int64(entry.PayloadLength)-1)
	found, err := parent.Current().History(t.Context(), came)
	if err != nil || !strings.Contains(found.Torn, fmt.Sprintf("the audit entry at offset %d of the parent's file is damaged", entry.Offset)) {
		t.Errorf("%+v, %v", found, err)
	}
}

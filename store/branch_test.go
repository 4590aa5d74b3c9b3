package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// cowMap is the payload that makes a file a branch: the map of a parent of no known id,
// without clusters.
func cowMap(bytesPerVector byte, frozen bool) []byte {
	payload := make([]byte, 0x51)
	binary.LittleEndian.PutUint32(payload, segments.CowMapMagic)
	payload[4], payload[0x10], payload[0x40] = 1, parentOfBranch[0], bytesPerVector
	if frozen {
		payload[0x44] = 1
	}
	return payload
}

// parentOfBranch is the store that these branches name.
var parentOfBranch = lineage.FileID{1}

// newBranch is a branch of a parent that has the ids 0 to 99, of which it shows all,
// with rows of its own for some of them and for one more.
func newBranch(t *testing.T, exclude bool, deleted ...uint64) (*volumes.Files, *Store) {
	t.Helper()
	files := volumes.New()
	members := segments.Membership{Bitmap: make([]byte, 16)}
	members.Header.VectorCount, members.Header.Exclude = 100, exclude
	if !exclude {
		for id := range uint64(100) {
			members.Bitmap[id/8] |= 1 << (id % 8)
		}
	}
	older := members
	older.Bitmap = bytes.Repeat([]byte{0}, 16) // of each the last one counts
	if err := writeNew(context.Background(), filelog.Shelf{Files: files}, "a.rvf", newFileContent{
		manifest: &segments.Manifest{
			Dimension: 2, TotalVectors: 5, Deleted: deleted,
			Identity: lineage.Identity{FileID: lineage.FileID{2}, ParentID: parentOfBranch, Depth: 1}, HasIdentity: true,
		},
		before: []volume.NewSegment{
			{Type: segments.TypeCowMap, Payload: cowMap(8, false)}, {Type: segments.TypeMembership, Payload: older.Encode()},
			{Type: segments.TypeMembership, Payload: members.Encode()}, {Type: segments.TypeVec, Payload: rowsPayload(t, 5, 4)},
			{Type: segments.TypeVec, Payload: rowsPayload(t, 200, 1)},
		},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	return files, s
}

// inheritedBy lists the ids that a branch shows of its parent's: those of the filter
// that it does not store.
func inheritedBy(t *testing.T, s *Store) []uint64 {
	t.Helper()
	snapshot, err := s.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	entry, branch := snapshot.LastOf(segments.TypeMembership)
	if !branch {
		t.Fatal("the store is no branch any more")
	}
	payload, err := snapshot.PrefixOf(context.Background(), entry, entry.PayloadLength)
	if err != nil {
		t.Fatal(err)
	}
	members, err := segments.ParseMembership(payload) // hash and count are right
	if err != nil {
		t.Fatal(err)
	}
	stored := idset.New()
	if err := s.ids.At(context.Background(), snapshot, func(ids *idset.Set) error {
		stored.Unite(ids)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var ids []uint64
	for id := range uint64(100) {
		if members.Contains(id) && !stored.Contains(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// TestDeletedVectorsOfABranchStayDeleted: a branch has a row in the place of one of
// its parent's. Once it is deleted, and a compaction has taken it out, the parent's
// old vector must not come back, whoever deleted it and in whatever mode the filter is.
func TestDeletedVectorsOfABranchStayDeleted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	without := func(gone ...uint64) []uint64 {
		return slices.DeleteFunc(run(0, 100), func(id uint64) bool { return slices.Contains(gone, id) })
	}
	for _, exclude := range []bool{false, true} {
		files, s := newBranch(t, exclude, 8) // another program has deleted 8 and left the filter
		if got := inheritedBy(t, s); !slices.Equal(got, without(5, 6, 7, 8)) {
			t.Fatalf("at first: %v", got)
		}
		bring(t, s, []uint64{9}, 1, 1)
		if got, err := s.Delete(ctx, []uint64{5, 9, 200, 300}); err != nil || got.Deleted != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		members := len(s.Current().OfType(segments.TypeMembership))
		if _, err := s.Delete(ctx, []uint64{6}); err != nil {
			t.Fatal(err)
		}
		if members != 1 || len(s.Current().OfType(segments.TypeMembership)) != 1 {
			t.Errorf("%d filters are named, one counts", members)
		}
		// What the next program that compacts would find: the rows are gone, the filter
		// is what it is.
		entry, _ := s.Current().LastOf(segments.TypeMembership)
		payload, err := s.Current().PrefixOf(ctx, entry, entry.PayloadLength)
		if err != nil {
			t.Fatal(err)
		}
		filter, err := segments.ParseMembership(payload)
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[uint64]bool{4: true, 5: false, 6: false, 7: true, 8: true, 9: false, 10: true} {
			if filter.Contains(id) != want {
				t.Errorf("exclude %t: id %d is in the filter: %t", exclude, id, !want)
			}
		}
		for range 2 {
			if _, err := s.Compact(ctx); err != nil {
				t.Fatal(err)
			}
			if got := inheritedBy(t, s); !slices.Equal(got, without(5, 6, 7, 8, 9)) {
				t.Errorf("exclude %t: after a compaction the branch inherits %v", exclude, got)
			}
			sameContents(t, ownContents(t, s), map[uint64][]float32{7: {7, 7}})
			if found := verify(t, s.Current()); found.Damages > 0 {
				t.Error(describeFindings(found))
			}
		}
		before := s.Current().Named()
		bring(t, s, []uint64{300}, 1, 1)
		if _, err := s.Delete(ctx, []uint64{300}); err != nil { // the parent has no such id
			t.Fatal(err)
		}
		entry, _ = s.Current().LastOf(segments.TypeMembership)
		if !slices.Contains(before, entry) {
			t.Error("the filter was written anew for nothing")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if len(files.Names) != 1 {
			t.Errorf("%d files", len(files.Names))
		}
	}
}

// TestDeletionBesideACompactionOfABranch: what is deleted while the compaction runs
// is kept from coming back too.
func TestDeletionBesideACompactionOfABranch(t *testing.T) {
	t.Parallel()
	_, s := newBranch(t, false)
	files := &waitingFiles{FileSystem: filelog.FilesOf(s.shelf)}
	s.file.(*filelog.Log).MovedTo(filelog.Place{Files: files, Name: s.Path()})
	files.store = s
	deleted := false
	files.sync = func() {
		if deleted {
			return
		}
		deleted = true
		if _, err := s.Delete(context.Background(), []uint64{6}); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if got := inheritedBy(t, s); slices.Contains(got, 6) || !slices.Contains(got, 4) {
		t.Errorf("the branch inherits %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFiltersThatNobodyCanReadStay: a branch whose filter is damaged can be written
// to, and the filter stays as it is.
func TestFiltersThatNobodyCanReadStay(t *testing.T) {
	t.Parallel()
	_, s := newBranch(t, false)
	entry, _ := s.Current().LastOf(segments.TypeMembership)
	flip(t, s, entry.Offset+segments.HeaderSize+segments.MembershipHeaderSize)
	if _, err := s.Delete(context.Background(), []uint64{5}); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.Current().LastOf(segments.TypeMembership); now != entry {
		t.Errorf("the filter is %+v, was %+v", now, entry)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

package segments

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"rvffs/lineage"
)

func TestKeptStateBytes(t *testing.T) {
	t.Parallel()
	want := &KeptState{
		Pinned: lineage.Hash{7}, Offset: 1 << 40,
		Manifest: &Manifest{Epoch: 3, Dimension: 2, Directory: []DirectoryEntry{{6, 7, 8, TypeVec}, {9, 10, 11, TypeVec}}, Deleted: []uint64{5}, Identity: testIdentity, HasIdentity: true},
		Hashes:   [][16]byte{{1}, {2}},
	}
	b := want.Encode()
	if len(b) != want.EncodedSize() {
		t.Errorf("%d bytes, said %d", len(b), want.EncodedSize())
	}
	if got, err := ParseKeptState(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for size := range b {
		if _, err := ParseKeptState(b[:size]); !errors.Is(err, ErrPayload) {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	if _, err := ParseKeptState(append(slices.Clone(b), 0)); !errors.Is(err, ErrPayload) {
		t.Errorf("a byte behind: %v", err)
	}
}

func TestBranchesBytes(t *testing.T) {
	t.Parallel()
	want := []ListedBranch{
		{lineage.FileID{1}, lineage.Hash{2}, 3, "a.rvf"}, {lineage.FileID{4}, lineage.Hash{5}, 6, ""}, {lineage.FileID{7}, lineage.Hash{8}, 9, "../b/c.rvf"},
	}
	for count := range len(want) + 1 {
		b := EncodeBranches(want[:count])
		if got, err := ParseBranches(b); err != nil || !slices.Equal(got, want[:count]) {
			t.Errorf("%+v, %v", got, err)
		}
		for size := range b {
			if _, err := ParseBranches(b[:size]); !errors.Is(err, ErrPayload) {
				t.Errorf("%d branches cut at %d: %v", count, size, err)
			}
		}
		if _, err := ParseBranches(append(b, 0)); !errors.Is(err, ErrPayload) {
			t.Errorf("a byte behind: %v", err)
		}
	}
}

// TestMembershipRuns adds runs that begin and end at each place of a byte.
func TestMembershipRuns(t *testing.T) {
	t.Parallel()
	for first := range uint64(20) {
		for last := first; last < 40; last++ {
			m := NewMembership(40, true)
			m.AddRun(first, last)
			read, err := ParseMembership(m.Encode())
			if err != nil || read.Header.MemberCount != last-first+1 {
				t.Fatalf("%d to %d: %+v, %v", first, last, read, err)
			}
			for id := range uint64(50) {
				if read.Contains(id) != (id >= first && id <= last) {
					t.Errorf("%d to %d: %d", first, last, id)
				}
			}
		}
	}
	if none, err := ParseMembership(NewMembership(0, false).Encode()); err != nil || none.Contains(0) {
		t.Errorf("%+v, %v", none, err)
	}
}

// TestNewCowMap: sizes are those that the reference runtime writes.
func TestNewCowMap(t *testing.T) {
	t.Parallel()
	for dimension, want := range map[int][2]uint32{2: {512, 4096}, 3: {341, 4096}, 128: {8, 4096}, 384: {2, 4096}, 1024: {1, 4096}, 1025: {1, 8192}, 0: {4096, 4096}} {
		m := NewCowMap(dimension)
		if got := [2]uint32{m.VectorsPerCluster, m.ClusterSize}; dimension > 0 && got != want || m.BytesPerVector != 4*uint32(dimension) {
			t.Errorf("dimension %d: %d vectors in a cluster of %d bytes", dimension, got[0], got[1])
		}
		if got, err := ParseCowMap(m.Encode()); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

package integration

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/test/integration/peer"
)

// TestDeletedVectorsOfAPeersBranchStayDeleted: the reference runtime branches a store
// and puts vectors in the place of the parent's. Whoever deletes these, and whoever
// compacts the branch then, the parent's old vectors do not come back.
func TestDeletedVectorsOfAPeersBranchStayDeleted(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	for _, compactor := range []string{"we", "the peer", "we, then the peer"} {
		dir := t.TempDir()
		parent, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(dir, "branch.rvf")
		theirs := must(process.Create(parent, 2, "l2"))(t)
		ids := make([]uint64, 20)
		rows := make([]float32, 40)
		for i := range ids {
			ids[i], rows[2*i], rows[2*i+1] = uint64(i), float32(i), 1
		}
		must(theirs.Ingest(ids, rows))(t)
		child := must(theirs.Branch(branch))(t)
		must(child.Ingest([]uint64{3, 4, 5}, []float32{3, 2, 4, 2, 5, 2}))(t)
		if err := errors.Join(child.Close(), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		want := map[uint64]bool{}
		for _, id := range ids {
			want[id] = true
		}
		check := func(when string) {
			t.Helper()
			opened := must(process.OpenReadonly(branch))(t)
			found := map[uint64]bool{}
			for _, neighbor := range must(opened.Query([]float32{0, 0}, 30))(t) {
				found[neighbor.ID] = true
			}
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
			if !maps.Equal(found, want) {
				t.Errorf("%s compacted, %s: the branch shows %v", compactor, when, slices.Sorted(maps.Keys(found)))
			}
		}
		check("at first")
		engineDelete(t, branch, 3)
		delete(want, 3)
		check("after our deletion")
		if compactor == "we" { // its own compaction brings its own deletions back
			opened := peersTurn(t, process, branch)
			must(opened.Delete([]uint64{4}))(t)
			if err := opened.Close(); err != nil {
				t.Fatal(err)
			}
			delete(want, 4)
			check("after the peer's deletion")
		}
		if compactor != "the peer" {
			run(t, program, "compact", branch)
			check("after our compaction")
		}
		if compactor != "we" {
			opened := peersTurn(t, process, branch)
			must(opened.Compact())(t)
			if err := opened.Close(); err != nil {
				t.Fatal(err)
			}
			check("after the peer's compaction")
		}
		if verdict := try(t, program, "verify", branch); verdict.code != 0 {
			t.Errorf("%s compacted: verify: %+v", compactor, verdict)
		}
	}
}

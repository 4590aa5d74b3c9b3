package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/peer"
)

// idsOf are the ids of all vectors that the reference runtime finds in a store.
func idsOf(t *testing.T, s *peer.Store) []uint64 {
	t.Helper()
	var ids []uint64
	for _, neighbor := range must(s.Query([]float32{0, 0}, 1000))(t) {
		ids = append(ids, neighbor.ID)
	}
	slices.Sort(ids)
	return ids
}

// numberedRows are rows for ids whose first component is that of the row.
func numberedRows(from, count uint64, second float32) (ids []uint64, rows []float32) {
	for id := from; id < from+count; id++ {
		ids, rows = append(ids, id), append(rows, float32(id), second)
	}
	return ids, rows
}

// TestPeerOpensOurBranches: the reference runtime shows the vectors of the parent in a
// branch that the command made, beside the parent and in another folder, and writes to it.
func TestPeerOpensOurBranches(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	for _, folder := range []string{"near", "far"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	parent := filepath.Join(dir, "near", "parent.rvf")
	theirs := must(process.Create(parent, 2, "l2"))(t)
	ids, rows := numberedRows(0, 300, 1)
	must(theirs.Ingest(ids, rows))(t)
	must(theirs.Delete([]uint64{7, 8}))(t)
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(ids), func(id uint64) bool { return id == 7 || id == 8 })
	for _, branch := range []string{filepath.Join(dir, "near", "branch.rvf"), filepath.Join(dir, "far", "branch.rvf")} {
		run(t, program, "branch", parent, branch)
		opened := peersTurn(t, process, branch)
		if got := idsOf(t, opened); !slices.Equal(got, want) {
			t.Errorf("%s shows %v", branch, got)
		}
		must(opened.Ingest([]uint64{5, 1000}, []float32{5, 2, 1000, 2}))(t)
		must(opened.Delete([]uint64{9}))(t)
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
		again := must(process.OpenReadonly(branch))(t)
		expected := map[uint64]bool{1000: true}
		for _, id := range want {
			expected[id] = id != 9
		}
		maps.DeleteFunc(expected, func(_ uint64, there bool) bool { return !there })
		if got := idsOf(t, again); !slices.Equal(got, slices.Sorted(maps.Keys(expected))) {
			t.Errorf("%s shows %v after the peer has written to it", branch, got)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if verdict := try(t, program, "verify", branch, parent); verdict.code != 0 {
			t.Error(verdict)
		}
		if info, err := os.Stat(branch); err != nil || info.Size() > 8<<10 {
			t.Errorf("%s has %d bytes, %v", branch, info.Size(), err)
		}
	}
	if verdict := try(t, program, "branch", parent, filepath.Join(dir, "near", "branch.rvf")); verdict.code != 1 {
		t.Errorf("a name that is taken: %+v", verdict)
	}
}

// TestPeerOpensBranchesWhoseOwnVectorsChangedAbove: what becomes in the parent of a vector that
// the branch stores itself keeps nobody from opening the branch, for he sees the branch's. A
// vector that it inherits, and that is another in the parent now, does.
func TestPeerOpensBranchesWhoseOwnVectorsChangedAbove(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	for name, test := range map[string]struct {
		change func(t *testing.T, parent string)
		opens  bool
	}{
		"overwritten": {func(t *testing.T, parent string) { withVectors(t, parent, model{5: {70, 70}}) }, true},
		"deleted":     {func(t *testing.T, parent string) { run(t, program, "delete", parent, "5") }, true},
		"deleted and compacted": {func(t *testing.T, parent string) {
			run(t, program, "delete", parent, "5")
			run(t, program, "compact", parent)
		}, true},
		"another, too": {func(t *testing.T, parent string) { withVectors(t, parent, model{5: {70, 70}, 6: {70, 70}}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parent, branch := filepath.Join(dir, "p.rvf"), filepath.Join(dir, "b.rvf")
			run(t, program, "create", parent, "--dimension", "2")
			vectors := model{}
			for id := range uint64(20) {
				vectors[id] = []float32{float32(id), 1}
			}
			withVectors(t, parent, vectors)
			run(t, program, "branch", parent, branch)
			withVectors(t, branch, model{5: {50, 50}})
			test.change(t, parent)
			withVectors(t, branch, model{99: {99, 1}})
			run(t, program, "compact", branch)
			opened, err := process.OpenReadonly(branch)
			if !test.opens {
				if err == nil {
					t.Fatalf("the peer shows what the parent has now: %v", idsOf(t, opened))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			near := must(opened.Query([]float32{50, 50}, 30))(t)
			if len(near) != 21 || near[0].ID != 5 || near[0].Distance != 0 {
				t.Errorf("%d vectors, the nearest %v", len(near), near[0])
			}
			demand(t, "close", opened.Close())
		})
	}
}

// TestMkdirMakesBranches: under --derive=branch, of a parent that the mount has written to,
// in a file of a few bytes for each thousand vectors. rmdir takes such a one away again when
// it shows nothing any more.
func TestMkdirMakesBranches(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	m := serve(t, t.TempDir(), "--derive=branch")
	_, rows := numberedRows(0, 20_000, 1)
	for _, err := range []error{
		os.Mkdir(m.path("parent.rvf"), 0o755),
		os.WriteFile(m.path("parent.rvf", "vectors.append"), npyOf(slices.Collect(slices.Chunk(rows, 2))), 0o644),
		os.Mkdir(m.path("parent.rvf", "branch.rvf"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(m.backing("branch.rvf")); err != nil || info.Size() > 4<<10 {
		t.Errorf("the branch has %d bytes, %v", info.Size(), err)
	}
	opened := must(process.OpenReadonly(m.backing("branch.rvf")))(t)
	if got := idsOf(t, opened); len(got) != 1000 || got[0] != 0 || got[999] != 999 {
		t.Errorf("the branch shows %d vectors", len(got))
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	branch := m.path("parent.rvf", "branch.rvf")
	if err := unix.Rmdir(branch); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("rmdir of a branch: %v", err)
	}
	if err := unix.Setxattr(branch, "user.rvf.derivation_type", []byte("merge"), 0); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("a type of a branch: %v", err)
	}
	var ids strings.Builder
	for id := range 20_000 {
		_, _ = fmt.Fprintln(&ids, id)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(branch, "vectors.delete"), []byte(ids.String()), 0o644), unix.Rmdir(branch)); err != nil {
		t.Errorf("rmdir of a branch that shows nothing any more: %v", err)
	}
	m.stop()
	m = serve(t, m.Dir)
	child := m.path("parent.rvf", "child.rvf")
	if err := os.Mkdir(child, 0o755); err != nil {
		t.Fatal(err)
	}
	const attribute = "user.rvf.derivation_type"
	for range 2 { // which changes nothing the second time
		if err := unix.Setxattr(child, attribute, []byte("branch"), 0); err != nil {
			t.Fatal(err)
		}
	}
	value := make([]byte, 20)
	if n, err := unix.Getxattr(child, attribute, value); err != nil || string(value[:n]) != "branch" {
		t.Errorf("%q, %v", value[:max(n, 0)], err)
	}
	var status struct {
		LiveVectors int `json:"live_vectors"`
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(child, "status.json")), &status); err != nil || status.LiveVectors != 20_000 {
		t.Errorf("%+v, %v", status, err)
	}
	if err := os.WriteFile(filepath.Join(child, "vectors.append"), npyOf([][]float32{{1, 2}}), 0o644); err != nil {
		t.Error(err)
	}
	merged := m.path("parent.rvf", "merged.rvf")
	if err := errors.Join(os.Mkdir(merged, 0o755), unix.Setxattr(merged, attribute, []byte("merge"), 0), unix.Setxattr(merged, attribute, []byte("branch"), 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Getxattr(merged, attribute, value); err != nil || string(value[:n]) != "merge" {
		t.Errorf("a merge that became a branch is %q, %v", value[:max(n, 0)], err)
	}
	if err := os.Mkdir(m.path("parent.rvf", "full.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path("parent.rvf", "full.rvf", "vectors.append"), npyOf([][]float32{{1, 2}}), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(m.path("parent.rvf", "full.rvf"), attribute, []byte("branch"), 0); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("a store with vectors: %v", err)
	}
	if verdict := try(t, program, "mount", "--derive=full", m.Dir, m.Point); verdict.code != 2 {
		t.Errorf("an unknown word: %+v", verdict)
	}
}

// TestParentsKeepTheirBranches: rmdir and rm refuse a store that has branches and say which,
// wherever these lie, and go on when the branches are gone.
func TestParentsKeepTheirBranches(t *testing.T) {
	t.Parallel()
	dir, far := t.TempDir(), t.TempDir()
	parent, near, away := filepath.Join(dir, "parent.rvf"), filepath.Join(dir, "near.rvf"), filepath.Join(far, "away.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	_, rows := numberedRows(0, 10, 1)
	if err := os.WriteFile(filepath.Join(dir, "rows.npy"), npyOf(slices.Collect(slices.Chunk(rows, 2))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, program, "import", parent, filepath.Join(dir, "rows.npy"))
	for _, branch := range []string{near, away} {
		run(t, program, "branch", parent, branch)
	}
	for i, branch := range []string{near, away} {
		verdict := try(t, program, "rm", parent)
		if verdict.code != 1 || !strings.Contains(verdict.stderr, filepath.Base(branch)) {
			t.Errorf("%d: rm: %+v", i, verdict)
		}
		run(t, program, "compact", parent)
		run(t, program, "rm", branch)
	}
	run(t, program, "rm", parent)
}

// TestRmLooksForListedBranches: a branch in another folder that was renamed keeps its parent
// from being removed, and so does one that is nowhere, unless rm is told that it may.
func TestRmLooksForListedBranches(t *testing.T) {
	t.Parallel()
	dir, far, farther := t.TempDir(), t.TempDir(), t.TempDir()
	parent, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(far, "b.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", parent, branch)
	for _, move := range []struct{ to, says string }{
		{filepath.Join(far, "b2.rvf"), "b2.rvf"},
		{filepath.Join(farther, "b2.rvf"), "not where they were last seen"},
		{filepath.Join(dir, "b3.rvf"), "b3.rvf"},
	} {
		demand(t, "move", os.Rename(branch, move.to))
		branch = move.to
		if got := try(t, program, "rm", parent); got.code != 1 || !strings.Contains(got.stderr, move.says) || !strings.Contains(got.stderr, "--force") {
			t.Errorf("rm while the branch is %s: %+v", branch, got)
		}
	}
	demand(t, "remove", os.Remove(branch))
	if got := try(t, program, "rm", parent); got.code != 1 || !strings.Contains(got.stderr, "if they were removed with rm(1), say rvffs rm --branch ../") {
		t.Errorf("rm when the branch was removed: %+v", got)
	}
	run(t, program, "rm", "--force", parent)
}

// TestBranchesOfFrozenStores lie in its folder, for it cannot list others; rm takes it
// by force alone, together with a branch that it goes on listing.
func TestBranchesOfFrozenStores(t *testing.T) {
	t.Parallel()
	dir, far := t.TempDir(), t.TempDir()
	parent, listed, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(far, "listed.rvf"), filepath.Join(far, "b.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", parent, listed)
	run(t, program, "freeze", parent)
	if got := try(t, program, "branch", parent, branch); got.code == 0 || !strings.Contains(got.stderr, "in its own folder alone") || !strings.Contains(got.stderr, "derive --copy") {
		t.Errorf("a branch in another folder: %+v", got)
	}
	if _, err := os.Stat(branch); err == nil {
		t.Error("it was made all the same")
	}
	near := filepath.Join(dir, "near.rvf")
	run(t, program, "branch", parent, near)
	if got := try(t, program, "rm", near, parent, listed); got.code != 1 || !strings.Contains(got.stderr, parent+": read-only: it is frozen: rvffs rm --force") || !strings.Contains(got.stderr, "nothing was removed") {
		t.Errorf("rm of a frozen store: %+v", got)
	}
	for _, file := range []string{parent, near, listed} {
		must(os.Stat(file))(t)
	}
	run(t, program, "rm", "--force", parent, near, listed)
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

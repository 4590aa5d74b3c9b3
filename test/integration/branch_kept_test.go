package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/test/integration/peer"
)

// TestBranchFilesAreNoVectors: what a branch shows of its parent's is not in its file, so
// that is taken for the vectors of another store by no way, and what to do is said. Its views
// bring all.
func TestBranchFilesAreNoVectors(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
	withVectors(t, m.backing("p.rvf"), model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", m.backing("p.rvf"), m.backing("b.rvf"))
	withVectors(t, m.backing("b.rvf"), model{7: {7, 7}})
	run(t, program, "create", m.backing("new.rvf"), "--dimension", "2")
	soon(t, m, "new.rvf")
	awaitFile(t, m.path("p.rvf", "b.rvf", "status.json"))
	raw := readFile(t, m.path("p.rvf", "b.rvf", "raw"))
	const says = "append its vectors/vectors.jsonl"
	if err := pour(m.path("new.rvf", "vectors.append"), raw); err == nil {
		t.Error("vectors.append took the file of a branch")
	}
	if said := string(readFile(t, m.path("new.rvf", "append.log"))); !strings.Contains(said, says) {
		t.Errorf("append.log does not say what to do: %s", said)
	}
	if err := os.WriteFile(m.path("new.rvf", "incoming", "b.rvf"), raw, 0o644); err == nil {
		eventually(t, "the receipt says what to do", func() error {
			for _, name := range names(t, m.path("new.rvf", "incoming")) {
				if bytes.Contains(readFile(t, m.path("new.rvf", "incoming", name)), []byte(says)) {
					return nil
				}
			}
			return os.ErrNotExist
		})
	}
	if refused := try(t, program, "import", m.backing("new.rvf"), m.backing("b.rvf")); refused.code != 1 || !strings.Contains(refused.stderr, says) {
		t.Errorf("import of the file of a branch: %d, %s", refused.code, refused.stderr)
	}
	if shown := readFile(t, m.path("new.rvf", "vectors", "vectors.jsonl")); len(shown) > 0 {
		t.Errorf("what was refused has left vectors: %s", shown)
	}
	shell(t, `cp "$1/vectors/vectors.jsonl" "$2/vectors.append"`, m.path("p.rvf", "b.rvf"), m.path("new.rvf"))
	if got, want := readFile(t, m.path("new.rvf", "vectors", "vectors.jsonl")), readFile(t, m.path("p.rvf", "b.rvf", "vectors", "vectors.jsonl")); !bytes.Equal(got, want) {
		t.Errorf("the views of the branch brought\n%s, and it shows\n%s", got, want)
	}
}

// branchedMount serves a store of numbered vectors and a branch beside it, and tells what that
// shows.
func branchedMount(t *testing.T) (m *mount, shows []byte) {
	t.Helper()
	m = serve(t, t.TempDir())
	run(t, program, "create", m.backing("p.rvf"), "--dimension", "2")
	vectors := model{}
	for id := range uint64(50) {
		vectors[id] = []float32{float32(id), 1}
	}
	withVectors(t, m.backing("p.rvf"), vectors)
	run(t, program, "branch", m.backing("p.rvf"), m.backing("b.rvf"))
	demand(t, "make a folder", os.Mkdir(m.backing("o"), 0o755))
	awaitFile(t, m.path("p.rvf", "b.rvf", "status.json"))
	return m, readFile(t, m.path("p.rvf", "b.rvf", "vectors", "vectors.jsonl"))
}

// exportsAll fails unless the file of a branch brings what it showed.
func exportsAll(t *testing.T, file string, shows []byte) {
	t.Helper()
	got := try(t, program, "export", file, "-f", "jsonl", "-o", "-")
	if got.code != 0 || !slices.Equal(sortedLines([]byte(got.stdout)), sortedLines(shows)) {
		t.Errorf("export of %s: %d, %s\n%s", filepath.Base(file), got.code, got.stderr, got.stdout)
	}
}

// TestCompactionsTellWhatTheyArrange: a compaction of the parent may give the rows of a
// branch's files another order, in which row n is one vector in all of them. The files' times
// and status.json then say so, although the branch's epoch is what it was, and later
// commits to the parent change nothing.
func TestCompactionsTellWhatTheyArrange(t *testing.T) {
	t.Parallel()
	m, _ := branchedMount(t)
	type seen struct {
		ids, vectors, arranged string
		at                     [2]time.Time
	}
	look := func() (of seen) {
		t.Helper()
		var status struct {
			Branch struct{ Arranged string }
		}
		demand(t, "status", json.Unmarshal(readFile(t, m.path("p.rvf", "b.rvf", "status.json")), &status))
		of.arranged = status.Branch.Arranged
		for i, name := range []string{"ids.npy", "vectors.npy"} {
			file := m.path("p.rvf", "b.rvf", "vectors", name)
			content := string(readFile(t, file))
			of.at[i] = must(os.Stat(file))(t).ModTime()
			if i == 0 {
				of.ids = content
			} else {
				of.vectors = content
			}
		}
		return of
	}
	first := look()
	demand(t, "delete", pour(m.path("p.rvf", "vectors.delete"), []byte("3\n4\n")))
	if deleted := look(); deleted != first {
		t.Errorf("a deletion in the parent changed what is seen: %v, %v", first.at, deleted.at)
	}
	demand(t, "compact", pour(m.path("p.rvf", "ctl"), []byte("compact\n")))
	second := look()
	if second.ids == first.ids || second.vectors == first.vectors {
		t.Fatal("the order is what it was: nothing is tried here")
	}
	for i := range second.at {
		if !second.at[i].After(first.at[i]) || second.at[i] != second.at[0] {
			t.Errorf("times %v, and before %v", second.at, first.at)
		}
	}
	if second.arranged == "" || second.arranged == first.arranged {
		t.Errorf("arranged at %q, and before %q", second.arranged, first.arranged)
	}
	demand(t, "append", pour(m.path("p.rvf", "vectors.append"), []byte("[5, 5]\n")))
	if third := look(); third != second {
		t.Errorf("a commit to the parent changed what is seen: %v, %v", second.at, third.at)
	}
}

// TestCompactionsLookFirst: a branch that somebody has moved a moment ago, or a folder with it,
// is kept for by a compaction in the mount.
func TestCompactionsLookFirst(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]string{"into a folder": "o/b.rvf", "under another name": "c.rvf"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, shows := branchedMount(t)
			demand(t, "delete", pour(m.path("p.rvf", "vectors.delete"), []byte("40\n")))
			run(t, program, "branch", m.backing("p.rvf"), m.backing("second.rvf"))
			awaitFile(t, m.path("p.rvf", "second.rvf", "status.json"))
			second := readFile(t, m.path("p.rvf", "second.rvf", "vectors", "vectors.jsonl"))
			names(t, m.Point)
			// In one breath: the mount's picture of the folders is not a second old.
			shell(t, `mv "$1/second.rvf" "$1/$2"; printf '45\n46\n' > "$3/vectors.delete"; echo compact > "$3/ctl"`, m.Dir, to, m.path("p.rvf"))
			exportsAll(t, m.backing("b.rvf"), shows)
			exportsAll(t, m.backing(to), second)
		})
	}
}

// TestBranchesThatAreRemoved: a parent keeps nothing for a branch that is removed with rvffs rm,
// also where a mount has known it.
func TestBranchesThatAreRemoved(t *testing.T) {
	t.Parallel()
	m, _ := branchedMount(t)
	run(t, program, "rm", m.backing("b.rvf"))
	awaitGone(t, m, "p.rvf/b.rvf")
	demand(t, "delete", pour(m.path("p.rvf", "vectors.delete"), []byte("1\n")))
	demand(t, "compact", pour(m.path("p.rvf", "ctl"), []byte("compact\n")))
	if status := readFile(t, m.path("p.rvf", "status.json")); bytes.Contains(status, []byte(`"branches"`)) {
		t.Errorf("a branch that was removed is listed: %s", status)
	}
	run(t, program, "rm", m.backing("p.rvf"))
}

// TestRecoverKeepsBranches: a parent that lost the end of its only manifest, or of its newest,
// is after rvffs recover what it was, whoever came from it and wherever he lies: it has its id,
// branches show what they did, and children are verified. --list says so and changes nothing.
func TestRecoverKeepsBranches(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	made := map[string]func(t *testing.T, parent, branch string){
		"ours": func(t *testing.T, parent, branch string) { run(t, program, "branch", parent, branch) },
		"the peer's": func(t *testing.T, parent, branch string) {
			theirs := must(process.Open(parent))(t)
			demand(t, "branch", must(theirs.Branch(branch))(t).Close())
			demand(t, "close", theirs.Close())
		},
	}
	for what, branchTo := range made {
		for _, cut := range []int64{1, 10, 40, 60, 72} {
			for name, of := range map[string]struct {
				only bool
				at   string
			}{"the only manifest": {true, "b.rvf"}, "the newest": {false, "b.rvf"}, "the newest, from another folder": {false, "o/b.rvf"}} {
				if of.only && what != "ours" {
					continue // its compaction is ours
				}
				t.Run(fmt.Sprint(what, ", ", name, ", ", cut), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					parent, branch := filepath.Join(dir, "p.rvf"), filepath.Join(dir, filepath.FromSlash(of.at))
					demand(t, "folder", os.MkdirAll(filepath.Dir(branch), 0o755))
					run(t, program, "create", parent, "--dimension", "2")
					withVectors(t, parent, numbered(0, randomRows(1, 30, 2)))
					branchTo(t, parent, branch)
					if of.only {
						run(t, program, "delete", parent, "1", "2", "3")
						run(t, program, "compact", parent)
					}
					recoversToTheByte(t, parent, branch, cut)
				})
			}
		}
	}
}

// recoversToTheByte cuts the end of a parent's newest manifest off and has it put back.
func recoversToTheByte(t *testing.T, parent, branch string, cut int64) {
	t.Helper()
	shows := []byte(run(t, program, "export", branch, "-f", "jsonl"))
	whole, there := readFile(t, parent), names(t, filepath.Dir(parent))
	demand(t, "cut", os.Truncate(parent, int64(len(whole))-cut))
	listed := run(t, program, "recover", "--list", parent)
	if !strings.Contains(listed, "the store is what it was, also for its branches") {
		t.Errorf("--list: %s", listed)
	}
	if int64(len(readFile(t, parent))) != int64(len(whole))-cut || !slices.Equal(names(t, filepath.Dir(parent)), there) {
		t.Error("--list has changed something")
	}
	run(t, program, "recover", parent)
	if !bytes.Equal(readFile(t, parent), whole) {
		t.Error("the parent is not what it was")
	}
	exportsAll(t, branch, shows)
	if verdict := run(t, program, "verify", branch); !strings.Contains(verdict, "intact") {
		t.Errorf("verify of the branch: %s", verdict)
	}
}

// TestRecoverLosesNothingKeptForBranches: where more is missing than can be proved, what a
// parent kept for branches stays beside it.
func TestRecoverLosesNothingKeptForBranches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := filepath.Join(dir, "p.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, numbered(0, randomRows(1, 30, 2)))
	run(t, program, "branch", parent, filepath.Join(dir, "b.rvf"))
	run(t, program, "delete", parent, "1", "2", "3")
	run(t, program, "compact", parent)
	whole := readFile(t, parent)
	demand(t, "cut", os.Truncate(parent, int64(len(whole))-90))
	if got := try(t, program, "recover", parent); got.code != 1 || !strings.Contains(got.stdout, "states that were kept for branches") {
		t.Errorf("recover: %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if !bytes.Contains(readFile(t, parent+".tail-0"), whole[:len(whole)-90]) {
		t.Error("what was kept for branches is gone")
	}
}

// TestBranchesThatLackWhatTheyInherit: whatever tells of a branch whose parent is gone says that
// its inherited vectors cannot be read, and its own ones can be got at all the same.
func TestBranchesThatLackWhatTheyInherit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent, branch := filepath.Join(dir, "p.rvf"), filepath.Join(dir, "b.rvf")
	run(t, program, "create", parent, "--dimension", "2")
	withVectors(t, parent, model{1: {1, 2}, 2: {3, 4}})
	run(t, program, "branch", parent, branch)
	withVectors(t, branch, model{7: {7, 7}})
	if drawn := run(t, program, "lineage", dir); !strings.Contains(drawn, "branch") || strings.Contains(drawn, "clone") {
		t.Errorf("a branch is drawn as %s", drawn)
	}
	stray := filepath.Join(dir, "other", "p.rvf")
	demand(t, "make a folder", os.Mkdir(filepath.Dir(stray), 0o755))
	run(t, program, "create", stray, "--dimension", "2")
	demand(t, "put another in its place", os.Rename(stray, parent))
	const says = "vectors that it inherits cannot be read"
	if drawn := try(t, program, "lineage", dir); drawn.code != 1 || !strings.Contains(drawn.stdout, says) {
		t.Errorf("lineage: %d, %s", drawn.code, drawn.stdout)
	}
	if status := try(t, program, "status", branch); status.code != 1 || !strings.Contains(status.stderr, says) {
		t.Errorf("status: %d, %s%s", status.code, status.stdout, status.stderr)
	}
	if own := run(t, program, "export", branch, "--own", "-f", "jsonl"); strings.Count(own, "\n") != 1 || !strings.Contains(own, `7,"vector"`) {
		t.Errorf("its own vectors: %s", own)
	}
	m := serve(t, dir)
	for view, want := range map[string]string{"lineage.json": `"inherited_unreadable": true`, "lineage.svg": says, "lineage.dot": says} {
		if text := string(readFile(t, m.path(".rvffs", view))); !strings.Contains(text, want) {
			t.Errorf("%s: %s", view, text)
		}
	}
}

package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/peer"
)

// shownLines reads lines of JSON, as vectors.jsonl has them, as the second component of
// each vector by its id.
func shownLines(t testing.TB, text []byte) map[uint64]float32 {
	t.Helper()
	found := map[uint64]float32{}
	for line := range bytes.Lines(text) {
		var row struct {
			ID     uint64    `json:"id"`
			Vector []float32 `json:"vector"`
		}
		if err := json.Unmarshal(line, &row); err != nil || len(row.Vector) != 2 || row.Vector[0] != float32(row.ID) {
			t.Fatalf("%q: %v", line, err)
		}
		if _, twice := found[row.ID]; twice {
			t.Fatalf("id %d twice", row.ID)
		}
		found[row.ID] = row.Vector[1]
	}
	return found
}

// bringNumbered stores vectors of which the first component is the id.
func bringNumbered(t testing.TB, s *peer.Store, holds map[uint64]float32, second float32, ids ...uint64) {
	t.Helper()
	var rows []float32
	for _, id := range ids {
		rows = append(rows, float32(id), second)
		holds[id] = second
	}
	if _, err := s.Ingest(ids, rows); err != nil {
		t.Fatal(err)
	}
}

// peersBranch is a store of 300 vectors that the peer has made, and a branch of it that
// has replaced some, deleted some and added some.
func peersBranch(t *testing.T, process *peer.Process, dir string) (holds map[uint64]float32) {
	t.Helper()
	theirs := must(process.Create(filepath.Join(dir, "parent.rvf"), 2, "l2"))(t)
	ids, _ := numberedRows(0, 300, 1)
	parent := map[uint64]float32{}
	bringNumbered(t, theirs, parent, 1, ids...)
	must(theirs.Delete([]uint64{7, 8}))(t)
	delete(parent, 7)
	delete(parent, 8)
	holds = maps.Clone(parent)
	branch := must(theirs.Branch(filepath.Join(dir, "branch.rvf")))(t)
	bringNumbered(t, branch, holds, 2, 3, 4, 1000)
	must(branch.Delete([]uint64{4, 9, 10}))(t)
	for _, id := range []uint64{4, 9, 10} {
		delete(holds, id)
	}
	if err := branch.Close(); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	return holds
}

// TestPeersBranchesAreShownInFull: a branch that the reference runtime made shows its
// parent's vectors in every view and to every command, and says that it is one. What
// becomes of the parent later is not seen.
func TestPeersBranchesAreShownInFull(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	dir := t.TempDir()
	holds := peersBranch(t, process, dir)
	m := serve(t, dir)
	branch := m.path("parent.rvf", "branch.rvf")
	check := func(when string) {
		t.Helper()
		if got := shownLines(t, readFile(t, filepath.Join(branch, "vectors", "vectors.jsonl"))); !maps.Equal(got, holds) {
			t.Errorf("%s: the mount shows %d vectors, want %d", when, len(got), len(holds))
		}
		if got := shownLines(t, []byte(run(t, program, "export", m.backing("branch.rvf"), "-f", "jsonl"))); !maps.Equal(got, holds) {
			t.Errorf("%s: the command shows %d vectors, want %d", when, len(got), len(holds))
		}
	}
	check("at first")

	f32 := readFile(t, filepath.Join(branch, "vectors", "vectors.f32"))
	if len(f32) != 8*len(holds) {
		t.Errorf("vectors.f32 has %d bytes", len(f32))
	}
	for id, want := range map[string]string{"3.json": "2", "11.json": "1", "1000.json": "2"} {
		if text := string(readFile(t, filepath.Join(branch, "vectors", "by-id", id))); !strings.Contains(text, want+"]") {
			t.Errorf("by-id/%s says %q", id, text)
		}
	}
	for _, id := range []string{"4", "7", "9", "300"} {
		if _, err := os.Stat(filepath.Join(branch, "vectors", "by-id", id+".json")); !os.IsNotExist(err) {
			t.Errorf("by-id/%s.json: %v", id, err)
		}
	}
	neighbors := string(readFile(t, filepath.Join(branch, "neighbors", "11.json")))
	if !strings.Contains(neighbors, `{"id":12,`) || strings.Contains(neighbors, `"id":10,`) {
		t.Errorf("the neighbors of 11 are\n%s", neighbors)
	}
	if text := run(t, program, "query", m.backing("branch.rvf"), "--vector", "[9,1]", "-k", "2", "--json"); !strings.Contains(text, `"id":11,`) || strings.Contains(text, `"id":9,`) {
		t.Errorf("a query finds\n%s", text)
	}

	type branchFacts struct {
		Live   int `json:"live_vectors"`
		Branch struct {
			Inherited int `json:"inherited_vectors"`
			Own       int `json:"own_vectors"`
		} `json:"branch"`
	}
	for name, text := range map[string][]byte{
		"status.json": readFile(t, filepath.Join(branch, "status.json")), "identity.json": readFile(t, filepath.Join(branch, "identity.json")),
		"rvffs status": []byte(run(t, program, "status", "--json", m.backing("branch.rvf"))),
	} {
		var facts branchFacts
		if err := json.Unmarshal(text, &facts); err != nil || facts.Branch.Inherited != len(holds)-2 || facts.Branch.Own != 2 || name != "identity.json" && facts.Live != len(holds) {
			t.Errorf("%s: %+v, %v", name, facts, err)
		}
	}
	if text := run(t, program, "inspect", m.backing("branch.rvf")); !strings.Contains(text, "branch of          parent.rvf\n") || !strings.Contains(text, "inherited vectors  294\n") {
		t.Errorf("inspect says\n%s", text)
	}
	for name, want := range map[string]string{"branch_of": "parent.rvf", "inherited_vectors": fmt.Sprint(len(holds) - 2), "own_vectors": "2"} {
		value := make([]byte, 64)
		n, err := unix.Getxattr(branch, "user.rvf."+name, value)
		if err != nil || string(value[:n]) != want {
			t.Errorf("user.rvf.%s is %q, %v", name, value[:max(n, 0)], err)
		}
	}
	if verdict := try(t, program, "verify", m.backing("branch.rvf")); verdict.code != 0 {
		t.Errorf("verify: %+v", verdict)
	}

	parent := must(process.Open(m.backing("parent.rvf")))(t)
	bringNumbered(t, parent, map[uint64]float32{}, 5, 2, 9, 400)
	must(parent.Delete([]uint64{11}))(t)
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	check("when the peer has changed the parent")
	if err := os.WriteFile(m.path("parent.rvf", "vectors.append.jsonl"), []byte(`{"id":12,"vector":[12,6]}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path("parent.rvf", "vectors.delete"), []byte("13\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("when the mount has changed the parent")
	copied := filepath.Join(t.TempDir(), "far", "from", "it", "copy.rvf") // where nobody looks for the parent
	if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, readFile(t, m.backing("branch.rvf")), 0o644); err != nil {
		t.Fatal(err)
	}
	if verdict := try(t, program, "flatten", copied); verdict.code != 1 {
		t.Errorf("flatten without the parent: %+v", verdict)
	}
	beside := m.backing("flat.rvf")
	if err := os.Rename(copied, beside); err != nil {
		t.Fatal(err)
	}
	run(t, program, "flatten", beside)
	if err := os.Rename(beside, copied); err != nil {
		t.Fatal(err)
	}
	opened := must(process.OpenReadonly(copied))(t)
	if got := idsOf(t, opened); !slices.Equal(got, slices.Sorted(maps.Keys(holds))) {
		t.Errorf("the peer shows %d vectors of the flattened branch, want %d", len(got), len(holds))
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}

	// A program that keeps nothing for branches rewrites the parent.
	parent = peersTurn(t, process, m.backing("parent.rvf"))
	must(parent.Compact())(t)
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if verdict := try(t, program, "export", m.backing("branch.rvf")); verdict.code != 1 || !strings.Contains(verdict.stderr, "rewritten") {
		t.Errorf("export of a branch whose parent was rewritten: %d, %s", verdict.code, verdict.stderr)
	}
	if verdict := try(t, program, "verify", m.backing("branch.rvf")); verdict.code != 1 {
		t.Errorf("verify of it: %+v", verdict)
	}
	for _, name := range []string{"raw", "manifest.json", "witness.jsonl"} {
		readFile(t, filepath.Join(branch, name))
	}
}

// TestBranchesByTurns: the reference runtime and we write to one branch, made by either, of
// a parent of either, and both show the same.
func TestBranchesByTurns(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	histories := 12
	if testing.Short() {
		histories = 3
	}
	for seed := range histories {
		random := rand.New(rand.NewPCG(uint64(seed), 4))
		dir := t.TempDir()
		parent, branch := filepath.Join(dir, "parent.rvf"), filepath.Join(dir, "branch.rvf")
		holds := map[uint64]float32{}
		theirs := must(process.Create(parent, 2, "l2"))(t)
		ids, _ := numberedRows(0, 50+random.Uint64N(100), 1)
		bringNumbered(t, theirs, holds, 1, ids...)
		if random.IntN(2) == 0 {
			if err := must(theirs.Branch(branch))(t).Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := theirs.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(branch); err != nil {
			run(t, program, "branch", parent, branch)
		}
		for turn := range 8 {
			second := float32(turn + 2)
			some := func() (ids []uint64) {
				for range 1 + random.IntN(6) {
					if id := random.Uint64N(200); !slices.Contains(ids, id) {
						ids = append(ids, id)
					}
				}
				return ids
			}
			if random.IntN(2) == 0 {
				opened := peersTurn(t, process, branch)
				bringNumbered(t, opened, holds, second, some()...)
				gone := some()
				must(opened.Delete(gone))(t)
				for _, id := range gone {
					delete(holds, id)
				}
				if err := opened.Close(); err != nil {
					t.Fatal(err)
				}
			} else {
				var text strings.Builder
				for _, id := range some() {
					fmt.Fprintf(&text, "{\"id\":%d,\"vector\":[%d,%v]}\n", id, id, second)
					holds[id] = second
				}
				file := filepath.Join(dir, "more.jsonl")
				if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				run(t, program, "import", branch, file)
			}
			if got := shownLines(t, []byte(run(t, program, "export", branch, "-f", "jsonl"))); !maps.Equal(got, holds) {
				t.Fatalf("history %d, turn %d: we show %v\nwant %v", seed, turn, got, holds)
			}
			opened := must(process.OpenReadonly(branch))(t)
			if got := idsOf(t, opened); !slices.Equal(got, slices.Sorted(maps.Keys(holds))) {
				t.Fatalf("history %d, turn %d: the peer shows %v\nwant %v", seed, turn, got, slices.Sorted(maps.Keys(holds)))
			}
			if err := opened.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if verdict := try(t, program, "verify", branch, parent); verdict.code != 0 {
			t.Errorf("history %d: verify: %+v", seed, verdict)
		}
	}
}

// TestMappedBranchesOutliveACompaction of their parent: who has mapped a view goes on to
// read what it showed.
func TestMappedBranchesOutliveACompaction(t *testing.T) {
	t.Parallel()
	const rows = 40_000
	m := serve(t, t.TempDir(), "--derive=branch")
	var content []byte
	for id := range rows {
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(float32(id)))
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(1))
	}
	for _, err := range []error{
		os.Mkdir(m.path("parent.rvf"), 0o755),
		os.WriteFile(m.path("parent.rvf", "vectors.append.npy"), npyOf(pairs(content)), 0o644),
		os.Mkdir(m.path("parent.rvf", "branch.rvf"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	name := m.path("parent.rvf", "branch.rvf", "vectors", "vectors.f32")
	file := must(os.Open(name))(t)
	defer func() { _ = file.Close() }()
	mapped, err := unix.Mmap(int(file.Fd()), 0, len(content), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	if !bytes.Equal(mapped[:4096], content[:4096]) {
		t.Error("the first page is another one")
	}
	for path, text := range map[string]string{"vectors.delete": "17\n", "ctl": "compact\n"} {
		if err := os.WriteFile(m.path("parent.rvf", path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(mapped, content) {
		t.Error("what is mapped has changed")
	}
	if got := readFile(t, name); len(got) != len(content) || !slices.ContainsFunc(pairs(got), func(row []float32) bool { return row[0] == 17 }) {
		t.Errorf("the branch shows %d bytes when its parent was compacted", len(got))
	}
	if err := os.WriteFile(m.path("parent.rvf", "branch.rvf", "ctl"), []byte("flatten\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, name); len(got) != len(content) {
		t.Errorf("it shows %d bytes when it was flattened", len(got))
	}
	if !bytes.Equal(mapped, content) {
		t.Error("what is mapped has changed as the branch was flattened")
	}
	if text := run(t, program, "status", m.backing("branch.rvf"), "--json"); strings.Contains(text, "inherited") {
		t.Errorf("it is a branch still: %s", text)
	}
}

// pairs are the rows of two components in some bytes.
func pairs(content []byte) (rows [][]float32) {
	for row := range slices.Chunk(content, 8) {
		rows = append(rows, []float32{math.Float32frombits(binary.LittleEndian.Uint32(row)), math.Float32frombits(binary.LittleEndian.Uint32(row[4:]))})
	}
	return rows
}

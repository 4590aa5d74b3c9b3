package integration

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/test/integration/rawfile"
)

// chainOf are stores of which each was derived from the one before: 0000.rvf, 0001.rvf …
func chainOf(generations int) map[string][]byte {
	files := map[string][]byte{}
	store := rawfile.NewBuilder("0000", 3)
	for i := 0; ; i++ {
		files[fmt.Sprintf("%04d.rvf", i)] = store.Bytes
		if i == generations {
			return files
		}
		store = store.Child(fmt.Sprintf("%04d", i+1))
	}
}

// claiming is a store that says what it likes of itself; one without a name has no id.
func claiming(name, parent string, depth uint32) []byte {
	identity := rawfile.Identity{Depth: depth}
	if name != "" {
		identity.FileID = rawfile.FileID(name)
	}
	if parent != "" {
		identity.ParentID = rawfile.FileID(parent)
	}
	return (&rawfile.Builder{Dimension: 3, Identity: &identity}).Manifest().Bytes
}

// liars are stores that contradict themselves or each other.
func liars() map[string][]byte {
	return map[string][]byte{
		"self.rvf": claiming("self", "self", 1),
		"egg.rvf":  claiming("egg", "hen", 1), "hen.rvf": claiming("hen", "egg", 1), "chick.rvf": claiming("chick", "egg", 2),
		"rock.rvf": claiming("rock", "scissors", 1<<32-1), "paper.rvf": claiming("paper", "rock", 0), "scissors.rvf": claiming("scissors", "paper", 7),
		"root.rvf": claiming("root", "", 0), "deep.rvf": claiming("deep", "root", 1<<32-1), "flat.rvf": claiming("flat", "root", 0), "proud.rvf": claiming("proud", "", 9),
		"zero.rvf": claiming("", "", 0), "nobody.rvf": claiming("", "root", 1), "orphan.rvf": claiming("orphan", "gone", 1),
	}
}

// liarsVerdicts are what is true of them.
var liarsVerdicts = map[string]lineage.Status{
	"self.rvf": "cycle", "egg.rvf": "cycle", "hen.rvf": "cycle", "chick.rvf": "unmatched",
	"rock.rvf": "cycle", "paper.rvf": "cycle", "scissors.rvf": "cycle",
	"root.rvf": "root", "deep.rvf": "wrong-depth", "flat.rvf": "wrong-depth", "proud.rvf": "wrong-depth",
	"zero.rvf": "root", "nobody.rvf": "unmatched", "orphan.rvf": "parent-missing",
}

// pedigreeShown is what `rvffs lineage --json` and .rvffs/lineage.json tell.
func pedigreeShown(t testing.TB, text string) lineage.Pedigree {
	t.Helper()
	var p lineage.Pedigree
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%v in %.400s", err, text)
	}
	return p
}

// verdictsOf are those of a pedigree, by the names of files.
func verdictsOf(p lineage.Pedigree) map[string]lineage.Status {
	verdicts := map[string]lineage.Status{}
	for _, store := range p.Stores {
		verdicts[filepath.Base(store.File)] = store.Verification.Status
	}
	return verdicts
}

// sameVerdicts compares them with what is wanted.
func sameVerdicts(t testing.TB, p lineage.Pedigree, want map[string]lineage.Status) {
	t.Helper()
	got := verdictsOf(p)
	for name, verdict := range want {
		if got[name] != verdict {
			t.Errorf("%s is told to be %q, want %q", name, got[name], verdict)
		}
	}
	if len(got) != len(want) || len(p.Stores) != len(want) {
		t.Errorf("%d stores are told of, want %d", len(p.Stores), len(want))
	}
}

// TestLineageCommandOfChains draws chains of some generations, whole and from one store.
func TestLineageCommandOfChains(t *testing.T) {
	t.Parallel()
	for _, generations := range []int{0, 1, 2, 10, 1000} {
		t.Run(fmt.Sprint(generations), func(t *testing.T) {
			t.Parallel()
			dir := folder(t, chainOf(generations))
			p := pedigreeShown(t, run(t, program, "lineage", "--json", dir))
			for i, store := range p.Stores {
				want := lineage.Status("verified")
				if i == 0 {
					want = "root"
				}
				if store.Level != i || filepath.Base(store.File) != fmt.Sprintf("%04d.rvf", i) || store.Verification.Status != want {
					t.Fatalf("store %d is %s at level %d, %s", i, store.File, store.Level, store.Verification.Status)
				}
			}
			if len(p.Stores) != generations+1 || p.Bad != 0 {
				t.Errorf("%d stores, %d bad", len(p.Stores), p.Bad)
			}
			middle := filepath.Join(dir, fmt.Sprintf("%04d.rvf", generations/2))
			text := run(t, program, "lineage", middle)
			if got := strings.Count(text, "\n"); got != generations+1 {
				t.Errorf("from the middle one %d stores are drawn", got)
			}
		})
	}
}

// TestLineageCommandOfLiars: each gets its verdict, and the command fails.
func TestLineageCommandOfLiars(t *testing.T) {
	t.Parallel()
	files := liars()
	files["sub/none.rvf"] = []byte("no store at all, but long enough to be asked for a header of sixty-four bytes")
	dir := folder(t, files)
	got := try(t, program, "lineage", "--json", dir)
	p := pedigreeShown(t, got.stdout)
	want := map[string]lineage.Status{"none.rvf": "unreadable"}
	for name, verdict := range liarsVerdicts {
		want[name] = verdict
	}
	sameVerdicts(t, p, want)
	if got.code != 1 || p.Bad != 10 || !strings.Contains(got.stderr, "10 of 15 stores") {
		t.Errorf("exit status %d, %d bad, %s", got.code, p.Bad, got.stderr)
	}
	for name, code := range map[string]int{"egg.rvf": 1, "self.rvf": 1, "orphan.rvf": 0, "zero.rvf": 0} {
		if got := try(t, program, "lineage", filepath.Join(dir, name)); got.code != code || !strings.Contains(got.stdout, name) {
			t.Errorf("%s: exit status %d\n%s%s", name, got.code, got.stdout, got.stderr)
		}
	}
	for _, none := range []string{filepath.Join(dir, "sub/none.rvf"), filepath.Join(dir, "gone.rvf")} {
		if got := try(t, program, "lineage", none); got.code != 1 || got.stdout != "" || got.stderr == "" {
			t.Errorf("%s: exit status %d\n%s%s", none, got.code, got.stdout, got.stderr)
		}
	}
}

// copied are so many files of one id, and as many children of it.
func copied(n int) map[string][]byte {
	parent := rawfile.NewBuilder("parent", 3)
	child := parent.Child("child").Bytes
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("p%05d.rvf", i)], files[fmt.Sprintf("c%05d.rvf", i)] = parent.Bytes, child
	}
	return files
}

// TestLineageCommandOfCopies: thousands of files of one id take time in proportion.
func TestLineageCommandOfCopies(t *testing.T) {
	t.Parallel()
	n := 1000
	if testing.Short() {
		n = 200
	}
	dir := folder(t, copied(n))
	began := time.Now()
	got := tryFor(t, longPatience, program, "lineage", "--json", dir)
	p := pedigreeShown(t, got.stdout)
	t.Logf("%d files in %v", 2*n, time.Since(began))
	if got.code != 0 || len(p.Stores) != 2*n {
		t.Fatalf("exit status %d, %d stores, %s", got.code, len(p.Stores), got.stderr)
	}
	for _, store := range p.Stores {
		if v := store.Verification; strings.HasPrefix(filepath.Base(store.File), "c") && (v.Status != "verified" || filepath.Base(v.Parent) != "p00000.rvf" || len(v.Among)+v.MoreAmong != n-1) {
			t.Fatalf("%s: %+v", store.File, v)
		}
	}
}

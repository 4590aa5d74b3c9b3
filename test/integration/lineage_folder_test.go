package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/test/integration/rawfile"
)

// ancestryShown is what ancestry.json of a store's folder tells.
func ancestryShown(t testing.TB, storeFolder string) lineage.Ancestry {
	t.Helper()
	return must(decode[lineage.Ancestry](filepath.Join(storeFolder, "lineage/ancestry.json")))(t)
}

// relatives are a family across folders, in which two children have one name.
func relatives() map[string][]byte {
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	child := parent.Child("child").Vec(dimension3).Manifest()
	return map[string][]byte{
		"parent.rvf": parent.Bytes, "child.rvf": child.Bytes, "far/child.rvf": parent.Child("other").Bytes,
		"far/deep/grand.rvdna": child.Child("grand").Bytes,
	}
}

// TestLineageFolder: links lead to the parent's folder and to those of the children, from
// wherever a store is reached, and nothing of it can be changed.
func TestLineageFolder(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, relatives()))
	leads := func(link, want string) {
		t.Helper()
		if info := must(os.Lstat(m.path(link)))(t); info.Mode().Type() != os.ModeSymlink {
			t.Errorf("%s is %v", link, info.Mode())
		}
		if got := fileIDShown(t, m.path(link)); got != fileIDHex(want) {
			t.Errorf("%s leads to the store %s, want %s", link, got, fileIDHex(want))
		}
		if !os.SameFile(must(os.Stat(m.path(link)))(t), must(os.Stat(must(filepath.EvalSymlinks(m.path(link)))(t)))(t)) {
			t.Errorf("%s leads to another folder than where the store stands", link)
		}
	}
	leads("parent.rvf/lineage/children/child.rvf", "child")
	leads("parent.rvf/lineage/children/child@far.rvf", "other")
	leads("parent.rvf/child.rvf/lineage/parent", "parent")
	leads("child.rvf/lineage/parent", "parent")
	leads("far/child.rvf/lineage/parent", "parent")
	leads("child.rvf/lineage/children/grand.rvdna", "grand")
	leads("far/deep/grand.rvdna/lineage/parent/lineage/parent/lineage/children/child.rvf", "child")
	for path, want := range map[string][]string{
		"parent.rvf/lineage": {"ancestry.json", "children"}, "child.rvf/lineage": {"ancestry.json", "children", "parent"},
		"parent.rvf/lineage/children": {"child.rvf", "child@far.rvf"}, "far/deep/grand.rvdna/lineage/children": nil,
	} {
		if got := names(t, m.path(path)); !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", path, got, want)
		}
	}
	got := ancestryShown(t, m.path("far/deep/grand.rvdna"))
	if got.Ancestors != 2 || got.End != "root" || got.Weakest != "verified" || got.Chain[0].File != "far/deep/grand.rvdna" || got.Chain[0].Profile != "RVDNA" ||
		got.Chain[1].File != "child.rvf" || got.Chain[2].File != "parent.rvf" || got.Chain[2].FileID != fileIDHex("parent") || got.Chain[1].Verification.Method != "fold-tail" {
		t.Errorf("the ancestry of the grandchild is %+v", got)
	}

	for what, change := range map[string]string{
		"make a folder": "mkdir $1/parent.rvf/lineage/x", "make one among the children": "mkdir $1/parent.rvf/lineage/children/x",
		"create": "touch $1/parent.rvf/lineage/x", "create a child": "touch $1/parent.rvf/lineage/children/x", "link": "ln -s y $1/child.rvf/lineage/x",
		"remove a link": "rm $1/child.rvf/lineage/parent", "remove a child's link": "unlink $1/parent.rvf/lineage/children/child.rvf",
		"remove the text": "rm -f $1/parent.rvf/lineage/ancestry.json", "remove a folder": "rmdir $1/parent.rvf/lineage/children", "remove all": "rm -rf $1/parent.rvf/lineage",
		"remove the lineage": "rmdir $1/parent.rvf/lineage", "rename": "mv $1/child.rvf/lineage/parent $1/child.rvf/lineage/x", "rename the lineage": "mv -T $1/parent.rvf/lineage $1/parent.rvf/x",
		"cut": "truncate -s 0 $1/parent.rvf/lineage/ancestry.json", "write": "echo > $1/parent.rvf/lineage/ancestry.json",
	} {
		got := tryShell(t, change, m.Point)
		if words := strings.Contains(got.stderr, syscall.EPERM.Error()) || strings.Contains(got.stderr, "Operation not permitted"); got.code == 0 || !words {
			t.Errorf("%s: exit status %d, %s", what, got.code, got.stderr)
		}
	}
	wantErrno(t, "mkdir of a child called lineage", os.Mkdir(m.path("child.rvf/lineage"), 0o755), syscall.EEXIST)
	if err := os.Rename(m.path("parent.rvf/child.rvf"), m.path("parent.rvf/lineage")); err == nil {
		t.Error("a child takes the name lineage")
	}

	// Names move, and the links lead there.
	run(t, "mv", m.path("parent.rvf"), m.path("renamed.rvf"))
	leads("child.rvf/lineage/parent", "parent")
	leads("renamed.rvf/lineage/children/child.rvf", "child")
	run(t, "mv", m.path("renamed.rvf/child.rvf"), m.path("renamed.rvf/kid.rvf"))
	leads("kid.rvf/lineage/parent", "parent")
	leads("renamed.rvf/lineage/children/kid.rvf", "child")
}

// TestLineageOfARemovedParent: without a parent there is no link, and its return is seen.
func TestLineageOfARemovedParent(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, relatives()))
	away := filepath.Join(t.TempDir(), "parent.rvf")
	if err := os.Rename(m.backing("parent.rvf"), away); err != nil {
		t.Fatal(err)
	}
	ends := func(want lineage.End, linked bool) {
		t.Helper()
		eventually(t, string(want), func() error {
			_, err := os.Readlink(m.path("child.rvf/lineage/parent"))
			if got := ancestryShown(t, m.path("child.rvf")); got.End != want || (err == nil) != linked {
				return fmt.Errorf("the ancestry ends with %s, the link says %w", got.End, err)
			}
			return nil
		})
	}
	ends("parent-missing", false)
	writeFile(t, m.backing("far/back.rvf"), readFile(t, away))
	ends("root", true)
}

// TestLineageIsCopied: what copies trees copies links as links, and comes to an end; what
// lists less does not list the folder, and opens it all the same.
func TestLineageIsCopied(t *testing.T) {
	t.Parallel()
	dir := folder(t, relatives())
	m := serve(t, dir)
	to := t.TempDir()
	shell(t, `cp -a "$1/parent.rvf" "$2/cp"
		tar c -C "$1" parent.rvf | tar x -C "$2"
		rsync -a "$1/parent.rvf/" "$2/rsync/"
		find "$1" > "$2/found"; ls -lR "$1" > "$2/listed"; grep -rq verified "$1"
		du -s "$1" > /dev/null; find -L "$1" > "$2/followed" 2> "$2/loops" || grep -q "loop detected" "$2/loops"`, m.Point, to)
	for _, copied := range []string{"cp", "parent.rvf", "rsync"} {
		for link, want := range map[string]string{"lineage/children/child.rvf": "../../child.rvf", "child.rvf/lineage/parent": "../../../parent.rvf"} {
			if got, err := os.Readlink(filepath.Join(to, copied, link)); got != want {
				t.Errorf("%s in the copy %s leads to %q (%v)", link, copied, got, err)
			}
		}
	}
	m.stop()
	for _, views := range []string{"raw", "none"} {
		m := serve(t, dir, "--views="+views)
		if got := names(t, m.path("parent.rvf")); slices.Contains(got, "lineage") {
			t.Errorf("views=%s lists %v", views, got)
		}
		if got := ancestryShown(t, m.path("child.rvf")); got.Ancestors != 1 {
			t.Errorf("views=%s: the ancestry is %+v", views, got)
		}
		m.stop()
	}
}

// tours walk through a mount as programs do, and look at each store's lineage.
const tours = `ls -lR "$1" > /dev/null; find "$1" -name ancestry.json -exec cat {} + > /dev/null`

// tour walks through a mount and tells what that took.
func tour(t *testing.T, m *mount, stores int) lineage.Pedigree {
	t.Helper()
	began := time.Now()
	text := readFile(t, m.path(".rvffs/lineage.json"))
	judged := time.Since(began)
	p := pedigreeShown(t, string(text))
	svg, dot := readFile(t, m.path(".rvffs/lineage.svg")), readFile(t, m.path(".rvffs/lineage.dot"))
	if !strings.HasSuffix(string(svg), "</svg>\n") || !strings.HasSuffix(string(dot), "}\n") {
		t.Error("a drawing does not end")
	}
	began = time.Now()
	if got := tryFor(t, longPatience, "bash", "-euo", "pipefail", "-c", tours, "bash", m.Point); got.code != 0 || got.stderr != "" {
		t.Errorf("exit status %d, %.600s", got.code, got.stderr)
	}
	t.Logf("%d stores: lineage.json %v, %d KiB; svg %d KiB; dot %d KiB; walks %v; the daemon had %d MiB at most", stores, judged, len(text)>>10, len(svg)>>10, len(dot)>>10, time.Since(began), peakMemory(t, m)>>20)
	return p
}

// TestLineageOfChains mounts chains of some generations.
func TestLineageOfChains(t *testing.T) {
	t.Parallel()
	for _, generations := range []int{0, 1, 2, 10, 1000} {
		t.Run(fmt.Sprint(generations), func(t *testing.T) {
			t.Parallel()
			if generations == 1000 && testing.Short() {
				generations = 200
			}
			m := serve(t, folder(t, chainOf(generations)))
			last := fmt.Sprintf("%04d.rvf", generations)
			got := ancestryShown(t, m.path(last))
			if got.Ancestors != generations || got.End != "root" || got.Chain[0].File != last || got.Chain[generations].File != "0000.rvf" {
				t.Errorf("%d ancestors, end %s", got.Ancestors, got.End)
			}
			if want := lineage.Status("verified"); generations > 0 && got.Weakest != want {
				t.Errorf("the weakest verdict is %s", got.Weakest)
			}
			for i := 1; i <= generations; i++ { // also where the tree is not that deep
				child, parent := fmt.Sprintf("%04d.rvf", i), fmt.Sprintf("%04d.rvf", i-1)
				up, err := os.Readlink(m.path(child, "lineage/parent"))
				if err != nil || filepath.Base(up) != parent {
					t.Fatalf("the parent of %s is %s, %v", child, up, err)
				}
				if below := names(t, m.path(parent, "lineage/children")); !slices.Equal(below, []string{child}) {
					t.Fatalf("the children of %s are %v", parent, below)
				}
			}
			p := tour(t, m, generations+1)
			if len(p.Stores) != generations+1 || p.Bad != 0 || p.Stores[generations].Level != generations {
				t.Errorf("%d stores, %d bad", len(p.Stores), p.Bad)
			}
		})
	}
}

// TestLineageOfLiars mounts stores that contradict themselves or each other: each gets its
// verdict, ways up end with a word, and walks end.
func TestLineageOfLiars(t *testing.T) {
	t.Parallel()
	files := liars()
	files["none.rvf"] = []byte("no store at all, but long enough to be asked for a header of sixty-four bytes")
	m := serve(t, folder(t, files))
	p := tour(t, m, len(files))
	want := map[string]lineage.Status{"none.rvf": "unreadable"}
	for name, verdict := range liarsVerdicts {
		want[name] = verdict
	}
	sameVerdicts(t, p, want)
	for name, end := range map[string]lineage.End{
		"self.rvf": "cycle", "egg.rvf": "cycle", "chick.rvf": "cycle", "rock.rvf": "cycle", "deep.rvf": "root", "flat.rvf": "root",
		"proud.rvf": "wrong-depth", "zero.rvf": "root", "nobody.rvf": "root", "orphan.rvf": "parent-missing",
	} {
		if got := ancestryShown(t, m.path(name)); got.End != end || len(got.Chain) > 4 {
			t.Errorf("the way up from %s ends with %s after %d stores", name, got.End, len(got.Chain))
		}
	}
	if got := tryShell(t, `find -L "$1" > /dev/null`, m.Point); got.code > 1 {
		t.Errorf("find -L: exit status %d, %.400s", got.code, got.stderr)
	}
}

// TestLineageOfCopies mounts thousands of files of one id, and as many children of it.
func TestLineageOfCopies(t *testing.T) {
	t.Parallel()
	n, _ := strconv.Atoi(os.Getenv("RVFFS_LINEAGE_COPIES"))
	if n == 0 {
		n = 500
	}
	m := serve(t, folder(t, copied(n)))
	p := tour(t, m, 2*n)
	if len(p.Stores)+p.More != 2*n || p.Bad != 0 {
		t.Errorf("%d stores and %d more, %d bad", len(p.Stores), p.More, p.Bad)
	}
	for _, store := range p.Stores {
		if v := store.Verification; store.Level == 1 && (v.Status != "verified" || v.Parent != "p00000.rvf" || len(v.Among)+v.MoreAmong != n-1) {
			t.Fatalf("%s: %+v", store.File, v)
		}
	}
	if got := len(names(t, m.path("p00000.rvf/lineage/children"))); got != n {
		t.Errorf("%d children", got)
	}
}

// TestLineageStory: three generations, a compaction of the first, which is told at once, and
// a byte of the middle one overwritten, at which verify points.
func TestLineageStory(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		m := serve(t, folder(t, map[string][]byte{"first.rvf": rawfile.NewBuilder("first", 3).Vec(dimension3).Manifest().Bytes}))
		shell(t, `cd "$1"; mkdir first.rvf/second.rvf; echo "[1, 2, 3]" > second.rvf/vectors.append; mkdir second.rvf/third.rvf`, m.Point)
		if got := ancestryShown(t, m.path("third.rvf")); got.Ancestors != 2 || got.Weakest != "verified" {
			t.Errorf("round %d: %+v", round, got)
		}
		shell(t, `echo compact > "$1/first.rvf/ctl"`, m.Point)
		if got := ancestryShown(t, m.path("third.rvf")); got.Ancestors != 2 || got.Weakest != "attested" {
			t.Errorf("round %d: after a compaction of the first the weakest verdict is %s", round, got.Weakest)
		}
		if got := verdictsOf(pedigreeShown(t, string(readFile(t, m.path(".rvffs/lineage.json")))))["second.rvf"]; got != "attested" {
			t.Errorf("round %d: the second is told to be %s", round, got)
		}
		state := *ancestryShown(t, m.path("third.rvf")).Chain[0].Verification.ParentManifest
		m.stop()
		second := must(os.OpenFile(m.backing("second.rvf"), os.O_RDWR, 0))(t)
		_, err := second.WriteAt([]byte("x"), state+100)
		if err = errors.Join(err, second.Close()); err != nil {
			t.Fatal(err)
		}
		got := tryShell(t, `"$2" verify "$1"/*.rvf`, m.Dir, program)
		if got.code != 1 || !strings.Contains(got.stdout, fmt.Sprintf("second.rvf: damage: at %d: manifest", state)) || !strings.Contains(got.stdout, "lineage parent-torn") || strings.Count(got.stdout, ": damaged, ") != 1 {
			t.Errorf("exit status %d\n%s%s", got.code, got.stdout, got.stderr)
		}
		if got := run(t, program, "lineage", m.backing("third.rvf")); !strings.Contains(got, "parent-torn") || !strings.Contains(got, "attested") {
			t.Errorf("%s", got)
		}
	}
}

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// fileIDShown is the file id that identity.json of a store's folder tells.
func fileIDShown(t testing.TB, storeFolder string) string {
	t.Helper()
	return must(decode[identityView](filepath.Join(storeFolder, "identity.json")))(t).FileID
}

// fileIDHex is the id of a store that the builder made under this name.
func fileIDHex(name string) string { return rawfile.Identity{FileID: rawfile.FileID(name)}.FileIDHex() }

// linked checks that a name is a symlink that leads to the folder of a derived
// store, and that this folder is where it must be.
func linked(t testing.TB, m *mount, link, target string) {
	t.Helper()
	got, err := os.Readlink(m.path(link))
	if err != nil || got != target {
		t.Errorf("%s leads to %q (%v), want %q", link, got, err, target)
		return
	}
	through := must(os.Stat(m.path(link)))(t)
	direct := must(os.Lstat(m.path(filepath.Dir(link), target)))(t)
	if !direct.IsDir() || !os.SameFile(through, direct) {
		t.Errorf("%s: the link's target is not the store's folder", link)
	}
}

// TestGenerations nests children and grandchildren in their parents, with links
// where their files lie.
func TestGenerations(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	child := parent.Child("child").Vec(dimension3).Manifest()
	m := serve(t, folder(t, map[string][]byte{
		"parent.rvf": parent.Bytes, "child.rvdna": child.Bytes, "grand.rvtext": child.Child("grand").Bytes,
		"other.rvvis": parent.Child("other").Bytes,
	}))
	linked(t, m, "child.rvdna", "parent.rvf/child.rvdna")
	linked(t, m, "grand.rvtext", "parent.rvf/child.rvdna/grand.rvtext")
	linked(t, m, "other.rvvis", "parent.rvf/other.rvvis")
	for path, name := range map[string]string{
		"parent.rvf": "parent", "parent.rvf/child.rvdna": "child", "grand.rvtext": "grand", "parent.rvf/other.rvvis": "other",
	} {
		if got := fileIDShown(t, m.path(path)); got != fileIDHex(name) {
			t.Errorf("%s has the file id %s, want that of %s", path, got, name)
		}
	}
	if got := run(t, "readlink", "-f", m.path("grand.rvtext")); got != m.path("parent.rvf/child.rvdna/grand.rvtext")+"\n" {
		t.Errorf("readlink -f: %q", got)
	}
	if got := strings.TrimSpace(shell(t, `cd "$1" && pwd -P`, m.path("grand.rvtext"))); got != m.path("parent.rvf/child.rvdna/grand.rvtext") {
		t.Errorf("pwd -P: %q", got)
	}
	children := slices.DeleteFunc(names(t, m.path("parent.rvf")), func(name string) bool {
		return !slices.Contains([]string{"child.rvdna", "grand.rvtext", "other.rvvis"}, name)
	})
	if !slices.Equal(children, []string{"child.rvdna", "other.rvvis"}) {
		t.Errorf("the parent's folder lists the children %v", children)
	}
}

// TestMkdirDerives derives through the mount, twice deep.
func TestMkdirDerives(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	m := serve(t, folder(t, map[string][]byte{"team/parent.rvgraph": parent.Bytes}))
	run(t, "mkdir", m.path("team/parent.rvgraph/child.rvdna"))
	if identity := must(rawfile.Read(m.backing("team/child.rvdna")))(t).Newest().Identity; identity.ParentID != rawfile.FileID("parent") {
		t.Errorf("the child's parent id is %s", identity.ParentIDHex())
	}
	linked(t, m, "team/child.rvdna", "parent.rvgraph/child.rvdna")
	run(t, "mkdir", m.path("team/child.rvdna/grand"))
	linked(t, m, "team/grand", "parent.rvgraph/child.rvdna/grand")
	grand := must(decode[identityView](m.path("team/grand/identity.json")))(t)
	if grand.LineageDepth != 2 || grand.Profile != "RVDNA" || grand.Root {
		t.Errorf("the grandchild is %+v, want depth 2 and its parent's profile", grand)
	}
	if err := folderShows(m.path("team/parent.rvgraph/child.rvdna/grand"), m.backing("team/grand")); err != nil {
		t.Error(err)
	}

	for _, stream := range []string{"team/grand", "team/parent.rvgraph/child.rvdna"} {
		if err := pour(m.path(stream, "vectors.append"), rawRows([]float32{7, 8, 9})); err != nil {
			t.Errorf("appending to %s: %v", stream, err)
		}
	}
	for file, want := range map[string]model{
		"team/grand": {0: {7, 8, 9}}, "team/child.rvdna": {0: {7, 8, 9}}, "team/parent.rvgraph": dimension3,
	} {
		if err := fileHolds(m.backing(file), want); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}

	m.stop()
	m = serve(t, m.Dir)
	linked(t, m, "team/grand", "parent.rvgraph/child.rvdna/grand")
	if got := fileIDShown(t, m.path("team/grand")); got != grand.FileID {
		t.Errorf("after another mount the grandchild has the id %s, it was %s", got, grand.FileID)
	}
}

// TestRenameOfChildren moves a derived store within its parent, and nowhere
// else.
func TestRenameOfChildren(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3)
	m := serve(t, folder(t, map[string][]byte{
		"parent.rvf": parent.Bytes, "child.rvf": parent.Child("child").Bytes, "stranger.rvf": rawfile.NewBuilder("stranger", 3).Bytes,
	}))
	run(t, "mv", m.path("parent.rvf/child.rvf"), m.path("parent.rvf/renamed.rvdna"))
	linked(t, m, "renamed.rvdna", "parent.rvf/renamed.rvdna")
	if got := names(t, m.Dir); !slices.Equal(got, []string{"parent.rvf", "renamed.rvdna", "stranger.rvf"}) {
		t.Errorf("the backing folder holds %v", got)
	}
	err := os.Rename(m.path("parent.rvf/renamed.rvdna"), m.path("stranger.rvf/renamed.rvdna"))
	wantErrno(t, "rename into another parent", err, syscall.EXDEV)
	if got := fileIDShown(t, m.path("parent.rvf/renamed.rvdna")); got != fileIDHex("child") {
		t.Errorf("the child now has the id %s", got)
	}
}

// TestSubfolders finds parents across folders: the child stands in its parent's
// folder, the link where its file is.
func TestSubfolders(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3)
	m := serve(t, folder(t, map[string][]byte{
		"a/parent.rvf": parent.Bytes, "b/deep/child.rvdna": parent.Child("child").Bytes, "top.rvdna": parent.Child("top").Bytes,
	}))
	linked(t, m, "b/deep/child.rvdna", "../../a/parent.rvf/child.rvdna")
	linked(t, m, "top.rvdna", "a/parent.rvf/top.rvdna")
	if err := folderShows(m.path("a/parent.rvf/child.rvdna"), m.backing("b/deep/child.rvdna")); err != nil {
		t.Error(err)
	}
}

// TestEqualNamesInDifferentFolders has two children of one parent whose files
// have one name: both must be reachable where they lie.
func TestEqualNamesInDifferentFolders(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3)
	m := serve(t, folder(t, map[string][]byte{
		"parent.rvf": parent.Bytes, "x/child.rvf": parent.Child("in x").Bytes, "y/child.rvf": parent.Child("in y").Bytes,
	}))
	for folder, name := range map[string]string{"x/child.rvf": "in x", "y/child.rvf": "in y"} {
		if got := fileIDShown(t, m.path(folder)); got != fileIDHex(name) {
			t.Errorf("%s has the file id %s, want that of %q", folder, got, name)
		}
	}
	run(t, "find", m.Point)
}

// TestCopiesWithOneID has several files with the parent's id: the one in the
// child's own folder counts, then the first by name.
func TestCopiesWithOneID(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3)
	m := serve(t, folder(t, map[string][]byte{
		"b.rvf": parent.Bytes, "a.rvf": parent.Bytes, "child.rvdna": parent.Child("child").Bytes,
		"team/z.rvf": parent.Bytes, "team/mate.rvdna": parent.Child("mate").Bytes,
	}))
	linked(t, m, "child.rvdna", "a.rvf/child.rvdna")
	linked(t, m, "team/mate.rvdna", "z.rvf/mate.rvdna")
	for _, name := range []string{"a.rvf", "b.rvf", "team/z.rvf"} {
		if got := fileIDShown(t, m.path(name)); got != fileIDHex("parent") {
			t.Errorf("%s has the file id %s", name, got)
		}
	}
	text := string(readFile(t, m.path("a.rvf/identity.json")))
	for _, copied := range []string{"b.rvf", "team/z.rvf"} {
		if !strings.Contains(text, copied) {
			t.Errorf("identity.json of a.rvf does not name its copy %s: %s", copied, text)
		}
	}
}

// TestParentOutside shows a store whose parent is not in the mount as a folder
// at its own place.
func TestParentOutside(t *testing.T) {
	t.Parallel()
	absent := rawfile.NewBuilder("absent", 3)
	child := absent.Child("child")
	m := serve(t, folder(t, map[string][]byte{"child.rvf": child.Bytes, "grand.rvf": child.Child("grand").Bytes}))
	if info := must(os.Lstat(m.path("child.rvf")))(t); !info.IsDir() {
		t.Errorf("the orphaned child is %v, want a folder", info.Mode())
	}
	linked(t, m, "grand.rvf", "child.rvf/grand.rvf")
	shown := must(decode[identityView](m.path("child.rvf/identity.json")))(t)
	if shown.ParentID != fileIDHex("absent") || shown.Root {
		t.Errorf("the child is shown as %+v", shown)
	}

	writeFile(t, m.backing("arrived.rvf"), absent.Bytes)
	eventually(t, "the child moves into a parent that arrives", func() error {
		if target, err := os.Readlink(m.path("child.rvf")); target != "arrived.rvf/child.rvf" {
			return fmt.Errorf("the link leads to %q, %w", target, errors.Join(err, errors.New("not there yet")))
		}
		return nil
	})
	linked(t, m, "grand.rvf", "arrived.rvf/child.rvf/grand.rvf")
}

// TestHostileLineages mounts files that claim to be their own ancestors, and a
// very deep family: nothing may loop, and every store can be read at its place.
func TestHostileLineages(t *testing.T) {
	t.Parallel()
	const generations = 60
	files := map[string][]byte{}
	store := func(name, parent string, depth uint32) {
		builder := &rawfile.Builder{Dimension: 3, Identity: &rawfile.Identity{FileID: rawfile.FileID(name), Depth: depth}}
		if parent != "" {
			builder.Identity.ParentID = rawfile.FileID(parent)
		}
		files[name+".rvf"] = builder.Manifest().Bytes
	}
	store("self", "self", 1)
	store("egg", "hen", 1)
	store("hen", "egg", 1)
	store("one", "three", 1<<32-1)
	store("two", "one", 7)
	store("three", "two", 0)
	store("tail", "egg", 2)
	for i := range generations {
		parent := ""
		if i > 0 {
			parent = fmt.Sprintf("g%02d", i-1)
		}
		store(fmt.Sprintf("g%02d", i), parent, uint32(i))
	}
	m := serve(t, folder(t, files))
	if got, want := len(names(t, m.Point)), len(files); got != want {
		t.Errorf("the root lists %d names, want %d", got, want)
	}
	for name := range files {
		if got := fileIDShown(t, m.path(name)); got != fileIDHex(strings.TrimSuffix(name, ".rvf")) {
			t.Errorf("%s has the file id %s", name, got)
		}
	}
	if got := tryShell(t, `find "$1" -type f | wc -l; find -L "$1" -maxdepth 3 > /dev/null`, m.Point); got.code != 0 || got.stderr != "" {
		t.Errorf("find: exit status %d, %s", got.code, got.stderr)
	}
}

// TestOutsideChanges copies, moves and removes store files beside the mount:
// the tree follows.
func TestOutsideChanges(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3)
	m := serve(t, folder(t, map[string][]byte{"parent.rvf": parent.Bytes}))
	if got := names(t, m.Point); !slices.Equal(got, []string{"parent.rvf"}) {
		t.Fatalf("the root lists %v", got)
	}
	shows := func(what string, want ...string) {
		t.Helper()
		eventually(t, what, func() error { return expect("the root's list", names(t, m.Point), want) })
	}
	writeFile(t, m.backing("child.rvf"), parent.Child("child").Bytes)
	shows("a new file", "child.rvf", "parent.rvf")
	linked(t, m, "child.rvf", "parent.rvf/child.rvf")

	if err := os.Rename(m.backing("child.rvf"), m.backing("renamed.rvtext")); err != nil {
		t.Fatal(err)
	}
	shows("a renamed file", "parent.rvf", "renamed.rvtext")
	linked(t, m, "renamed.rvtext", "parent.rvf/renamed.rvtext")

	if err := os.Remove(m.backing("parent.rvf")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child of a removed parent stands alone", func() error {
		info, err := os.Lstat(m.path("renamed.rvtext"))
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("it is %v", info.Mode())
		}
		return err
	})
	shows("a removed file", "renamed.rvtext")
}

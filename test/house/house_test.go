// Package house checks the rules that hold for the repository as a whole.
package house

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "rvffs"
	root   = "../.."
)

// order lists the rooms of the house, the lowest first. A room may use those
// below it and no others. The tests under test/ may use all.
var order = []string{"lineage", "lineage/chart", "segments", "store/idset", "store/vecio", "store/nearest", "store/shared", "store/journal", "store/memory", "store/volume", "store/throttle", "store/spool", "store/volume/filelog", "store/volume/conformance", "store/volume/memory", "store/volume/directory", "store/volume/bucket/objects", "store/volume/bucket/metered", "store/volume/bucket/conformance", "store/volume/bucket/memory", "store/volume/bucket/s3", "store/volume/bucket/trial", "store/volume/bucket/blockcache", "store/volume/bucket", "store/storetest", "store/state", "store/stream", "store/rows", "store/rows/rowstest", "store/search", "store/log", "store/metadata", "store/ingest", "store/compute", "store/incoming", "store/compact", "store/recovery", "store", "store/catalog", "fs", "statedir", "cmd/rvffs"}

// forTests are rooms that exist for the tests of others, which may use them wherever they
// stand.
var forTests = []string{"store/volume/memory", "store/volume/bucket/memory", "store/volume/bucket/conformance", "store/volume/conformance", "store/storetest", "store/rows/rowstest"}

// banned lists, by room, the packages that its files must not import: all those
// that begin with one of the words. What has no room for FUSE must do without
// it; what has no files gets its bytes through an io.ReaderAt; a store, and what shows
// stores, does not know what kind of volume they are in.
var banned = []struct {
	folder   string
	packages []string
	tests    bool // whether it goes for test files too, and for rooms for tests
}{
	{"lineage", []string{"github.com/hanwen/go-fuse"}, true},
	{"segments", []string{"github.com/hanwen/go-fuse"}, true},
	{"store", []string{"github.com/hanwen/go-fuse"}, true},
	{"store", []string{module + "/store/volume/directory", module + "/store/volume/memory", module + "/store/volume/bucket"}, false},
	{"fs", []string{module + "/store/volume/directory", module + "/store/volume/memory", module + "/store/volume/bucket"}, false},
	{"lineage", []string{"os", "syscall", "golang.org/x/sys"}, false},
	{"segments", []string{"os", "syscall", "golang.org/x/sys"}, false},
}

// source is one Go file and what it imports.
type source struct {
	path    string // from the root, with slashes
	imports []string
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }

// files gives the paths of all files of the repository, from its root.
func files(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "bin", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// sources reads the imports of all Go files, whatever system they are for.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		s := source{path: name}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if strings.HasPrefix(s.path, "test/") {
			continue
		}
		from := slices.Index(order, s.folder())
		if from < 0 {
			t.Errorf("%s: the folder has no place in the order of the rooms", s.path)
			continue
		}
		for _, imported := range s.imports {
			room, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			// A test of a package from outside imports the package itself.
			to := slices.Index(order, room)
			if to < 0 || to > from && !(s.isTest() && slices.Contains(forTests, room)) || to == from && !s.isTest() {
				t.Errorf("%s imports %s, which is not below it", s.path, imported)
			}
		}
	}
}

// TestThePictureHasTheRooms: docs/architecture.md draws all rooms, each above those that it
// may use.
func TestThePictureHasTheRooms(t *testing.T) {
	t.Parallel()
	_, picture, _ := strings.Cut(string(read(t, "docs/architecture.md")), "```\n")
	picture, _, _ = strings.Cut(picture, "```\n")
	var drawn []string
	for _, line := range regexp.MustCompile(`(?m)^ +(\S+)  +\S`).FindAllStringSubmatch(picture, -1) {
		drawn = append(drawn, line[1])
	}
	slices.Reverse(drawn)
	if !slices.Equal(drawn, order) {
		t.Errorf("from below, docs/architecture.md draws\n%q, and the order is\n%q", drawn, order)
	}
}

var speaksOfLocks = regexp.MustCompile(`\b([Ll]ocks?|[Mm]utex(es)?|[Tt]urns?)\b`)

// TestRoomsSayWhatTheyAre holds every room to a doc.go that says what it is, what it may
// import and which locks it owns: where it says no word of imports or locks, nobody who
// stands in it could know.
func TestRoomsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, room := range order {
		name := path.Join(room, "doc.go")
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Errorf("%s: %v", room, err)
			continue
		}
		text := string(data)
		if !strings.HasPrefix(text, "// Package ") && !strings.HasPrefix(text, "// Command ") {
			t.Errorf("%s begins with no word on the package", name)
		}
		if !strings.Contains(text, "import") || !speaksOfLocks.MatchString(text) {
			t.Errorf("%s does not say what the room may import and which locks it has", name)
		}
	}
}

func TestRoomsKeepToTheirTrade(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, rule := range banned {
			if !within(s.folder(), rule.folder) || !rule.tests && (s.isTest() || slices.Contains(forTests, s.folder())) {
				continue
			}
			for _, imported := range s.imports {
				for _, word := range rule.packages {
					if within(imported, word) && !within(module+"/"+s.folder(), word) {
						t.Errorf("%s imports %s, which does not belong into %s", s.path, imported, rule.folder)
					}
				}
			}
		}
	}
}

// within reports whether a path is another one or lies below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// described gives what the lines of docs/dependencies.md are about: the words in
// backquotes at their starts.
func described(t *testing.T) []string {
	t.Helper()
	var names []string
	line := regexp.MustCompile("^- `([^`]+)`: .")
	lines := bufio.NewScanner(bytes.NewReader(read(t, "docs/dependencies.md")))
	for lines.Scan() {
		if match := line.FindStringSubmatch(lines.Text()); match != nil {
			names = append(names, match[1])
		}
	}
	return names
}

// dependencies gives what go.mod, the test peer's package.json and the script
// that installs packages ask for.
func dependencies(t *testing.T) (direct, all []string) {
	t.Helper()
	command := exec.Command("go", "mod", "edit", "-json")
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(output, &mod); err != nil {
		t.Fatal(err)
	}
	for _, m := range mod.Require {
		isTool := slices.ContainsFunc(mod.Tool, func(tool struct{ Path string }) bool { return within(tool.Path, m.Path) })
		if !m.Indirect || isTool {
			direct = append(direct, m.Path)
		}
		all = append(all, m.Path)
	}
	var peer struct{ Dependencies map[string]string }
	if err := json.Unmarshal(read(t, "test/integration/peer/package.json"), &peer); err != nil {
		t.Fatal(err)
	}
	for name := range peer.Dependencies {
		direct = append(direct, name)
	}
	// Servers that tests start are pinned by modules of their own.
	for _, name := range files(t) {
		if strings.HasPrefix(name, "test/") && path.Base(name) == "go.mod" {
			for _, match := range regexp.MustCompile(`(?m)^tool ([^/\s]+/[^/\s]+/[^/\s]+)`).FindAllSubmatch(read(t, name), -1) {
				direct = append(direct, string(match[1]))
			}
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^\t?need (\S+) `).FindAllSubmatch(read(t, "scripts/dependencies.sh"), -1) {
		direct = append(direct, string(match[1]))
	}
	return direct, append(all, direct...)
}

func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	names := described(t)
	direct, all := dependencies(t)
	for _, name := range direct {
		if !slices.Contains(names, name) {
			t.Errorf("docs/dependencies.md has no line for %s", name)
		}
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			t.Errorf("docs/dependencies.md has a line for %s, which nothing asks for", name)
		}
	}
}

// The words are put together here, so that this file does not hold them.
var forbidden = []string{
	`\bTO` + `DO\b`, `\bFIX` + `ME\b`,
	`registry\.` + `npmjs`, `proxy\.` + `golang\.org`, `deb\.` + `debian\.org`,
}

func TestForbiddenWords(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(strings.Join(forbidden, "|"))
	for _, name := range files(t) {
		data := read(t, name)
		if bytes.IndexByte(data, 0) >= 0 {
			continue // not text
		}
		for number, line := range bytes.Split(data, []byte("\n")) {
			if found := pattern.Find(line); found != nil {
				t.Errorf("%s:%d: %s", name, number+1, found)
			}
		}
	}
}

// A lock file without addresses works with any registry.
func TestLockFileNamesNoAddresses(t *testing.T) {
	t.Parallel()
	name := "test/integration/peer/package-lock.json"
	for _, word := range []string{`"resolved"`, "://"} {
		if bytes.Contains(read(t, name), []byte(word)) {
			t.Error(fmt.Sprint(name, " holds ", word))
		}
	}
}

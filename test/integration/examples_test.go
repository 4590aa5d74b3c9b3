package integration

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// sharedFolder finds a folder of files that others made, with a list of them, beside the
// repository; the test is skipped where it is absent.
func sharedFolder(t testing.TB, name string) string {
	t.Helper()
	at := must(os.Getwd())(t)
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	folder := filepath.Join(at, "..", "shared", name)
	if _, err := os.Stat(filepath.Join(folder, "INDEX.tsv")); err != nil {
		t.Skip(err)
	}
	return folder
}

// TestPublishedStores mounts copies of the published stores and compares every
// folder with the list that came with them, with the independent reader and
// with the reference runtime.
func TestPublishedStores(t *testing.T) {
	t.Parallel()
	published := sharedFolder(t, "examples")
	table := csv.NewReader(strings.NewReader(string(readFile(t, filepath.Join(published, "INDEX.tsv")))))
	table.Comma = '\t'
	lines := must(table.ReadAll())(t)
	column := map[string]int{}
	for i, name := range lines[0] {
		column[name] = i
	}
	files := map[string][]byte{}
	for _, line := range lines[1:] {
		files[line[column["file"]]] = readFile(t, filepath.Join(published, line[column["file"]]))
	}
	m := serve(t, folder(t, files))
	process := peer.Start(t)
	for _, line := range lines[1:] {
		name := line[column["file"]]
		number := func(title string) int { return must(strconv.Atoi(line[column[title]]))(t) }

		status := must(decode[statusView](m.path(name, "status.json")))(t)
		identity := must(decode[identityView](m.path(name, "identity.json")))(t)
		manifest := must(decode[manifestView](m.path(name, "manifest.json")))(t)
		for _, problem := range []error{
			expect("file_size", status.FileSize, int64(number("bytes"))),
			expect("dimension", int(status.Dimension), number("dimension")),
			expect("live_vectors", status.LiveVectors, number("live_vectors")),
			expect("epoch", int(manifest.Epoch), number("epoch")),
			expect("file_id", identity.FileID, line[column["file_id"]]),
			expect("parent_id", identity.ParentID, line[column["parent_id"]]),
			expect("lineage_depth", int(identity.LineageDepth), number("depth")),
			folderShows(m.path(name), m.backing(name)),
		} {
			if problem != nil {
				t.Errorf("%s: %v", name, problem)
			}
		}
		want := model(must(rawfile.Read(m.backing(name)))(t).Vectors())
		if err := engineHolds(m.backing(name), want); err != nil {
			t.Errorf("%s: engine: %v", name, err)
		}
		if len(want) <= 300 {
			if err := peerHolds(process, m.backing(name), want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	linked(t, m, "lineage_child.rvf", "lineage_parent.rvf/lineage_child.rvf")
	linked(t, m, "lineage_snapshot.rvdna", "lineage_parent.rvf/lineage_child.rvf/lineage_snapshot.rvdna")
	linked(t, m, "agent_handoff_b.rvf", "agent_handoff_a.rvf/agent_handoff_b.rvf")
	for name, data := range files {
		if string(readFile(t, m.backing(name))) != string(data) {
			t.Errorf("%s: reading changed the file", name)
		}
	}
}

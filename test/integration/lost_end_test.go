package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// TestChildrenKnowThatAStoreLostItsEnd: whoever cuts a store back to an older commit, or puts
// an older copy in its place, is told of by verify, for as long as a child is beside it that
// came from what is gone. What happens to a store by right is not taken for that.
func TestChildrenKnowThatAStoreLostItsEnd(t *testing.T) {
	t.Parallel()
	cut := func(t *testing.T, parent string) {
		file := must(rawfile.Read(parent))(t)
		older, _ := file.At(file.Manifests[len(file.Manifests)-2].Offset)
		writeFile(t, parent, file.Bytes[:older.End()])
	}
	theirs := func(t *testing.T, parent string, do func(*peer.Store) error) {
		opened := must(peer.Start(t).Open(parent))(t)
		demand(t, "write", do(opened))
		demand(t, "close", opened.Close())
	}
	for name, test := range map[string]struct {
		happens func(t *testing.T, parent string)
		note    string
	}{
		"it is cut back": {cut, "child.rvf came from epoch 2 of this store, whose newest is 1"},
		"it is cut back, and grows as far": {func(t *testing.T, parent string) {
			cut(t, parent)
			withVectors(t, parent, model{2: {2, 9}})
		}, "the audit chain lacks the entry that was its newest when"},
		"it is cut back, and grows further": {func(t *testing.T, parent string) {
			cut(t, parent)
			for id := range uint64(5) {
				withVectors(t, parent, model{id: {2, 9}})
			}
			engineCompact(t, parent)
		}, "the audit chain lacks the entry that was its newest when"},
		"nothing happens":            {func(*testing.T, string) {}, ""},
		"it grows and we compact it": {func(t *testing.T, parent string) { withVectors(t, parent, model{7: {7, 7}}); engineCompact(t, parent) }, ""},
		"the peer compacts it": {func(t *testing.T, parent string) {
			theirs(t, parent, func(s *peer.Store) error { _, err := s.Compact(); return err })
		}, ""},
		"the peer writes to it": {func(t *testing.T, parent string) {
			theirs(t, parent, func(s *peer.Store) error { _, err := s.Ingest([]uint64{9}, []float32{1, 2}); return err })
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parent := filepath.Join(dir, "parent.rvf")
			run(t, program, "create", parent, "--dimension", "2")
			withVectors(t, parent, model{1: {1, 1}})
			withVectors(t, parent, model{2: {2, 2}})
			run(t, program, "derive", parent, filepath.Join(dir, "child.rvf"))
			test.happens(t, parent)
			got := run(t, program, "verify", parent)
			if found := strings.Contains(got, "child.rvf"); found != (test.note != "") || !strings.Contains(got, test.note) {
				t.Errorf("verify says %q, want %q", got, test.note)
			}
		})
	}
}

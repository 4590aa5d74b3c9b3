package integration

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// TestEndsOfFilesThatThePeerNames: the reference runtime names a parent by the last bytes that
// its file has, wherever that ends: behind a commit, behind an index or the audit entry of a
// compaction, and behind what is left of a program that died. A branch shows that state and a
// child is verified when the parent has grown since.
func TestEndsOfFilesThatThePeerNames(t *testing.T) {
	t.Parallel()
	// cut ends the file behind its last segment of a type.
	cut := func(t *testing.T, parent string, kind uint8) {
		file := must(rawfile.Read(parent))(t)
		for _, segment := range slices.Backward(file.Segments) {
			if segment.Type == kind {
				writeFile(t, parent, file.Bytes[:segment.End()])
				return
			}
		}
		t.Fatalf("no segment of type %d", kind)
	}
	for name, ends := range map[string]func(t *testing.T, s *peer.Store, parent string) (dies bool){
		"behind a commit": func(*testing.T, *peer.Store, string) bool { return false },
		"behind the audit entry of a compaction": func(t *testing.T, s *peer.Store, _ string) bool {
			must(s.Compact())(t)
			return false
		},
		"behind the vectors of a program that died": func(t *testing.T, s *peer.Store, parent string) bool {
			must(s.Ingest([]uint64{50, 51}, []float32{50, 2, 51, 2}))(t)
			cut(t, parent, rawfile.TypeVec)
			return true
		},
		"behind its audit entry": func(t *testing.T, s *peer.Store, parent string) bool {
			must(s.Ingest([]uint64{50, 51}, []float32{50, 2, 51, 2}))(t)
			cut(t, parent, rawfile.TypeWitness)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			process := peer.Start(t)
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			holds := map[uint64]float32{}
			s := must(process.Create(at("parent.rvf"), 2, "l2"))(t)
			ids, _ := numberedRows(0, 20, 1)
			bringNumbered(t, s, holds, 1, ids...)
			if ends(t, s, at("parent.rvf")) {
				content := readFile(t, at("parent.rvf"))
				demand(t, "close", s.Close())
				writeFile(t, at("parent.rvf"), content) // as if it had not
				s = must(process.Open(at("parent.rvf")))(t)
			}
			for _, made := range []*peer.Store{must(s.Branch(at("branch.rvf")))(t), must(s.Derive(at("child.rvf")))(t)} {
				demand(t, "close a child", made.Close())
			}
			check := func(status string) {
				t.Helper()
				if got := shownLines(t, []byte(run(t, program, "export", at("branch.rvf"), "-f", "jsonl"))); !maps.Equal(got, holds) {
					t.Errorf("the branch shows %v, want %v", got, holds)
				}
				var told []lineageView
				output := try(t, program, "verify", "--json", at("branch.rvf"), at("child.rvf"))
				if err := json.Unmarshal([]byte(output.stdout), &told); err != nil || len(told) != 2 {
					t.Fatalf("%v: %+v", err, output)
				}
				for i, view := range told {
					if view.Verification.Status != status {
						t.Errorf("child %d: %+v, want %s", i, view.Verification, status)
					}
				}
			}
			check("verified")
			bringNumbered(t, s, map[uint64]float32{}, 3, 7, 60, 61)
			demand(t, "close", s.Close())
			check("verified")
			run(t, program, "compact", at("parent.rvf"))
			check("attested")
		})
	}
}

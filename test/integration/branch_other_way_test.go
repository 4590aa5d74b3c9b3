package integration

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/test/integration/peer"
)

// TestParentsThatWentAnotherWay: an older copy takes the parent's place and grows by as much
// as the parent had grown, so that its manifest is the very one that the children recorded.
// Its vectors are others: no branch shows them, and no verdict says that it is the parent.
func TestParentsThatWentAnotherWay(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(t *testing.T, parent string){
		"we write to it": func(t *testing.T, parent string) { withVectors(t, parent, model{2: {2, 666}}) },
		"we write to it and compact": func(t *testing.T, parent string) {
			withVectors(t, parent, model{2: {2, 666}})
			engineCompact(t, parent)
		},
		"the peer writes to it": func(t *testing.T, parent string) {
			theirs := must(peer.Start(t).Open(parent))(t)
			must(theirs.Ingest([]uint64{2}, []float32{2, 666}))(t)
			demand(t, "close", theirs.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			run(t, program, "create", at("parent.rvf"), "--dimension", "2")
			withVectors(t, at("parent.rvf"), model{1: {1, 1}})
			older := readFile(t, at("parent.rvf"))
			withVectors(t, at("parent.rvf"), model{2: {2, 2}})
			run(t, program, "derive", at("parent.rvf"), at("child.rvf"))
			run(t, program, "branch", at("parent.rvf"), at("branch.rvf")) // which the parent lists by a commit
			first := readFile(t, at("parent.rvf"))
			want := run(t, program, "export", at("branch.rvf"), "-f", "jsonl")

			writeFile(t, at("parent.rvf"), older)
			happens(t, at("parent.rvf"))
			if got := try(t, program, "export", at("branch.rvf"), "-f", "jsonl"); got.code != 1 || !strings.Contains(got.stderr, "went another way") && !strings.Contains(got.stderr, "which it does not hold") {
				t.Errorf("the branch shows %+v", got)
			}
			if got := try(t, program, "flatten", at("branch.rvf")); got.code != 1 {
				t.Errorf("flatten: %+v", got)
			}
			output := try(t, program, "verify", "--json", at("child.rvf"), at("branch.rvf"))
			var told []lineageView
			if err := json.Unmarshal([]byte(output.stdout), &told); err != nil || len(told) != 2 || output.code != 1 {
				t.Fatalf("%v: %+v", err, output)
			}
			for _, view := range told {
				if view.Verification.Status != "unmatched" || !strings.Contains(view.Verification.Reason, "another way") {
					t.Errorf("%+v", view.Verification)
				}
			}

			writeFile(t, at("parent.rvf"), first)
			if got := run(t, program, "export", at("branch.rvf"), "-f", "jsonl"); got != want {
				t.Errorf("the branch shows %q when the parent is back, want %q", got, want)
			}
			run(t, program, "verify", at("child.rvf"), at("branch.rvf"), at("parent.rvf"))
		})
	}
}

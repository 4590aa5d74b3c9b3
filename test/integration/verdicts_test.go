package integration

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/store"
	"rvffs/test/integration/rawfile"
)

// lineageView is what identity.json and verify --json both say of a lineage.
type lineageView struct {
	Verification struct {
		Status, Method, Parent, Reason string
		ParentEpoch                    *uint32 `json:"parent_epoch"`
		ParentManifest                 *int    `json:"parent_manifest"`
	}
	Copies []string
}

// TestVerdictsAgree has copies of parents and of children in one folder, changes some of
// them, and has the mount and the command line judge all: they say the same, which is
// what is true.
func TestVerdictsAgree(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	child, gone := parent.Child("child"), rawfile.NewBuilder("gone", 3).Child("orphan")
	deep := parent.Child("deep")
	deep.Identity.Depth = 5
	deep.Manifest()
	self := parent.Child("self")
	self.Identity.ParentID = self.Identity.FileID
	self.Manifest()
	// Of the one parent the first by name is as it was, of the other the second.
	other := rawfile.NewBuilder("other", 3).Vec(dimension3).Manifest()
	alone := rawfile.NewBuilder("alone", 3).Vec(dimension3).Manifest()
	shallow := rawfile.NewBuilder("shallow", 3)
	deeper := rawfile.NewBuilder("shallow", 3)
	deeper.Identity.Depth = 3
	deeper.Manifest()
	stranger := rawfile.NewBuilder("stranger", 3)
	recorded := parent.Child("recorded")
	record := slices.Concat(recorded.Identity.FileID[:], stranger.Identity.FileID[:], make([]byte, 96))
	recorded.Segment(0x0a, slices.Concat([]byte{9}, make([]byte, 8), []byte{128, 0, 0, 0}, record, make([]byte, 32))).Manifest()
	dir := folder(t, map[string][]byte{
		"parent.rvf": parent.Bytes, "parent-copy.rvf": parent.Bytes, "child.rvf": child.Bytes, "child-copy.rvf": child.Bytes,
		"orphan.rvf": gone.Bytes, "deep.rvf": deep.Bytes, "self.rvf": self.Bytes, "recorded.rvf": recorded.Bytes,
		"other-a.rvf": other.Bytes, "other-b.rvf": other.Bytes, "others.rvf": other.Child("others").Bytes,
		"alone.rvf": alone.Bytes, "left.rvf": alone.Child("left").Bytes,
		"shallow-deeper.rvf": deeper.Bytes, "shallow.rvf": shallow.Bytes, "of-shallow.rvf": shallow.Child("of shallow").Bytes,
		"nameless": parent.Child("nameless").Bytes, "below-nameless.rvf": parent.Child("nameless").Child("below").Bytes,
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	engineCompact(t, at("other-a.rvf"))
	engineCompact(t, at("alone.rvf"))
	withEngine(t, at("child-copy.rvf"), func(limit context.Context, s *store.Store) error {
		_, err := s.Ingest(limit, nil, []float32{1, 2, 3})
		return err
	})
	m := serve(t, dir)
	verdict := func(status, method, parent string, copies ...string) lineageView {
		var view lineageView
		view.Verification.Status, view.Verification.Method, view.Verification.Parent, view.Copies = status, method, parent, copies
		return view
	}
	check := func(want map[string]lineageView) {
		t.Helper()
		all := []string{"verify", "--json"}
		for name := range want {
			all = append(all, at(name))
		}
		output, _ := exec.Command(program, all...).Output() // damages have an exit status of their own
		var told []struct {
			File    string
			Lineage string
			Damages int
			lineageView
		}
		if err := json.Unmarshal(output, &told); err != nil || len(told) != len(want) {
			t.Fatalf("verify: %v\n%s", err, output)
		}
		for _, verified := range told {
			name := filepath.Base(verified.File)
			byCommand := verified.lineageView
			byCommand.Verification.Parent = base(byCommand.Verification.Parent)
			for i, other := range byCommand.Copies {
				byCommand.Copies[i] = base(other)
			}
			byMount := must(decode[lineageView](m.path(name, "identity.json")))(t)
			if err := expect("what the command and the mount say of "+name, byCommand, byMount); err != nil {
				t.Error(err)
			}
			if verified.Lineage != verified.Verification.Status || (verified.Damages > 0) != slices.Contains([]string{"mismatch", "cycle", "wrong-depth"}, verified.Lineage) {
				t.Errorf("%s: lineage %q, %d damages, status %q", name, verified.Lineage, verified.Damages, verified.Verification.Status)
			}
			byMount.Verification.Reason, byMount.Verification.ParentEpoch, byMount.Verification.ParentManifest = "", nil, nil
			if err := expect(name, byMount, want[name]); err != nil {
				t.Error(err)
			}
		}
	}
	want := map[string]lineageView{
		"parent.rvf":         verdict("root", "", "", "parent-copy.rvf"),
		"child.rvf":          verdict("verified", "fold-tail", "parent-copy.rvf", "child-copy.rvf"),
		"child-copy.rvf":     verdict("verified", "fold-tail", "parent-copy.rvf", "child.rvf"),
		"orphan.rvf":         verdict("parent-missing", "", ""),
		"deep.rvf":           verdict("wrong-depth", "", "parent-copy.rvf"),
		"self.rvf":           verdict("cycle", "", ""),
		"recorded.rvf":       verdict("mismatch", "", ""),
		"others.rvf":         verdict("attested", "fold-tail", "other-a.rvf"), // in which it stands, although another holds the state
		"left.rvf":           verdict("attested", "fold-tail", "alone.rvf"),
		"of-shallow.rvf":     verdict("verified", "fold-tail", "shallow.rvf"), // for the other is too deep
		"below-nameless.rvf": verdict("verified", "fold-tail", "nameless"),    // which has no extension
	}
	check(want)
	linked(t, m, "others.rvf", "other-a.rvf/others.rvf")
	linked(t, m, "of-shallow.rvf", "shallow.rvf/of-shallow.rvf")

	// One copy of a parent goes, another store takes the place of one, and an older
	// state that of one.
	writeFile(t, at("new"), stranger.Bytes)
	if err := os.Rename(at("new"), at("alone.rvf")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at("parent-copy.rvf"), rawfile.NewBuilder("parent", 3).Bytes)
	for _, name := range []string{"other-b.rvf", "shallow.rvf"} {
		if err := os.Remove(at(name)); err != nil {
			t.Fatal(err)
		}
	}
	want["child.rvf"] = verdict("verified", "fold-tail", "parent.rvf", "child-copy.rvf")
	want["child-copy.rvf"] = verdict("verified", "fold-tail", "parent.rvf", "child.rvf")
	want["others.rvf"] = verdict("attested", "fold-tail", "other-a.rvf")
	want["left.rvf"] = verdict("parent-missing", "", "")
	want["of-shallow.rvf"] = verdict("wrong-depth", "", "shallow-deeper.rvf")
	delete(want, "parent.rvf")
	eventually(t, "the mount shows what changed", func() error {
		got, err := decode[lineageView](m.path("of-shallow.rvf", "identity.json"))
		if err != nil {
			return err
		}
		return expect("of-shallow.rvf", got.Verification.Status, "wrong-depth")
	})
	check(want)
}

// base is the last part of a path, "" of none.
func base(file string) string {
	if file == "" {
		return ""
	}
	return filepath.Base(file)
}

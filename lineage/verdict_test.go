package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	child := Identity{FileID: FileID{2}, ParentID: FileID{1}, ParentHash: Hash{7}, Depth: 1}
	state := &PastState{HashShakeManifest, 5, 300}
	parent := Identity{FileID: FileID{1}}
	fits := Candidate{Name: "fits", Identity: parent, State: state}
	compacted := Candidate{Name: "compacted", Identity: parent}
	deep := Candidate{Name: "deep", Identity: Identity{FileID: FileID{1}, Depth: 4}, State: state}
	broken := Candidate{Name: "broken", Err: errors.New("no bytes")}
	replaced := Candidate{Name: "replaced", Identity: Identity{FileID: FileID{9}}, State: state}
	with := func(candidates ...Candidate) Facts { return Facts{Identity: child, Known: true, Parents: candidates} }
	hashless := with(fits)
	hashless.Identity.ParentHash = Hash{}
	recorded := func(of, by byte) Facts {
		f := with(fits)
		f.Record = &Record{FileID: FileID{of}, ParentID: FileID{by}}
		return f
	}
	self := child
	self.ParentID = self.FileID
	unasked := with(compacted)
	unasked.Unasked = 3
	for name, test := range map[string]struct {
		facts  Facts
		status Status
		parent string
		reason string // a part of it
	}{
		"no identity":                        {Facts{}, StatusUnknown, "", "before identities were kept"},
		"a root":                             {Facts{Identity: parent, Known: true}, StatusRoot, "", ""},
		"no parent":                          {with(), StatusMissing, "", ""},
		"verified":                           {with(fits), StatusVerified, "fits", ""},
		"compacted":                          {with(compacted), StatusUnmatched, "compacted", "no state"},
		"too deep":                           {with(deep), StatusMismatch, "deep", "depth"},
		"unreadable":                         {with(broken), StatusUnreadable, "broken", "no bytes"},
		"another store at the parent's name": {with(replaced), StatusMissing, "", ""},
		"its own parent":                     {Facts{Identity: self, Known: true}, StatusMismatch, "", "itself"},
		"one of the copies holds it":         {with(compacted, deep, broken, fits), StatusVerified, "fits", ""},
		"a copy that may have lost it":       {with(deep, broken, compacted), StatusUnmatched, "compacted", "2 more files"},
		"a copy that cannot be read":         {with(deep, broken), StatusUnreadable, "broken", "1 more files"},
		"all copies contradict":              {with(deep, deep), StatusMismatch, "deep", "1 more files"},
		"copies, of which one was replaced":  {with(replaced, deep), StatusMismatch, "deep", "depth"},
		"more copies than are compared":      {unasked, StatusUnmatched, "compacted", "3 more files of the parent's id were not compared"},
		"no hash":                            {hashless, StatusUnmatched, "fits", "no state"},
		"a record that agrees":               {recorded(2, 1), StatusVerified, "fits", ""},
		"a record that names another parent": {recorded(2, 3), StatusMismatch, "", "another parent"},
		"a record of another store's":        {recorded(4, 3), StatusVerified, "fits", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.facts.Judge().Verification
			if got.Status != test.status || got.Parent != test.parent || (got.Reason == "") != (test.reason == "") || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("%+v", got)
			}
			verified := got.Status == StatusVerified
			if verified != (got.Method == state.Method) || verified != (got.ParentEpoch != nil && *got.ParentEpoch == 5) || verified != (got.ParentManifest != nil && *got.ParentManifest == 300) {
				t.Errorf("the state is %v of %q", got.ParentManifest, got.Method)
			}
			if got.Damaged() != (test.status == StatusMismatch) {
				t.Errorf("Damaged is %t", got.Damaged())
			}
			remark := got.Remark(test.facts.Identity)
			quiet := got.Status == StatusUnknown || got.Status == StatusRoot || verified
			if (remark == "") != quiet || !quiet && !strings.Contains(remark, test.parent) {
				t.Errorf("the remark is %q", remark)
			}
		})
	}
}

func TestVerdictNamesCopies(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf("%03d.rvf", i))
	}
	for count, more := range map[int]int{0: 0, 1: 0, 64: 0, 65: 1, 100: 36} {
		got := Facts{Copies: all[:count]}.Judge()
		if len(got.Copies)+got.MoreCopies != count || got.MoreCopies != more || count > 0 && got.Copies[0] != "000.rvf" {
			t.Errorf("of %d copies %d are named, beside %d more", count, len(got.Copies), got.MoreCopies)
		}
	}
}

// TestVerdictText holds the names and words that programs read in identity.json and in
// what verify prints.
func TestVerdictText(t *testing.T) {
	t.Parallel()
	facts := Facts{
		Identity: Identity{FileID: FileID{2}, ParentID: FileID{1}, ParentHash: Hash{7}, Depth: 1}, Known: true,
		Parents: []Candidate{{Name: "p.rvf", Identity: Identity{FileID: FileID{1}}, State: &PastState{HashFoldTail, 2, 70}}},
		Copies:  []string{"c.rvf"},
	}
	got, err := json.Marshal(facts.Judge())
	want := `{"verification":{"status":"verified","method":"fold-tail","parent":"p.rvf","parent_epoch":2,"parent_manifest":70},"copies":["c.rvf"]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

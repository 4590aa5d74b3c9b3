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
	fits := Candidate{Name: "fits", Identity: parent, History: History{Held: state, Newest: 6}}
	file := func(name string, history History) Candidate {
		return Candidate{Name: name, Identity: parent, History: history}
	}
	rewritten := file("rewritten", History{Attested: state, Newest: 9})
	compacted := file("compacted", History{Unrecorded: true, Newest: 9})
	copied := file("copied", History{Other: true, Newest: 9})
	complete := file("complete", History{Newest: 9})
	torn := file("torn", History{Torn: "it is cut", Newest: 9})
	deep := Candidate{Name: "deep", Identity: Identity{FileID: FileID{1}, ParentID: FileID{8}, Depth: 4}, History: fits.History}
	broken := Candidate{Name: "broken", Err: errors.New("no bytes")}
	replaced := Candidate{Name: "replaced", Identity: Identity{FileID: FileID{9}}, History: fits.History}
	below := Candidate{Name: "below", Identity: Identity{FileID: FileID{1}, ParentID: FileID{2}, Depth: 1}}
	with := func(candidates ...Candidate) Facts {
		f := Facts{Identity: child, Known: true, Parents: candidates}
		for _, candidate := range candidates {
			f.Carriers = append(f.Carriers, candidate.Name)
		}
		return f
	}
	hashless := with(fits)
	hashless.Identity.ParentHash = Hash{}
	recorded := func(of, by byte, candidates ...Candidate) Facts {
		f := with(candidates...)
		f.Record = &Record{FileID: FileID{of}, ParentID: FileID{by}}
		return f
	}
	ours := func(start Start, hash Hash, history History) Facts {
		f := with(file("parent", history))
		f.Record = &Record{FileID: FileID{2}, ParentID: FileID{1}, ParentHash: hash, MutationCount: 5, Text: Origin{Start: start}.String()}
		return f
	}
	shown := func(base Base, start Start, hash Hash) Facts {
		f := ours(start, hash, fits.History)
		f.Base = &base
		return f
	}
	stray := with(fits)
	stray.Stray = &Record{FileID: FileID{4}}
	rootless := Facts{Identity: parent, Known: true, Base: &Base{ID: FileID{5}}}
	identified := func(id, parent FileID, depth uint32) Facts {
		f := with()
		f.Identity = Identity{FileID: id, ParentID: parent, Depth: depth}
		return f
	}
	unasked := with(compacted)
	unasked.Unasked = 3
	cycle := with(fits)
	cycle.Cycle = true
	for name, test := range map[string]struct {
		facts  Facts
		status Status
		parent string
		reason string // a part of it
	}{
		"no identity":                        {Facts{}, StatusUnknown, "", "before identities were kept"},
		"a root":                             {Facts{Identity: parent, Known: true}, StatusRoot, "", ""},
		"a root without an id":               {identified(FileID{}, FileID{}, 0), StatusRoot, "", "file id is zero"},
		"a child without an id":              {identified(FileID{}, FileID{1}, 1), StatusMissing, "", "file id is zero"},
		"no parent":                          {with(), StatusMissing, "", ""},
		"verified":                           {with(fits), StatusVerified, "fits", ""},
		"rewritten by us":                    {with(rewritten), StatusAttested, "rewritten", "its record"},
		"rewritten by others":                {with(compacted), StatusUnmatched, "compacted", "no record of the states that it drops"},
		"another copy's state":               {with(copied), StatusUnmatched, "copied", "another way"},
		"a state that never was":             {with(complete), StatusUnmatched, "complete", "the hash was changed"},
		"more ends than are compared":        {with(file("long", History{Unfolded: true})), StatusUnmatched, "long", "4096 ends"},
		"torn":                               {with(torn), StatusTorn, "torn", "it is cut"},
		"too deep":                           {with(deep), StatusDepth, "deep", "depth"},
		"a root that is deep":                {identified(FileID{2}, FileID{}, 3), StatusDepth, "", "depth 3"},
		"a child that is not deep":           {identified(FileID{2}, FileID{1}, 0), StatusDepth, "", "depth 0"},
		"unreadable":                         {with(broken), StatusUnreadable, "broken", "no bytes"},
		"another store at the parent's name": {with(replaced), StatusMissing, "", ""},
		"its own parent":                     {identified(FileID{2}, FileID{2}, 1), StatusCycle, "", "itself"},
		"its own grandparent":                {with(below), StatusCycle, "below", "its own ancestor"},
		"its own ancestor":                   {cycle, StatusCycle, "", "its own ancestor"},
		"one of the copies holds it":         {with(compacted, deep, broken, fits), StatusVerified, "fits", ""},
		"one of the copies tells of it":      {with(compacted, deep, broken, rewritten), StatusAttested, "rewritten", "its record"},
		"a copy that may have lost it":       {with(deep, broken, torn, compacted), StatusUnmatched, "compacted", "3 more files"},
		"a copy that was cut":                {with(deep, broken, torn), StatusTorn, "torn", "2 more files"},
		"a copy that cannot be read":         {with(deep, broken), StatusUnreadable, "broken", "1 more files"},
		"all copies contradict":              {with(deep, deep), StatusDepth, "deep", "1 more files"},
		"copies, of which one was replaced":  {with(replaced, deep), StatusDepth, "deep", "depth"},
		"more copies than are compared":      {unasked, StatusUnmatched, "compacted", "3 more files of the parent's id were not compared"},
		"no hash":                            {hashless, StatusUnmatched, "fits", "records no hash"},
		"a record that agrees":               {recorded(2, 1, fits), StatusVerified, "fits", ""},
		"a record that names another parent": {recorded(2, 3, fits), StatusMismatch, "", "another parent"},
		"a record of another store's":        {recorded(4, 3, fits), StatusVerified, "fits", ""},
		"our record of another state":        {ours(StartEmpty, Hash{8}, fits.History), StatusMismatch, "", "another state"},
		"our record of another store's":      {stray, StatusMismatch, "", "another store's"},
		"a branch's hash, made anew":         {shown(Base{FileID{1}, Hash{7}, 5}, StartBranch, Hash{8}), StatusVerified, "parent", ""},
		"a branch of no noted epoch":         {shown(Base{FileID{1}, Hash{7}, 0}, StartBranch, Hash{8}), StatusVerified, "parent", ""},
		"a branch of another store":          {shown(Base{FileID{3}, Hash{7}, 5}, StartBranch, Hash{8}), StatusMismatch, "", "another store"},
		"a branch of two states":             {shown(Base{FileID{1}, Hash{6}, 5}, StartBranch, Hash{8}), StatusMismatch, "", "than the identity"},
		"a branch of two epochs":             {shown(Base{FileID{1}, Hash{7}, 6}, StartBranch, Hash{8}), StatusMismatch, "", "epoch 6"},
		"a branch that began empty":          {shown(Base{FileID{1}, Hash{7}, 5}, StartEmpty, Hash{7}), StatusMismatch, "", "is a branch"},
		"a branch without a map":             {ours(StartBranch, Hash{8}, fits.History), StatusMismatch, "", "is missing"},
		"a root that is a branch":            {rootless, StatusMismatch, "", "another store"},
		"the recorded hash, another epoch":   {ours(StartEmpty, Hash{7}, History{Newest: 4, Elsewhere: state}), StatusMismatch, "parent", "contradicts itself"},
		"epochs: before the recorded one":    {ours(StartEmpty, Hash{7}, History{Newest: 4, Unrecorded: true}), StatusTorn, "parent", "the file lost its end"},
		"epochs: the same chain goes on":     {ours(StartEmpty, Hash{7}, History{Newest: 9, Unrecorded: true, Continues: true, Other: true}), StatusContinuous, "parent", "goes on"},
		"epochs: all known, another state":   {ours(StartEmpty, Hash{7}, History{Newest: 9, Continues: true, Other: true}), StatusMismatch, "parent", "was changed"},
		"epochs: all known, another chain":   {ours(StartEmpty, Hash{7}, History{Newest: 9, Other: true}), StatusUnmatched, "parent", "another way"},
		"epochs: that state was lost":        {ours(StartEmpty, Hash{7}, History{Newest: 9, Continues: true, Other: true, Lost: true}), StatusContinuous, "parent", "was damaged"},
		"a state was lost":                   {with(file("recovered", History{Newest: 9, Lost: true})), StatusUnmatched, "recovered", "was damaged"},
		"epochs: that manifest is damaged":   {ours(StartEmpty, Hash{7}, History{Newest: 9, Continues: true, Torn: "it is damaged"}), StatusTorn, "parent", "it is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.facts.Judge().Verification
			if got.Status != test.status || got.Parent != test.parent || (got.Reason == "") != (test.reason == "") || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("%+v", got)
			}
			verified, told := got.Status == StatusVerified, got.Status == StatusVerified || got.Status == StatusAttested
			if told != (got.Method == state.Method) || told != (got.ParentEpoch != nil && *got.ParentEpoch == 5) || verified != (got.ParentManifest != nil && *got.ParentManifest == 300) {
				t.Errorf("the state is %v of %q", got.ParentManifest, got.Method)
			}
			damaged := test.status == StatusMismatch || test.status == StatusCycle || test.status == StatusDepth
			if got.Damaged() != damaged {
				t.Errorf("Damaged is %t", got.Damaged())
			}
			remark := got.Remark(test.facts.Identity)
			quiet := got.Status == StatusUnknown || got.Status == StatusRoot && test.reason == "" || verified && len(got.Among) == 0
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
		Parents:  []Candidate{{Name: "p.rvf", Identity: Identity{FileID: FileID{1}}, History: History{Held: &PastState{HashFoldTail, 2, 70}}}},
		Carriers: []string{"o.rvf", "p.rvf", "q.rvf"}, Unasked: 2,
		Copies: []string{"c.rvf"},
	}
	got, err := json.Marshal(facts.Judge())
	want := `{"verification":{"status":"verified","method":"fold-tail","parent":"p.rvf","among":["o.rvf","q.rvf"],"more_among":2,"parent_epoch":2,"parent_manifest":70},"copies":["c.rvf"]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

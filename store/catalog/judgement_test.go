package catalog

import (
	"testing"

	"rvffs/lineage"
)

// TestLineageIsJudgedOnce: identity.json and the folder of the lineage tell of one judgement,
// whichever is read first, until a parent is in another state.
func TestLineageIsJudgedOnce(t *testing.T) {
	t.Parallel()
	root := lineage.Identity{FileID: fileID(1)}
	parent := storeImage(root)
	identity := func(p *place, _ *Store) string { return p.verification("a.rvf/b.rvf").Parent }
	account := func(p *place, s *Store) string {
		told, err := s.account(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		return told.Verification.Parent
	}
	for name, order := range map[string][2]func(*place, *Store) string{"identity first": {identity, account}, "account first": {account, identity}} {
		p := newPlace(t, map[string][]byte{"a.rvf": parent, "b.rvf": storeImage(childOf(parent, true))}, Options{})
		s := p.find("a.rvf/b.rvf").Store
		if got := order[0](p, s); got != "a.rvf" {
			t.Fatalf("%s: %q", name, got)
		}
		s.judgement.facts.Parents[0].Name = "a mark"
		if got := order[1](p, s); got != "a mark" {
			t.Errorf("%s: judged again: %q", name, got)
		}
		p.write("a.rvf", later(parent, root))
		p.age()
		for i, tell := range order {
			if got := tell(p, s); got != "a.rvf" {
				t.Errorf("%s, %d: after the parent has grown: %q", name, i, got)
			}
		}
	}
}

package catalog

import (
	"context"
	"slices"
	"weak"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
)

// judgement is what the lineage of a store was judged by last, in its state then and those of its
// parents: identity.json and the folder of the lineage tell of it, and ask for it once. It
// keeps no state in memory.
type judgement struct {
	snapshot weak.Pointer[state.Snapshot]
	parents  []string                       // the files that may be the parent
	compared []weak.Pointer[state.Snapshot] // the states of the first of them
	unasked  int
	cycle    bool
	facts    lineage.Facts
}

// judge finds what is true of the store's lineage, and which states of its parents say so. It
// is final when all of them could be read.
func (s *Store) judge(ctx context.Context, snapshot *state.Snapshot, told relatives) (facts lineage.Facts, compared []*state.Snapshot, final bool, err error) {
	s.mu.Lock()
	known := s.judgement
	s.mu.Unlock()
	compared, fits, err := known.fits(ctx, snapshot, told)
	if fits || err != nil {
		facts = known.facts
		facts.Copies = told.copies
		return facts, compared, true, err
	}
	compared, final = nil, true
	facts, err = store.LineageFacts(ctx, snapshot, told.asked(func(parent *state.Snapshot, err error) {
		if err == nil {
			compared = append(compared, parent)
		}
		final = final && err == nil
	}))
	if err != nil || !final || !told.all {
		return facts, compared, final, err
	}
	next := judgement{snapshot: weak.Make(snapshot), parents: told.files(), unasked: told.unasked, cycle: told.cycle, facts: facts}
	for _, parent := range compared {
		next.compared = append(next.compared, weak.Make(parent))
	}
	s.mu.Lock()
	s.judgement = next
	s.mu.Unlock()
	return facts, compared, true, nil
}

// fits reports whether the same would be found, and in which states of the parents. An error
// means that ctx is over.
func (j *judgement) fits(ctx context.Context, snapshot *state.Snapshot, told relatives) (compared []*state.Snapshot, fits bool, err error) {
	if j.snapshot != weak.Make(snapshot) || j.unasked != told.unasked || j.cycle != told.cycle || !slices.Equal(j.parents, told.files()) {
		return nil, false, nil
	}
	for i, former := range j.compared {
		now, err := told.parents[i].store.Snapshot(ctx)
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		if err != nil || weak.Make(now) != former {
			return nil, false, nil
		}
		compared = append(compared, now)
	}
	return compared, true, nil
}

// files are those that may be the parent.
func (r *relatives) files() []string {
	files := make([]string, len(r.parents))
	for i, parent := range r.parents {
		files[i] = parent.path
	}
	return files
}

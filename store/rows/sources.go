package rows

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Sources are the snapshots whose vectors are looked at as those of one store: that of a
// store, or those of a branch and of all that it inherits from, each of another file. Of an
// id that several have, the vector of the last counts, an id that one has deleted is also
// gone from those before it, and each shows of those before it no other ids than its
// members.
type Sources struct {
	snapshots []*state.Snapshot
	members   []*Members // of each; nil: all
	base      *Sources   // all but the last; nil when there is only one
	found     *rowsFound // about several; about one its snapshot keeps it
}

// Of is a snapshot alone.
func Of(snapshot *state.Snapshot) Sources {
	return Sources{snapshots: []*state.Snapshot{snapshot}, members: []*Members{nil}}
}

// Branch is what a branch shows: its own vectors, and of its parent's those of the members;
// nil is all. Those of both that have vectors have them of one dimension. What is found
// out about the rows is kept for as long as the Sources are.
func (s Sources) Branch(own *state.Snapshot, members *Members) (Sources, error) {
	if has, want := own.Dimension(), s.Dimension(); has != want && has != 0 && want != 0 {
		return Sources{}, fmt.Errorf("%w: vectors of dimension %d and of dimension %d cannot be looked at as one", volume.ErrInput, want, has)
	}
	return Sources{
		snapshots: append(s.snapshots[:len(s.snapshots):len(s.snapshots)], own),
		members:   append(s.members[:len(s.members):len(s.members)], members),
		base:      &s, found: &rowsFound{},
	}, nil
}

// newest is the snapshot whose rows count most.
func (s Sources) newest() *state.Snapshot { return s.snapshots[len(s.snapshots)-1] }

// Inherited is what a branch shows something of; false for a store that is none.
func (s Sources) Inherited() (Sources, bool) {
	if s.base == nil {
		return Sources{}, false
	}
	return *s.base, true
}

// Members are the ids that the last shows of those before it, nil: all.
func (s Sources) Members() *Members { return s.members[len(s.members)-1] }

// Snapshots are the sources, the one whose rows count most last.
func (s Sources) Snapshots() []*state.Snapshot { return s.snapshots }

// Dimension is the number of components of each vector, 0 while no vector has fixed it.
func (s Sources) Dimension() int {
	for _, snapshot := range s.snapshots {
		if dimension := snapshot.Dimension(); dimension != 0 {
			return dimension
		}
	}
	return 0
}

// Metric is the measure of distance, that of the last.
func (s Sources) Metric() segments.Metric { return s.newest().Metric() }

// Memory is the budget of those who read, that of the last.
func (s Sources) Memory() *memory.Budget { return s.newest().Backing().Memory() }

// Most is the number of rows that there can be at most, from lengths alone.
func (s Sources) Most() uint64 {
	var count uint64
	for _, snapshot := range s.snapshots {
		count += snapshot.Rows()
	}
	return count
}

// Deleted are the ids that any of them lists as deleted.
func (s Sources) Deleted() (ids []uint64) {
	for _, snapshot := range s.snapshots {
		ids = append(ids, snapshot.Manifest().Deleted...)
	}
	return ids
}

// Outdated reports whether damage was found, or mended, in one of the files since its
// snapshot was made.
func (s Sources) Outdated() bool {
	for _, snapshot := range s.snapshots {
		if snapshot.Outdated() {
			return true
		}
	}
	return false
}

// renewed is the same of which nothing is known that damage could have falsified.
func (s Sources) renewed() Sources {
	if !s.Outdated() {
		return s
	}
	last := len(s.snapshots) - 1
	own := s.snapshots[last]
	if own.Outdated() {
		own = own.Renewed()
	}
	if s.base == nil {
		return Of(own)
	}
	base := s.base.renewed()
	return Sources{
		snapshots: append(base.snapshots[:last:last], own), members: s.members, base: &base, found: &rowsFound{},
	}
}

// known is what was found out about the rows.
func (s Sources) known() *rowsFound {
	if s.found != nil {
		return s.found
	}
	return foundRows.Of(s.newest())
}

// Open holds the files of all open until Close. ErrStale means that one of them is gone.
func (s Sources) Open(ctx context.Context, use state.Use) (Readings, error) {
	in := make(Readings, 0, len(s.snapshots))
	for i, snapshot := range s.snapshots {
		reading, err := snapshot.Open(ctx, use)
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		in = append(in, Source{reading, s.members[i]})
	}
	return in, nil
}

// With runs use while the files of all are held open.
func (s Sources) With(ctx context.Context, what state.Use, use func(Readings) error) error {
	in, err := s.Open(ctx, what)
	if err != nil {
		return err
	}
	return errors.Join(use(in), in.Close())
}

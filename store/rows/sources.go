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
// store, or those of several, each of another file. Of an id that several have, the
// vector of the last counts, and an id that one has deleted is also gone from those
// before it, as a child's deletions hide what it shows of its parent.
type Sources struct {
	snapshots []*state.Snapshot
	found     *rowsFound // about several; about one its snapshot keeps it
}

// Of is a snapshot alone.
func Of(snapshot *state.Snapshot) Sources { return Sources{snapshots: []*state.Snapshot{snapshot}} }

// Join makes one of several snapshots, of which those that have vectors have them of one
// dimension: a parent's is followed by its child's. What is found out about the rows is
// kept for as long as the Sources are.
func Join(first *state.Snapshot, others ...*state.Snapshot) (Sources, error) {
	s := Of(first)
	if len(others) == 0 {
		return s, nil
	}
	s.snapshots, s.found = append(s.snapshots, others...), &rowsFound{}
	for _, snapshot := range s.snapshots {
		if has, want := snapshot.Dimension(), s.Dimension(); has != want && has != 0 {
			return Sources{}, fmt.Errorf("%w: vectors of dimension %d and of dimension %d cannot be looked at as one", volume.ErrInput, want, has)
		}
	}
	return s, nil
}

// newest is the snapshot whose rows count most.
func (s Sources) newest() *state.Snapshot { return s.snapshots[len(s.snapshots)-1] }

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

// outdated reports whether damage was found, or mended, in one of the files since its
// snapshot was made.
func (s Sources) outdated() bool {
	for _, snapshot := range s.snapshots {
		if snapshot.Outdated() {
			return true
		}
	}
	return false
}

// renewed is the same of which nothing is known that damage could have falsified.
func (s Sources) renewed() Sources {
	if !s.outdated() {
		return s
	}
	fresh := Sources{snapshots: make([]*state.Snapshot, len(s.snapshots))}
	for i, snapshot := range s.snapshots {
		if fresh.snapshots[i] = snapshot; snapshot.Outdated() {
			fresh.snapshots[i] = snapshot.Renewed()
		}
	}
	if s.found != nil {
		fresh.found = &rowsFound{}
	}
	return fresh
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
	for _, snapshot := range s.snapshots {
		reading, err := snapshot.Open(ctx, use)
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		in = append(in, reading)
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

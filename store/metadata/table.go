package metadata

import (
	"context"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/shared"
	"rvffs/store/state"
)

// table knows which vectors have records, as of one directory, and follows the
// commits: only what is new is read, for as long as there is memory for what is known.
type table struct {
	turn   shared.Turn  // held while metadata are read from the disk, by who uses what follows
	kept   *memory.Kept // of *gathered; nil before the first use
	source *state.Backing
	named  []segments.DirectoryEntry
}

// at gives what the META segments of a snapshot come to, without contents, and what is
// to be called when the caller is done with it.
func (t *table) at(ctx context.Context, in *state.Reading, named []segments.DirectoryEntry) (known *gathered, done func(), err error) {
	if err := t.turn.Take(ctx); err != nil {
		return nil, nil, err
	}
	defer t.turn.Give()
	backing := in.Snapshot().Backing()
	charge := backing.Memory().Charge()
	defer charge.Free()
	known, paid := t.use(backing, named)
	if known == nil {
		known, t.named, t.source = gatherIDs(), nil, backing
	}
	if _, err := known.add(ctx, in, named[len(t.named):], &charge, paid); err != nil {
		t.forget()
		return nil, nil, err
	}
	t.named = named
	charge.Force(max(0, known.bytes()-paid))
	if t.kept == nil {
		t.kept = memory.Keep(&charge, t, known, nil)
	} else {
		charge.Free()
		if err := t.kept.Resize(known.bytes()); err != nil {
			t.forget()
			return nil, nil, fmt.Errorf("keep the ids of metadata: %w", err)
		}
	}
	return known, t.kept.Done, nil
}

// use gives what is known if the directory goes on from there, and the bytes that are
// charged for it. The caller holds the turn, and is its user.
func (t *table) use(backing *state.Backing, named []segments.DirectoryEntry) (*gathered, int64) {
	known, there := memory.Used[*gathered](t.kept)
	if there && t.source == backing && len(named) >= len(t.named) && slices.Equal(named[:len(t.named)], t.named) {
		return known, known.bytes()
	}
	if there {
		t.kept.Forget()
	}
	t.kept = nil
	return nil, 0
}

// forget lets go of what is known. The caller holds the turn, and is its user if there is
// anything.
func (t *table) forget() {
	if t.kept != nil {
		t.kept.Forget()
		t.kept = nil
	}
}

package store

import (
	"context"
	"errors"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// checkBranch looks at what makes a branch of the store: its map, and the filter that says
// what it shows of its parent's.
func (v *verifier) checkBranch() error {
	if !v.snapshot.IsBranch() {
		return nil
	}
	if _, err := v.snapshot.Branch(v.ctx); err != nil {
		if !errors.Is(err, volume.ErrCorrupt) {
			return err
		}
		entry, _ := v.snapshot.LastOf(segments.TypeCowMap)
		v.damaged(entry, "%v", err)
	}
	members, err := rows.MembersOf(v.in)
	if err == nil {
		if _, counted := members.Count(); !counted {
			v.find(Note, members.Entry().Offset, "the membership filter names what the branch hides, not what it shows, as no known program writes it")
		}
	} else {
		if !errors.Is(err, volume.ErrCorrupt) {
			return err
		}
		if entry, named := v.snapshot.LastOf(segments.TypeMembership); named {
			v.damaged(entry, "%v", err)
		} else {
			v.find(Damage, -1, "%v", err)
		}
	}
	return nil
}

// verifyInherited looks for what a branch shows of its parent's, and at every byte of it.
func (s *Store) verifyInherited(ctx context.Context, found *Verification) error {
	snapshot := s.Current()
	if !snapshot.IsBranch() {
		return nil
	}
	of, err := s.Sources(ctx, snapshot)
	if err != nil {
		if isOurs(ctx, err) {
			return err
		}
		found.find(Damage, -1, "what it inherits cannot be read: %v", err)
		return nil
	}
	base, some := of.Inherited()
	if !some {
		return nil
	}
	unlisted, err := s.unlisted(ctx, snapshot)
	if err != nil {
		return err
	}
	if unlisted != "" {
		found.find(Note, -1, "%s", unlisted)
	}
	for _, inherited := range base.Snapshots() {
		if err := verifyShown(ctx, inherited, found); err != nil {
			return err
		}
	}
	return s.compareMembers(ctx, of, found)
}

// verifyShown reads all vectors of a state that a branch shows.
func verifyShown(ctx context.Context, s *state.Snapshot, found *Verification) error {
	identity, _ := s.Identity()
	return s.With(ctx, state.Judging, func(in *state.Reading) error {
		for _, entry := range s.Vectors() {
			segment, err := in.ReadHeader(entry)
			verdict := segments.HashUnset
			if err == nil {
				verdict, err = segments.VerifySegment(in, segment)
			}
			if err == nil && verdict == segments.HashMismatch {
				err = errors.New("the payload is not what its content hash says")
			}
			if stop := ctx.Err(); stop != nil {
				return stop
			}
			if err != nil {
				found.find(Damage, -1, "what it inherits of the store %s: vec segment %d at %d: %v", identity.FileID, entry.SegmentID, entry.Offset, err)
			}
		}
		return nil
	})
}

// compareMembers tells of ids that a branch is to show and its parent did not have.
func (s *Store) compareMembers(ctx context.Context, of rows.Sources, found *Verification) error {
	members, counted := of.Members().Count()
	if !counted || found.Damages > 0 {
		return nil
	}
	charge := s.options.Memory.Charge()
	defer charge.Free()
	base, _ := of.Inherited()
	ids, err := rows.LiveIDs(ctx, base, &charge)
	if err != nil {
		if isOurs(ctx, err) {
			return err
		}
		found.find(Damage, -1, "what it inherits cannot be read: %v", err)
		return nil
	}
	if there := of.Members().Among(ids).Len(); there < members {
		found.find(Note, -1, "the membership filter names %d ids, of which the state that the branch shows has %d", members, there)
	}
	return nil
}

package recovery

import (
	"context"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
)

// understand has something done with the payload of a part. What is in a form that cannot be read,
// or is not what it should be, is a doubt.
func (p *recoveryPlan) understand(part tailPart, do func(payload []byte) (malformed, err error)) error {
	if !isRaw(part) {
		p.doubt(DoubtForm, remedyDrop, 1)
		return nil
	}
	payload, charge, err := p.payload(part)
	if err != nil {
		return err
	}
	defer charge.Free()
	malformed, err := do(payload)
	if malformed != nil {
		p.doubt(DoubtDamaged, remedyDrop, 1)
	}
	return err
}

// collectOfBranch notes what a filter of the branch shows no more, which a list of deletions in
// the same commit names, too. A map that only names other bytes of the same parent is made anew,
// and nothing is lost with it.
func (p *recoveryPlan) collectOfBranch(ctx context.Context, part tailPart) error {
	if there, err := p.hasSegment(ctx, part); err != nil || there {
		return err
	}
	return p.understand(part, func(payload []byte) (malformed, err error) {
		if part.Type == segments.TypeCowMap {
			return p.collectMap(ctx, payload)
		}
		filter, malformed := segments.ParseMembership(payload)
		if malformed != nil {
			return malformed, nil
		}
		return nil, p.base.With(ctx, state.Judging, func(in *state.Reading) error {
			members, err := rows.MembersOf(in)
			if err == nil {
				p.hidden.Unite(members.HiddenBy(filter))
			}
			return err
		})
	})
}

func (p *recoveryPlan) collectMap(ctx context.Context, payload []byte) (malformed, err error) {
	branch, err := p.base.Branch(ctx)
	if err != nil {
		return nil, err
	}
	lost, malformed := segments.ParseCowMap(payload)
	if malformed == nil && lost.BaseID != branch.Map.BaseID {
		p.doubt(DoubtBranch, remedyDrop, 1)
	}
	return malformed, nil
}

// judgeInherited has a branch hide what the tail says is deleted and it shows of its parent's. To
// hide it again undoes nothing: what is hidden once does not come back but as a vector of the
// branch's own.
func (p *recoveryPlan) judgeInherited(ctx context.Context) (err error) {
	if !p.base.IsBranch() || p.gone.Len() == 0 {
		return nil
	}
	var gone *idset.Set
	err = p.tails.env.IDs.At(ctx, p.base, func(stored *idset.Set) error {
		gone = p.gone.Without(stored)
		return nil
	})
	if err != nil {
		return err
	}
	if p.options.Cut {
		gone.Remove(p.cut)
	}
	p.hide, err = p.tails.env.Inherited(ctx, p.base, gone)
	p.Deleted += p.hide.Len()
	return err
}

// collectList takes the branches of a list that the store does not list: what they show is kept for
// who is listed. A new store is nobody's parent.
func (p *recoveryPlan) collectList(ctx context.Context, part tailPart) error {
	if p.NoManifest {
		return nil
	}
	return p.understand(part, func(payload []byte) (malformed, err error) {
		listed, malformed := segments.ParseBranches(payload)
		if malformed != nil {
			return malformed, nil
		}
		return nil, p.base.With(ctx, state.Judging, func(in *state.Reading) error {
			own, err := in.ListedBranches()
			if err != nil {
				return err
			}
			for _, branch := range listed {
				known := func(other segments.ListedBranch) bool {
					return other.FileID == branch.FileID && (other.Pinned == branch.Pinned || other.LetGo())
				}
				if !branch.LetGo() && !slices.ContainsFunc(own, known) && !slices.ContainsFunc(p.branches, known) {
					p.branches = append(p.branches, branch)
					p.Listed++
				}
			}
			return nil
		})
	})
}

package store

import (
	"context"
	"fmt"

	"rvffs/lineage"
	"rvffs/store/state"
)

// ChildRecord is the record that a child keeps of its derivation.
type ChildRecord struct {
	File string
	lineage.Record
}

// LostEnd tells what children know of a store that its file does not hold: states later than
// its newest one, or an audit entry. The file has lost its end then, or the end of its audit
// chain, or is an older copy. Only records of ours tell such things.
func LostEnd(ctx context.Context, s *state.Snapshot, children []ChildRecord) (remarks []string, err error) {
	identity, known := s.Identity()
	if !known || identity.FileID.IsZero() {
		return nil, nil
	}
	for _, child := range children {
		origin, ours := child.Origin()
		if !ours || child.ParentID != identity.FileID {
			continue
		}
		if child.MutationCount > s.Epoch() {
			remarks = append(remarks, fmt.Sprintf("%s came from epoch %d of this store, whose newest is %d: the file lost its end, or is an older copy", child.File, child.MutationCount, s.Epoch()))
			continue
		}
		goesOn, err := s.GoesOnFrom(ctx, origin.Audit)
		if err != nil {
			return nil, err
		}
		if !goesOn {
			remarks = append(remarks, fmt.Sprintf("the audit chain lacks the entry that was its newest when %s was made: it lost its end, or the file is a copy that went another way", child.File))
		}
	}
	return remarks, nil
}

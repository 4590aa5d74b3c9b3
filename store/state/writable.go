package state

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Writable fails with ErrReadOnly if nobody may write to the file, for what it holds.
func (s *Snapshot) Writable(ctx context.Context) error {
	if s.Dialect() != segments.DialectRuntime {
		return fmt.Errorf("%w: the file is in the wire dialect", volume.ErrReadOnly)
	}
	frozen, err := s.Frozen(ctx)
	if err == nil && frozen {
		err = fmt.Errorf("%w: the store is frozen; rvffs derive --copy makes one with its vectors that can be changed", volume.ErrReadOnly)
	}
	return err
}

// HasContent reports whether the snapshot's own file holds anything that removing the store
// would lose: vectors, embedded segments, or segments of unknown types, such as those of vendors.
func (s *Snapshot) HasContent() bool {
	for _, entry := range s.Named() {
		switch entry.Type {
		case segments.TypeWitness, segments.TypeProfile, segments.TypeJournal, segments.TypeIndex,
			segments.TypeCowMap, segments.TypeMembership:
		case segments.TypeVec:
			if entry.PayloadLength > segments.VecPrefixSize {
				return true
			}
		default:
			return true
		}
	}
	return false
}

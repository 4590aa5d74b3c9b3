package lineage

import (
	"errors"
	"fmt"
)

// Base is what the copy-on-write map of a branch says of the store whose vectors it shows.
type Base struct {
	ID    FileID
	Hash  Hash   // by which other programs know the state, as the identity has it
	Epoch uint32 // of that state; 0 where nobody has noted it
}

// What CheckBase can find wrong.
var (
	// ErrBase says that a branch names two stores of which it shows vectors.
	ErrBase = errors.New("the map of the branch names another store than the parent")
	// ErrBaseHash says that it names two states of one.
	ErrBaseHash = errors.New("the map of the branch names another state of the parent than the identity")
	// ErrBaseEpoch says the same of what its record tells.
	ErrBaseEpoch = errors.New("the map of the branch names another state of the parent than the record of the derivation")
	// ErrStart says that a record contradicts what the store is.
	ErrStart = errors.New("the record of the derivation contradicts what the store is")
)

// CheckBase fails if it is not certain of which state a branch shows vectors: its map, its
// identity and the record of its derivation, nil without one, contradict each other. What
// only other programs go by counts where there is no record.
func (f Facts) CheckBase() error {
	if f.Base == nil {
		return nil
	}
	if f.Base.ID != f.Identity.ParentID || f.Identity.IsRoot() {
		return fmt.Errorf("%w: %s, the identity names %s", ErrBase, f.Base.ID, f.Identity.ParentID)
	}
	if err := f.checkRecord(); err != nil {
		return err
	}
	_, origin, _ := f.record()
	if origin.Start == "" {
		return f.checkBaseHash()
	}
	return nil
}

// checkRecord fails if the record of the derivation contradicts the identity, or what the
// store is.
func (f Facts) checkRecord() error {
	if f.Stray != nil {
		return fmt.Errorf("%w: it is that of the store %s, this one is %s", ErrRecordOwner, f.Stray.FileID, f.Identity.FileID)
	}
	record, origin, recorded := f.record()
	ours := origin.Start != ""
	switch {
	case !recorded:
	case record.ParentID != f.Identity.ParentID:
		return fmt.Errorf("%w: %s, the identity names %s", ErrRecord, record.ParentID, f.Identity.ParentID)
	case ours && f.Base == nil && origin.Start == StartBranch:
		return fmt.Errorf("%w: a branch, and the map that names what it shows is missing or cannot be read", ErrStart)
	case ours && f.Base != nil && origin.Start != StartBranch:
		return fmt.Errorf("%w: it began with %q, and is a branch", ErrStart, origin.Start)
	case ours && f.Base != nil && f.Base.Epoch != 0 && f.Base.Epoch != record.MutationCount:
		return fmt.Errorf("%w: epoch %d, the record names epoch %d", ErrBaseEpoch, f.Base.Epoch, record.MutationCount)
	case ours && f.Base == nil && record.ParentHash != f.Identity.ParentHash:
		return fmt.Errorf("%w: %s, the identity names %s", ErrRecordState, record.ParentHash, f.Identity.ParentHash)
	}
	return nil
}

// checkBaseHash fails if map and identity of a branch name two states.
func (f Facts) checkBaseHash() error {
	if f.Base != nil && f.Base.Hash != f.Identity.ParentHash {
		return fmt.Errorf("%w: %s, the identity names %s", ErrBaseHash, f.Base.Hash, f.Identity.ParentHash)
	}
	return nil
}

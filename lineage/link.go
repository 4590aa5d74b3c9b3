package lineage

import (
	"errors"
	"fmt"
	"math"
)

// What CheckLink can find wrong.
var (
	ErrNotParent = errors.New("parent id is not the id of this parent")
	ErrDepth     = errors.New("depth is not one more than the parent's")
	ErrSelf      = errors.New("store names itself as its parent")
)

// CheckLink fails unless child can have been derived from parent: the ids
// agree, they are not one and the same, and the depth is one more. The hash
// is checked by whoever has the parent's bytes.
func CheckLink(child, parent Identity) error {
	switch {
	case child.IsRoot() || child.ParentID != parent.FileID:
		return fmt.Errorf("%w: child names %s, parent is %s", ErrNotParent, child.ParentID, parent.FileID)
	case child.FileID == child.ParentID:
		return fmt.Errorf("%w: %s", ErrSelf, child.FileID)
	case parent.Depth == math.MaxUint32 || child.Depth != parent.Depth+1:
		return fmt.Errorf("%w: child %d, parent %d", ErrDepth, child.Depth, parent.Depth)
	}
	return nil
}

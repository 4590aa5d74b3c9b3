package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rvffs/store/volume"
)

// notInherited is why the vectors that a branch inherits cannot be read. However many
// generations are between the branch and what is wrong, it is said once, of the store at fault.
type notInherited struct {
	asked   string // the branch that was asked for; "" while that is not known
	reasons []notShown
}

// notShown is what is wrong with one store.
type notShown struct {
	store string // its name; "" for the branch that was asked for
	why   string
	ofAll bool // it is the matter of all between them, and of none
}

// tooDeep is what is wrong with a branch of too many generations.
var tooDeep = &notInherited{reasons: []notShown{{
	why:   fmt.Sprintf("it is a branch of a branch, and so on, more than %d times: rvffs flatten one of those of which it shows vectors", maxBranches),
	ofAll: true,
}}}

// add notes why nothing is shown of a file that may be the parent.
func (n *notInherited) add(store string, err error) {
	var above *notInherited
	if !errors.As(err, &above) {
		n.reasons = append(n.reasons, notShown{store: store, why: err.Error()})
		return
	}
	for _, wrong := range above.reasons {
		if wrong.store == "" && !wrong.ofAll {
			wrong.store = store
		}
		if !slices.Contains(n.reasons, wrong) {
			n.reasons = append(n.reasons, wrong)
		}
	}
}

// Error implements error.
func (n *notInherited) Error() string {
	reasons := make([]string, len(n.reasons))
	for i, wrong := range n.reasons {
		reasons[i] = wrong.why
		if wrong.store != "" {
			reasons[i] = fmt.Sprintf("%q: %s", wrong.store, wrong.why)
		}
	}
	return fmt.Sprintf("%v: the vectors that the branch %q inherits cannot be read: %s", volume.ErrCorrupt, n.asked, strings.Join(reasons, "; "))
}

// Unwrap says that it is damage.
func (n *notInherited) Unwrap() error { return volume.ErrCorrupt }

// parentError is a failure that says nothing of the parent of a branch in which it was met.
type parentError struct {
	name string
	err  error
}

// Error implements error.
func (e *parentError) Error() string {
	return fmt.Sprintf("parent %q of the branch: %v", e.name, e.err)
}

// Unwrap is the failure.
func (e *parentError) Unwrap() error { return e.err }

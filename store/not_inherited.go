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
		if wrong := (notShown{store: store, why: err.Error()}); !slices.Contains(n.reasons, wrong) {
			n.reasons = append(n.reasons, wrong)
		}
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
	var reasons []string
	told := map[string]bool{}
	for _, wrong := range n.reasons {
		if !told[wrong.why] {
			reasons = append(reasons, n.storesOf(wrong.why)+wrong.why)
		}
		told[wrong.why] = true
	}
	return fmt.Sprintf("%v: the vectors that the branch %q inherits cannot be read: %s", volume.ErrCorrupt, n.asked, strings.Join(reasons, "; "))
}

// mostNamed is how many stores are named of which the same is true.
const mostNamed = 4

// storesOf names those of which something is true, before it is said; none if it is true of
// the branch that was asked for.
func (n *notInherited) storesOf(why string) string {
	var names []string
	for _, wrong := range n.reasons {
		switch {
		case wrong.why != why:
		case wrong.store == "":
			return ""
		default:
			names = append(names, fmt.Sprintf("%q", wrong.store))
		}
	}
	if more := len(names) - mostNamed; more > 0 {
		names = append(names[:mostNamed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ") + ": "
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

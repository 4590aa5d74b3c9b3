package directory

import (
	"fmt"

	"rvffs/store/volume"
)

// actAs runs f with the rights that the caller has on the file system: what f opens,
// makes, renames or removes by name succeeds if it would for the caller, and what
// it makes is the caller's. Descriptors that are open stay what they are.
//
// f runs on a thread of its own for a moment and must neither hand work to another
// goroutine nor wait for one. A process that cannot take on somebody else's rights
// refuses with volume.ErrNotPermitted.
func actAs(c volume.Caller, f func() error) error {
	if c.Trusted() {
		return f()
	}
	if !canImpersonate() {
		return fmt.Errorf("%w: this process can only act for the user that it runs as, and not for user %d", volume.ErrNotPermitted, c.UID)
	}
	return impersonate(c, f)
}

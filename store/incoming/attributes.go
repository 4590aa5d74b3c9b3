package incoming

import (
	"os"
	"time"

	"rvffs/store/volume"
)

// Attributes are what is said of a file besides its bytes. Nothing but its receipt shows
// them.
type Attributes struct {
	Mode     os.FileMode
	UID, GID uint32
	Modified time.Time
	// Asked are those that were set.
	Asked volume.AttributeChange
}

// NewAttributes are those of a file that somebody makes.
func NewAttributes(mode os.FileMode, uid, gid uint32) Attributes {
	return Attributes{Mode: mode, UID: uid, GID: gid, Modified: time.Now(), Asked: volume.AttributeChange{UID: -1, GID: -1}}
}

// written is what they are after a write.
func (a *Attributes) written() {
	a.Modified, a.Asked.Modified = time.Now(), time.Time{}
}

// change sets some of them.
func (a *Attributes) change(c volume.AttributeChange) {
	if c.Mode != nil {
		a.Mode, a.Asked.Mode = *c.Mode, c.Mode
	}
	if c.UID >= 0 {
		a.UID, a.Asked.UID = uint32(c.UID), c.UID
	}
	if c.GID >= 0 {
		a.GID, a.Asked.GID = uint32(c.GID), c.GID
	}
	if c.Modified.IsZero() {
		return
	}
	if c.Modified.Equal(volume.Now) {
		c.Modified = time.Now()
	}
	a.Modified, a.Asked.Modified = c.Modified, c.Modified
}

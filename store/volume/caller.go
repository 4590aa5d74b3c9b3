package volume

import (
	"slices"
	"sync"
)

// Caller is who an operation on names is made for. The zero Caller is root, for
// whom this process acts with all the rights that it has itself.
type Caller struct {
	UID, GID uint32
	// Groups finds out the supplementary groups, when they are needed; nil stands for
	// none.
	Groups func() []uint32
}

// Trusted reports whether this process acts for the caller with its own rights.
func (c Caller) Trusted() bool { return slices.Contains(TrustedUsers(), c.UID) }

// TrustedUsers are the users for whom this process acts with its own rights: root,
// and the one that it runs as.
func TrustedUsers() []uint32 { return trustedUsers() }

var trustedUsers = sync.OnceValue(func() []uint32 { return slices.Compact([]uint32{0, processUser()}) })

// Member reports whether the caller is in a group.
func (c Caller) Member(group uint32) bool {
	return c.GID == group || slices.Contains(c.AllGroups(), group)
}

// AllGroups are the supplementary groups.
func (c Caller) AllGroups() []uint32 {
	if c.Groups == nil {
		return nil
	}
	return c.Groups()
}

// Permission is what somebody wants to do with a file: some of Read, Write and
// Search. None of them is no more than to know of it.
type Permission uint8

// The permissions, with the values that they have in a mode.
const (
	Search Permission = 1 << iota // or execute
	Write
	Read
)

// PermittedByMode reports whether the mode bits of a file without an access control list
// let the caller do something.
func (c Caller) PermittedByMode(info FileInfo, want Permission) bool {
	shift := 0
	switch {
	case c.UID == 0:
		return true
	case c.UID == info.UID:
		shift = 6
	case c.Member(info.GID):
		shift = 3
	}
	return Permission(info.Mode.Perm()>>shift)&want == want
}

package volume

import "encoding/binary"

// AccessList is a POSIX access control list in the form of its extended attribute: a
// version, then entries of tag, permissions and id, 2, 2 and 4 bytes, little-endian
// (posix_acl_xattr.h of the Linux kernel). Nil stands for a file without one.
type AccessList []byte

const (
	aclVersion = 2
	aclHeader  = 4 // bytes
	aclEntry   = 8 // bytes

	aclOwner     = 0x01
	aclUser      = 0x02
	aclFileGroup = 0x04
	aclGroup     = 0x08
	aclMask      = 0x10
	aclOthers    = 0x20
)

// Valid reports whether it is such a list.
func (l AccessList) Valid() bool {
	return len(l) >= aclHeader && (len(l)-aclHeader)%aclEntry == 0 && binary.LittleEndian.Uint32(l) == aclVersion
}

// entries calls each with every entry, the permissions in place.
func (l AccessList) entries(each func(tag uint16, permissions []byte, id uint32)) {
	for rest := l[aclHeader:]; len(rest) > 0; rest = rest[aclEntry:] {
		each(binary.LittleEndian.Uint16(rest), rest[2:4], binary.LittleEndian.Uint32(rest[4:]))
	}
}

// Map gives a list in which everybody has the permissions that change makes of those
// in this one, as the last three bits of a mode. What is no list becomes none.
func (l AccessList) Map(change func(uint16) uint16) AccessList {
	if !l.Valid() {
		return nil
	}
	mapped := append(AccessList(nil), l...)
	mapped.entries(func(_ uint16, permissions []byte, _ uint32) {
		binary.LittleEndian.PutUint16(permissions, change(binary.LittleEndian.Uint16(permissions)))
	})
	return mapped
}

// Permits reports whether a list, of a file that info describes, lets a caller do
// something: of the
// owner the file's mode tells, of a user his entry, of a member of groups theirs, if
// one of them suffices, and of all others the rest.
func (l AccessList) Permits(c Caller, info FileInfo, want Permission) bool {
	mask := Permission(Read | Write | Search)
	var user, others Permission
	named, member, enough := false, false, false
	l.entries(func(tag uint16, permissions []byte, _ uint32) {
		if tag == aclMask {
			mask = Permission(permissions[0])
		}
	})
	l.entries(func(tag uint16, permissions []byte, id uint32) {
		given := Permission(permissions[0])
		switch {
		case tag == aclUser && id == c.UID:
			named, user = true, given&mask
		case tag == aclFileGroup && c.Member(info.GID), tag == aclGroup && c.Member(id):
			member = true
			enough = enough || given&mask&want == want
		case tag == aclOthers:
			others = given
		}
	})
	switch {
	case c.UID == info.UID:
		return c.PermittedByMode(info, want)
	case named:
		return user&want == want
	case member:
		return enough
	}
	return others&want == want
}

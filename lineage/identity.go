package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// IdentitySize is the length of an encoded Identity in bytes.
const IdentitySize = 68

// ErrShortIdentity says that fewer than IdentitySize bytes were given.
var ErrShortIdentity = errors.New("identity is shorter than 68 bytes")

// Identity says who a store is and whom it was derived from. In a file it is
// 68 bytes: 16 of file id, 16 of parent id, 32 of parent hash, and the depth
// as a little-endian u32.
type Identity struct {
	FileID     FileID
	ParentID   FileID // zero for a root
	ParentHash Hash   // zero for a root; see HashMethod
	Depth      uint32 // number of derivations since the root, which has 0
}

// AppendBinary implements encoding.BinaryAppender; it never fails.
func (i Identity) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, i.FileID[:]...)
	b = append(b, i.ParentID[:]...)
	b = append(b, i.ParentHash[:]...)
	return binary.LittleEndian.AppendUint32(b, i.Depth), nil
}

// ParseIdentity reads the first IdentitySize bytes of b. Every 68 bytes are
// some identity; the only error is ErrShortIdentity.
func ParseIdentity(b []byte) (Identity, error) {
	if len(b) < IdentitySize {
		return Identity{}, fmt.Errorf("%w: %d", ErrShortIdentity, len(b))
	}
	return Identity{
		FileID:     FileID(b[0:16]),
		ParentID:   FileID(b[16:32]),
		ParentHash: Hash(b[32:64]),
		Depth:      binary.LittleEndian.Uint32(b[64:68]),
	}, nil
}

// IsRoot reports whether the store was derived from none.
func (i Identity) IsRoot() bool { return i.ParentID.IsZero() }

// IsConsistent reports whether depth and parent agree: a root alone has depth 0.
func (i Identity) IsConsistent() bool { return i.IsRoot() == (i.Depth == 0) }

package lineage

import "encoding/hex"

// HashSize is the length of a Hash in bytes.
const HashSize = 32

// Hash is a 32-byte digest: of a parent, of a witness entry, of an image.
// Which function made it is not recorded in the file; see HashMethod.
type Hash [HashSize]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is the hash that roots and first entries carry.
func (h Hash) IsZero() bool { return h == Hash{} }

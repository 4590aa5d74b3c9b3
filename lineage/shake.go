package lineage

import (
	"crypto/sha3"
	"hash"
)

// NewShake256 makes the first 32 bytes of SHAKE-256, the digest that the format
// prescribes for parents and embedded images. Its Sum leaves the state as it was.
func NewShake256() hash.Hash { return &shake{state: sha3.NewSHAKE256()} }

type shake struct{ state *sha3.SHAKE }

// Write implements io.Writer; it never fails.
func (s *shake) Write(p []byte) (int, error) { return s.state.Write(p) }

// Sum implements hash.Hash. Reading from a SHAKE ends its absorbing phase,
// so the digest is read from a copy.
func (s *shake) Sum(b []byte) []byte {
	squeezed := *s.state
	var digest Hash
	// Reading from a SHAKE cannot fail: its output has no end.
	_, _ = squeezed.Read(digest[:])
	return append(b, digest[:]...)
}

// Reset implements hash.Hash.
func (s *shake) Reset() { s.state.Reset() }

// Size implements hash.Hash.
func (s *shake) Size() int { return HashSize }

// BlockSize implements hash.Hash.
func (s *shake) BlockSize() int { return s.state.BlockSize() }

// ShakeOf is the digest of bytes that are at hand.
func ShakeOf(data []byte) Hash {
	h := NewShake256()
	_, _ = h.Write(data) // cannot fail
	return Hash(h.Sum(nil))
}

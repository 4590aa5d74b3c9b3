package lineage

import (
	"hash"
	"math/bits"
)

// Fold is the digest that the reference runtime uses for parents, witness
// entries and embedded images. It is a checksum, not a cryptographic hash:
// starting from 32 zero bytes, the byte b at index i does
//
//	out[i%32] += b
//	out[(i+13)%32] += rotl8(out[i%32], 3)
//
// where the second line reads out[i%32] after the first has changed it.
func Fold(data []byte) Hash {
	var f fold
	f.write(data)
	return f.out
}

// NewFold returns the streaming form of Fold; its Sum appends 32 bytes and
// leaves the state as it was.
func NewFold() hash.Hash { return &fold{} }

// foldShift is how far from a byte's own place its rotated sum is added.
const foldShift = 13

type fold struct {
	out  Hash
	next uint8 // index of the next byte, modulo 32
}

func (f *fold) write(p []byte) {
	i := f.next
	for _, b := range p {
		sum := f.out[i] + b
		f.out[i] = sum
		f.out[(i+foldShift)%HashSize] += bits.RotateLeft8(sum, 3)
		i = (i + 1) % HashSize
	}
	f.next = i
}

// Write implements io.Writer; it never fails.
func (f *fold) Write(p []byte) (int, error) {
	f.write(p)
	return len(p), nil
}

// Sum implements hash.Hash.
func (f *fold) Sum(b []byte) []byte { return append(b, f.out[:]...) }

// Reset implements hash.Hash.
func (f *fold) Reset() { *f = fold{} }

// Size implements hash.Hash.
func (f *fold) Size() int { return HashSize }

// BlockSize implements hash.Hash.
func (f *fold) BlockSize() int { return HashSize }

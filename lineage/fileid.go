package lineage

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// FileID names a store for life, wherever its file is moved or copied to.
// The zero value stands for "no store", which is the parent of every root.
type FileID [16]byte

// NewFileID returns a random FileID that is not zero.
func NewFileID() (FileID, error) {
	for {
		var id FileID
		if _, err := rand.Read(id[:]); err != nil {
			return FileID{}, fmt.Errorf("random file id: %w", err)
		}
		if !id.IsZero() {
			return id, nil
		}
	}
}

// String returns 32 lower-case hexadecimal digits.
func (id FileID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names no store.
func (id FileID) IsZero() bool { return id == FileID{} }

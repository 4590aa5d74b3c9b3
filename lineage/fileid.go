package lineage

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrFileID says that a text is not the hexadecimal form of a FileID.
var ErrFileID = errors.New("file id is not 32 hexadecimal digits")

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

// ParseFileID reads the 32 hexadecimal digits that String writes; upper case
// is accepted too. The error wraps ErrFileID.
func ParseFileID(text string) (FileID, error) {
	var id FileID
	if len(text) != hex.EncodedLen(len(id)) {
		return FileID{}, fmt.Errorf("%w: %d characters", ErrFileID, len(text))
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return FileID{}, fmt.Errorf("%w: %w", ErrFileID, err)
	}
	return id, nil
}

// String returns 32 lower-case hexadecimal digits.
func (id FileID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names no store.
func (id FileID) IsZero() bool { return id == FileID{} }

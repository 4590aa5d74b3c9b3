package lineage

import (
	"errors"
	"fmt"
	"strings"
)

// ErrDerivationType says that a text names no derivation type.
var ErrDerivationType = errors.New("unknown derivation type")

// DerivationType says how a child came out of its parent.
type DerivationType uint8

// The derivation types of the format.
const (
	Clone       DerivationType = 0
	Filter      DerivationType = 1
	Merge       DerivationType = 2
	Quantize    DerivationType = 3
	Reindex     DerivationType = 4
	Transform   DerivationType = 5
	Snapshot    DerivationType = 6
	UserDefined DerivationType = 0xFF
)

var derivationNames = map[DerivationType]string{
	Clone:       "clone",
	Filter:      "filter",
	Merge:       "merge",
	Quantize:    "quantize",
	Reindex:     "reindex",
	Transform:   "transform",
	Snapshot:    "snapshot",
	UserDefined: "user_defined",
}

// String returns the type's name, or its number as "0x07" if it has none.
func (t DerivationType) String() string {
	if name, ok := derivationNames[t]; ok {
		return name
	}
	return fmt.Sprintf("0x%02x", uint8(t))
}

// TypeWord is the word for the type of the derivation: its name, or for a clone that began as a
// branch the one by which a branch is made.
func (r Record) TypeWord() string {
	if origin, own := r.Origin(); own && r.Type == Clone && origin.Start == StartBranch {
		return string(StartBranch)
	}
	return r.Type.String()
}

// ParseDerivationType reads a name that String writes, in upper or lower
// case; "user-defined" is accepted as well. The error wraps
// ErrDerivationType.
func ParseDerivationType(text string) (DerivationType, error) {
	wanted := strings.ReplaceAll(strings.ToLower(text), "-", "_")
	for t, name := range derivationNames {
		if name == wanted {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: %.40q", ErrDerivationType, text)
}

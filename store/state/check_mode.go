package state

import (
	"fmt"

	"rvffs/store/volume"
)

// VerifyMode says when the segments that are read are compared with their content
// hashes. Each is, at most, once for each file.
type VerifyMode uint8

// The modes.
const (
	// VerifyNever: not at all.
	VerifyNever VerifyMode = iota
	// VerifyBackground: behind the first read of a segment. What is read before the
	// verdict is not held back; once a segment is known to be wrong it is.
	VerifyBackground
	// VerifyFirst: before anything of a segment is given out.
	VerifyFirst
)

var verifyModeNames = map[VerifyMode]string{VerifyNever: "never", VerifyBackground: "background", VerifyFirst: "first"}

// String is the name that ParseVerifyMode reads.
func (m VerifyMode) String() string { return verifyModeNames[m] }

// ParseVerifyMode finds a mode by its name.
func ParseVerifyMode(name string) (VerifyMode, error) {
	for mode, known := range verifyModeNames {
		if known == name {
			return mode, nil
		}
	}
	return VerifyNever, fmt.Errorf("%w: verify %q is none of background, first and never", volume.ErrInput, name)
}

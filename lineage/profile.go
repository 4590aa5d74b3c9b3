package lineage

import (
	"fmt"
	"strings"
)

// Profile is the domain of a store's vectors. The name of its file tells it.
type Profile uint8

// The profiles of the format, by number.
const (
	Generic  Profile = 0
	RVDNA    Profile = 1
	RVText   Profile = 2
	RVGraph  Profile = 3
	RVVision Profile = 4
)

var profiles = [...]struct{ name, extension, magic string }{
	Generic:  {"generic", ".rvf", "\x00\x00\x00\x00"},
	RVDNA:    {"RVDNA", ".rvdna", "RDNA"},
	RVText:   {"RVText", ".rvtext", "RTXT"},
	RVGraph:  {"RVGraph", ".rvgraph", "RGRH"},
	RVVision: {"RVVision", ".rvvis", "RVIS"},
}

// Known reports whether the format defines p.
func (p Profile) Known() bool { return int(p) < len(profiles) }

// String returns the format's name of p, or its number as "0x07" if it has
// none.
func (p Profile) String() string {
	if !p.Known() {
		return fmt.Sprintf("0x%02x", uint8(p))
	}
	return profiles[p].name
}

// Magic returns the four characters that stand for p in a file. The generic
// profile and unknown ones have none and give zeros.
func (p Profile) Magic() [4]byte {
	if !p.Known() {
		return [4]byte{}
	}
	return [4]byte([]byte(profiles[p].magic))
}

// ProfileOfName tells the profile by the extension of a file name, in upper
// or lower case. It reports false for a name that is no store's: another
// extension, or nothing before it.
func ProfileOfName(name string) (Profile, bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || name[dot-1] == '/' {
		return Generic, false
	}
	// Not EqualFold, by whose rules the long s of old print is an s as well.
	extension := strings.ToLower(name[dot:])
	for p := range profiles {
		if extension == profiles[p].extension {
			return Profile(p), true
		}
	}
	return Generic, false
}

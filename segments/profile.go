package segments

import (
	"fmt"

	"rvffs/lineage"
)

// profileSize is the length of a profile segment's payload.
const profileSize = 8

// EncodeProfile returns the payload of a profile segment, which keeps the
// domain profile of a store whose file name does not tell it: the profile's
// four magic characters, its number and three zero bytes.
func EncodeProfile(p lineage.Profile) []byte {
	magic := p.Magic()
	return append(magic[:], byte(p), 0, 0, 0)
}

// ParseProfile reads a profile segment's payload. Profiles that are not
// known, and payloads whose magic and number disagree, are errors that wrap
// ErrPayload.
func ParseProfile(payload []byte) (lineage.Profile, error) {
	if len(payload) != profileSize {
		return lineage.Generic, fmt.Errorf("%w: profile of %d bytes", ErrPayload, len(payload))
	}
	p := lineage.Profile(payload[4])
	if !p.Known() || p.Magic() != [4]byte(payload) {
		return lineage.Generic, fmt.Errorf("%w: profile %d with magic %q", ErrPayload, payload[4], payload[:4])
	}
	return p, nil
}

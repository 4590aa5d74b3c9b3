package segments

import (
	"encoding/binary"
	"fmt"
)

// checkMagic checks the u32 that the headers inside payloads begin with.
func checkMagic(what string, b []byte, magic uint32) error {
	if got := binary.LittleEndian.Uint32(b); got != magic {
		return fmt.Errorf("%w: %s header begins with %#08x", ErrPayload, what, got)
	}
	return nil
}

// checkVersion is checkMagic for headers of which only one version is known;
// the u16 follows the magic.
func checkVersion(what string, b []byte, magic uint32, version uint16) error {
	if err := checkMagic(what, b, magic); err != nil {
		return err
	}
	if got := binary.LittleEndian.Uint16(b[4:]); got != version {
		return fmt.Errorf("%w: %s header of version %d", ErrPayload, what, got)
	}
	return nil
}

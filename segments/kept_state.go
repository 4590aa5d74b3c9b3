package segments

import (
	"encoding/binary"
	"fmt"
	"math"

	"rvffs/lineage"
)

const (
	// KeptStateMagic begins every kept state; on disk it reads "RVKS".
	KeptStateMagic uint32 = 0x534B5652

	keptStateVersion = 1
	keptStateFixed   = 0x34
)

// KeptState is the payload of a segment that says what a file held in a state that it was
// in before it was rewritten, for the branches that show it.
type KeptState struct {
	Pinned   lineage.Hash // SHAKE-256 of the manifest of that state
	Offset   int64        // of the header of this segment: whoever moves it moves what it names
	Manifest *Manifest    // names what shows the same vectors now
	// Shared is how many segments in its directory, the first, the newest state has as well;
	// negative: that is not known. The other ones are of this state alone.
	Shared int
	Hashes [][16]byte // content hashes of the segments in its directory
}

// KeptStateStart is how many bytes of a payload tell whose state it is.
const KeptStateStart = 0x28

// IsKeptStateOf reports whether a payload that begins so is of the state of a manifest.
func IsKeptStateOf(start []byte, pinned lineage.Hash) bool {
	return len(start) >= KeptStateStart && checkVersion("kept state", start, KeptStateMagic, keptStateVersion) == nil && lineage.Hash(start[0x08:0x28]) == pinned
}

// Encode returns the payload.
func (k *KeptState) Encode() []byte {
	b := make([]byte, keptStateFixed, k.EncodedSize())
	binary.LittleEndian.PutUint32(b[0x00:], KeptStateMagic)
	binary.LittleEndian.PutUint16(b[0x04:], keptStateVersion)
	if k.Shared >= 0 && k.Shared < math.MaxUint16-1 {
		binary.LittleEndian.PutUint16(b[0x06:], uint16(k.Shared+1))
	}
	copy(b[0x08:0x28], k.Pinned[:])
	binary.LittleEndian.PutUint64(b[0x28:], uint64(k.Offset))
	binary.LittleEndian.PutUint32(b[0x30:], uint32(k.Manifest.EncodedSize()))
	b = append(b, k.Manifest.Encode()...)
	for _, hash := range k.Hashes {
		b = append(b, hash[:]...)
	}
	return b
}

// EncodedSize is the number of bytes that Encode returns.
func (k *KeptState) EncodedSize() int {
	return keptStateFixed + k.Manifest.EncodedSize() + 16*len(k.Hashes)
}

// ParseKeptState reads a kept state's payload. The error wraps ErrPayload.
func ParseKeptState(payload []byte) (*KeptState, error) {
	if len(payload) < keptStateFixed {
		return nil, fmt.Errorf("%w: kept state of %d bytes", ErrPayload, len(payload))
	}
	if err := checkVersion("kept state", payload, KeptStateMagic, keptStateVersion); err != nil {
		return nil, err
	}
	length := uint64(binary.LittleEndian.Uint32(payload[0x30:]))
	rest := payload[keptStateFixed:]
	if length > uint64(len(rest)) {
		return nil, fmt.Errorf("%w: kept state with a manifest of %d bytes in %d", ErrPayload, length, len(payload))
	}
	manifest, err := ParseManifest(rest[:length])
	if err != nil {
		return nil, err
	}
	rest = rest[length:]
	if len(rest) != 16*len(manifest.Directory) {
		return nil, fmt.Errorf("%w: kept state with %d bytes of hashes for %d segments", ErrPayload, len(rest), len(manifest.Directory))
	}
	k := &KeptState{
		Pinned: lineage.Hash(payload[0x08:0x28]), Offset: int64(binary.LittleEndian.Uint64(payload[0x28:])), Manifest: manifest,
		Shared: int(binary.LittleEndian.Uint16(payload[0x06:])) - 1,
	}
	if k.Shared > len(manifest.Directory) {
		return nil, fmt.Errorf("%w: kept state that shares %d of %d segments", ErrPayload, k.Shared, len(manifest.Directory))
	}
	for ; len(rest) > 0; rest = rest[16:] {
		k.Hashes = append(k.Hashes, [16]byte(rest))
	}
	return k, nil
}

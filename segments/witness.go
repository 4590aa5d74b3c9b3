package segments

import (
	"encoding/binary"
	"fmt"

	"rvffs/lineage"
)

// The kinds of witness entries that rvffs writes.
const (
	WitnessProvenance  uint8 = 0    // delete
	WitnessComputation uint8 = 1    // ingest, compact
	WitnessLineage     uint8 = 9    // derive: the action is a lineage.Record
	WitnessDropped     uint8 = 0xF0 // rewrite: the action is a lineage.Dropped
)

const witnessFixedSize = 13 // before the action

// Witness is the payload of a witness segment: one entry of the store's audit
// chain.
type Witness struct {
	Kind      uint8
	Timestamp uint64 // nanoseconds since the Unix epoch
	Action    []byte // text, a lineage.Record or a lineage.Dropped
	Previous  lineage.Hash
}

// ParseWitness reads a witness segment's payload. Action shares its memory,
// and bytes after the previous hash are not looked at. The error wraps
// ErrPayload.
func ParseWitness(payload []byte) (Witness, error) {
	if len(payload) < witnessFixedSize+lineage.HashSize {
		return Witness{}, fmt.Errorf("%w: witness of %d bytes", ErrPayload, len(payload))
	}
	length := uint64(binary.LittleEndian.Uint32(payload[9:]))
	if length > uint64(len(payload)-witnessFixedSize-lineage.HashSize) {
		return Witness{}, fmt.Errorf("%w: witness with an action of %d bytes in %d", ErrPayload, length, len(payload))
	}
	end := witnessFixedSize + int(length)
	return Witness{
		Kind:      payload[0],
		Timestamp: binary.LittleEndian.Uint64(payload[1:]),
		Action:    payload[witnessFixedSize:end:end],
		Previous:  lineage.Hash(payload[end : end+lineage.HashSize]),
	}, nil
}

// Encode returns the payload of a witness segment. The action has to be short
// enough for a payload, see MaxPayload.
func (w Witness) Encode() []byte {
	b := make([]byte, 0, witnessFixedSize+len(w.Action)+lineage.HashSize)
	b = append(b, w.Kind)
	b = binary.LittleEndian.AppendUint64(b, w.Timestamp)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.Action)))
	b = append(b, w.Action...)
	return append(b, w.Previous[:]...)
}

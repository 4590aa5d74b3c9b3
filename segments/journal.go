package segments

import (
	"encoding/binary"
)

// JournalDelete is the kind of a journal entry that deletes a vector.
const JournalDelete uint8 = 1

const (
	journalFixedSize = 16
	journalEntrySize = 4 // before the body
	journalIDSize    = 8
)

// EncodeJournal returns the payload of a journal segment that deletes ids.
func EncodeJournal(epoch uint32, ids []uint64) []byte {
	b := make([]byte, 0, journalFixedSize+(journalEntrySize+journalIDSize)*len(ids))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ids)))
	b = binary.LittleEndian.AppendUint32(b, epoch)
	b = binary.LittleEndian.AppendUint64(b, 0)
	for _, id := range ids {
		b = append(b, JournalDelete, 0)
		b = binary.LittleEndian.AppendUint16(b, journalIDSize)
		b = binary.LittleEndian.AppendUint64(b, id)
	}
	return b
}

package segments

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// JournalDelete is the kind of a journal entry that deletes a vector.
const JournalDelete uint8 = 1

// JournalCountSize is how many bytes of a journal, its first, say how many entries it has.
const JournalCountSize = 4

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

// JournalCount is how many entries a journal has that begins with these bytes.
func JournalCount(begin [JournalCountSize]byte) uint32 { return binary.LittleEndian.Uint32(begin[:]) }

// ReadDeletions visits the ids that a journal deletes, as its payload is read. Entries of
// unknown kinds are passed over. A journal may end before its count of entries is reached;
// the error is one of reading.
func ReadDeletions(payload io.Reader, visit func(id uint64)) error {
	err := readDeletions(bufio.NewReader(payload), visit)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func readDeletions(in *bufio.Reader, visit func(id uint64)) error {
	var head [journalFixedSize]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	for count := JournalCount([JournalCountSize]byte(head[:])); count > 0; count-- {
		var entry [journalEntrySize]byte // kind, a zero, length of the body
		if _, err := io.ReadFull(in, entry[:]); err != nil {
			return err
		}
		length := int(binary.LittleEndian.Uint16(entry[2:]))
		if entry[0] != JournalDelete || length != journalIDSize {
			if _, err := in.Discard(length); err != nil {
				return err
			}
			continue
		}
		var id [journalIDSize]byte
		if _, err := io.ReadFull(in, id[:]); err != nil {
			return err
		}
		visit(binary.LittleEndian.Uint64(id[:]))
	}
	return nil
}

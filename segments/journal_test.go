package segments

import (
	"encoding/binary"
	"fmt"
)

// JournalEntry is one entry of a journal segment.
type JournalEntry struct {
	Kind    uint8
	ID      uint64 // 0 if the entry's body is not an id
	Deletes bool   // the id
}

// Journal is the payload of a journal segment. Readers obey the manifest's
// deleted list; a journal only tells when an id came onto it.
type Journal struct {
	Epoch    uint32
	Previous uint64 // id of the previous journal segment, always 0 so far
	Entries  []JournalEntry
}

// ParseJournal reads a journal's payload. Entries of unknown kinds are kept,
// and bytes after the last entry are not looked at. The error wraps
// ErrPayload.
func ParseJournal(payload []byte) (*Journal, error) {
	if len(payload) < journalFixedSize {
		return nil, fmt.Errorf("%w: journal of %d bytes", ErrPayload, len(payload))
	}
	count := uint64(binary.LittleEndian.Uint32(payload[0:]))
	j := &Journal{
		Epoch:    binary.LittleEndian.Uint32(payload[4:]),
		Previous: binary.LittleEndian.Uint64(payload[8:]),
	}
	rest := payload[journalFixedSize:]
	if count > uint64(len(rest)/journalEntrySize) {
		return nil, fmt.Errorf("%w: journal with %d entries in %d bytes", ErrPayload, count, len(payload))
	}
	for i := range count {
		if len(rest) < journalEntrySize {
			return nil, fmt.Errorf("%w: journal ends in entry %d of %d", ErrPayload, i, count)
		}
		entry := JournalEntry{Kind: rest[0]}
		length := int(binary.LittleEndian.Uint16(rest[2:]))
		rest = rest[journalEntrySize:]
		if len(rest) < length {
			return nil, fmt.Errorf("%w: journal ends in entry %d of %d", ErrPayload, i, count)
		}
		if length == journalIDSize {
			entry.ID, entry.Deletes = binary.LittleEndian.Uint64(rest), entry.Kind == JournalDelete
		}
		j.Entries = append(j.Entries, entry)
		rest = rest[length:]
	}
	return j, nil
}

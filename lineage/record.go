package lineage

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// RecordSize is the length of an encoded Record in bytes.
	RecordSize = 128
	// MaxRecordText is the longest Text that a Record holds, in bytes.
	MaxRecordText = 47
)

// What is wrong with a record.
var (
	ErrShortRecord = errors.New("lineage record is shorter than 128 bytes")
	ErrRecordText  = errors.New("text of a lineage record is longer than 47 bytes")
)

// Record is the format's LineageRecord, the action of the witness entry that
// a derivation leaves behind. In a file it is 128 bytes: file id, parent id,
// parent hash, u8 type, 3 zero bytes, u32 mutation count, u64 timestamp, u8
// text length and 47 bytes of text.
type Record struct {
	FileID        FileID
	ParentID      FileID
	ParentHash    Hash
	Type          DerivationType
	MutationCount uint32
	Timestamp     uint64 // nanoseconds since the Unix epoch
	Text          string // at most MaxRecordText bytes
}

// AppendBinary implements encoding.BinaryAppender. It fails with
// ErrRecordText if Text does not fit.
func (r Record) AppendBinary(b []byte) ([]byte, error) {
	if len(r.Text) > MaxRecordText {
		return nil, fmt.Errorf("%w: %d", ErrRecordText, len(r.Text))
	}
	b = append(b, r.FileID[:]...)
	b = append(b, r.ParentID[:]...)
	b = append(b, r.ParentHash[:]...)
	b = append(b, byte(r.Type), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.MutationCount)
	b = binary.LittleEndian.AppendUint64(b, r.Timestamp)
	b = append(b, byte(len(r.Text)))
	b = append(b, r.Text...)
	return append(b, make([]byte, MaxRecordText-len(r.Text))...), nil
}

// ParseRecord reads the first RecordSize bytes of b. Bytes that the format
// leaves zero are not looked at. The error wraps ErrShortRecord or
// ErrRecordText.
func ParseRecord(b []byte) (Record, error) {
	if len(b) < RecordSize {
		return Record{}, fmt.Errorf("%w: %d", ErrShortRecord, len(b))
	}
	length := int(b[80])
	if length > MaxRecordText {
		return Record{}, fmt.Errorf("%w: %d", ErrRecordText, length)
	}
	return Record{
		FileID:        FileID(b[0:16]),
		ParentID:      FileID(b[16:32]),
		ParentHash:    Hash(b[32:64]),
		Type:          DerivationType(b[64]),
		MutationCount: binary.LittleEndian.Uint32(b[68:72]),
		Timestamp:     binary.LittleEndian.Uint64(b[72:80]),
		Text:          string(b[81 : 81+length]),
	}, nil
}

// Start says what a child began with, as its record tells it.
type Start string

// What children begin with.
const (
	StartEmpty  Start = "empty"
	StartCopy   Start = "copy"   // with copies of its parent's vectors
	StartBranch Start = "branch" // it sees them in the parent's file
)

// Mark is the beginning of the hash of an audit entry, by which it is found again.
type Mark [16]byte

// MarkOf is the mark of the audit entry with this payload.
func MarkOf(payload []byte) Mark {
	hash := ShakeOf(payload)
	return Mark(hash[:len(Mark{})])
}

// Origin is what the text of a record tells that rvffs writes. Such a record's mutation
// count is the epoch of the parent's state.
type Origin struct {
	Start Start
	// Audit is the mark of the parent's newest audit entry, zero when it had none: a
	// file that still holds it goes on from that state, whatever rewrote it.
	Audit Mark
}

// auditFact stands before a mark in a text.
const auditFact = " audit="

// String is the text of a record.
func (o Origin) String() string {
	if o.Audit == (Mark{}) {
		return string(o.Start)
	}
	return string(o.Start) + auditFact + hex.EncodeToString(o.Audit[:])
}

// Origin reads the record's text; false for a text of somebody else's.
func (r Record) Origin() (Origin, bool) {
	start, audit, marked := strings.Cut(r.Text, auditFact)
	origin := Origin{Start: Start(start)}
	switch origin.Start {
	case StartEmpty, StartCopy, StartBranch:
	default:
		return Origin{}, false
	}
	if !marked {
		return origin, true
	}
	mark, err := hex.DecodeString(audit)
	if err != nil || len(mark) != len(origin.Audit) {
		return Origin{}, false
	}
	origin.Audit = Mark(mark)
	return origin, true
}

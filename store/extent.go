package store

import (
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/volume"
)

// extent is a segment that is being written: a reserved run of the file whose
// header stays zero, and so invisible, until its payload is complete.
//
// The start of the payload (front) is known last: a count of rows, a header with
// a hash of what follows. It is written with the header.
type extent struct {
	kind    segments.Type
	flags   segments.Flags
	id      uint64
	offset  int64          // of the header in the file
	front   int            // bytes at the payload's start that are written last
	pending sync.WaitGroup // writes of the body that are under way

	// length and sealed belong to the session's lock: the payload's bytes that are
	// reserved so far, and whether that is final.
	length int64
	sealed bool

	written atomic.Int64 // bytes of the payload up to which the body is in the file
	headed  atomic.Bool  // the header is written
	dropped atomic.Bool  // nobody wants the content any more

	// What follows belongs to the one who writes the extent, and after pending is
	// done and the extent is sealed to whoever commits.
	checksum uint32  // CRC-32 of the body, without its front
	last     []byte  // the newest bytes, as many as a manifest's start can reach over a border
	masked   []int64 // places in the file where one byte was left zero
	rows     uint32
	ids      *idset.Set // of the rows; nil in what holds none that are new
	given    *idset.Set // of these, the ids that were handed out, not brought
	head     []byte     // the front's bytes; nil while they are unknown
}

func (e *extent) payloadOffset() int64 { return e.offset + segments.HeaderSize }

// end is the offset behind the reserved bytes; the session's lock guards it.
func (e *extent) end() int64 { return e.payloadOffset() + e.length }

// writeBody writes p at position at of the payload and follows the checksum.
// Calls for one extent come in order of position.
//
// Readers of the reference runtime take any bytes that look like a manifest's
// header for one, and the newest they find for the truth. Until a manifest of our
// own stands behind them, such bytes must not be in the file: their first byte is
// left zero and put right by the commit.
func (e *extent) writeBody(file volume.File, p []byte, at int64) error {
	e.follow(p)
	position := e.payloadOffset() + at
	written, err := e.mask(file, p, position)
	if err != nil {
		return err
	}
	if _, err := file.WriteAt(written, position); err != nil {
		return volume.WriteError(err, len(p), position)
	}
	if len(p) >= worthWriteback {
		file.StartWriteback(position, int64(len(p)))
	}
	e.written.Store(at + int64(len(p)))
	return nil
}

// stable is how many bytes of the payload, from its start, are in the file and will
// not change: of the last ones one may still be masked.
func (e *extent) stable() int64 { return max(int64(e.front), e.written.Load()-manifestReach) }

// follow takes the next bytes of the body into the checksum.
func (e *extent) follow(p []byte) { e.checksum = crc32.Update(e.checksum, crc32.IEEETable, p) }

// worthWriteback is the length of a write, in bytes, from which on it pays to send
// it to the disk at once.
const worthWriteback = 1 << 20

// maskedByte is what every byte that was left zero has to become: the first of
// the magic number of a segment.
var maskedByte = []byte{'S'}

// manifestReach is how many bytes of a manifest's start may lie before a border.
const manifestReach = 5

// mask returns p as it may be written now, and notes what has to be put right.
func (e *extent) mask(file volume.File, p []byte, position int64) ([]byte, error) {
	joint := append(e.last, p[:min(len(p), manifestReach)]...)
	for from := 0; ; {
		found := segments.LooksLikeManifest(joint[from:])
		if found < 0 || from+found >= len(e.last) {
			break
		}
		place := position - int64(len(e.last)) + int64(from+found)
		if _, err := file.WriteAt([]byte{0}, place); err != nil {
			return nil, volume.WriteError(err, 1, place)
		}
		e.masked = append(e.masked, place)
		from += found + 1
	}
	written := p
	for from := 0; ; {
		found := segments.LooksLikeManifest(p[from:])
		if found < 0 {
			break
		}
		if len(written) > 0 && &written[0] == &p[0] {
			written = append([]byte(nil), p...)
		}
		written[from+found] = 0
		e.masked = append(e.masked, position+int64(from+found))
		from += found + 1
	}
	if len(p) >= manifestReach {
		e.last = append(e.last[:0], p[len(p)-manifestReach:]...)
	} else {
		joined := append(e.last, p...)
		e.last = append([]byte(nil), joined[max(0, len(joined)-manifestReach):]...)
	}
	return written, nil
}

// writeHead writes header and front, which makes the segment visible to whoever
// walks the file. The body must have been written.
func (e *extent) writeHead(file volume.File, stamp uint64) error {
	checksum, front := e.checksum, e.head
	if front == nil {
		front = make([]byte, e.front)
	}
	checksum = segments.JoinCRC(crc32.ChecksumIEEE(front), checksum, e.length-int64(e.front))
	encoded := e.header(stamp, checksum).Encode()
	if _, err := file.WriteAt(append(encoded[:], front...), e.offset); err != nil {
		return fmt.Errorf("write segment header at offset %d: %w", e.offset, err)
	}
	e.headed.Store(true)
	return nil
}

func (e *extent) header(stamp uint64, checksum uint32) segments.Header {
	header := segments.Header{
		Version: 1, Type: e.kind, Flags: e.flags, ID: e.id, Timestamp: stamp,
		PayloadLength: uint64(e.length), ContentHash: segments.ContentHashOfCRC(checksum),
	}
	if e.dropped.Load() {
		return header.Retired()
	}
	return header
}

// sealVectors makes the front of a VEC segment from what was counted.
func (e *extent) sealVectors(dimension int) {
	prefix := segments.EncodeVecPrefix(uint16(dimension), e.rows)
	e.head = prefix[:]
}

func (e *extent) entry() segments.DirectoryEntry {
	return segments.DirectoryEntry{SegmentID: e.id, Offset: e.offset, PayloadLength: uint64(e.length), Type: e.kind}
}

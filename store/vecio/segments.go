package vecio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"rvffs/segments"
)

// segmentsDecoder reads whole segments of the runtime dialect, one directly
// behind the other, as they stand in a store file. Rows of vector segments go
// to the sink as they arrive. All other segments are skipped, but for those that
// say what was deleted: the stream brings the rows of deleted vectors too, so that
// it is refused if vectors are deleted in the state that it ends with. That is what
// the last manifest says, or a journal behind it. It does not bring what a branch shows of
// its parent, so that it is refused if that state is one of a branch. The manifest also says
// which vector segments count, and in which order; see segmentsDecoder.Order.
//
// Nothing is held but one header, one row, a batch, and the places of the vector
// segments.
type segmentsDecoder struct {
	batch
	options Options
	offset  int64 // of the segment at hand in the stream
	header  []byte
	segment segments.Header
	inside  bool   // the header is complete, the payload is not
	taken   uint64 // bytes of the payload
	crc     uint32 // of these
	deletes error  // what the last word on deletions was, if there are any
	branch  error  // the last word on whether it is a branch, if it is one
	state   storeState

	// A vector segment's payload.
	prefix  [segments.VecPrefixSize]byte
	rowSize int
	left    uint32 // rows still to come
	row     []byte // the beginning of a row that a chunk's end cut

	// Fields of a manifest's or a journal's payload.
	epoch     [4]byte      // of a manifest
	directory [4]byte      // entries of a manifest's directory
	deleted   [4]byte      // deleted ids of a manifest, entries of a journal
	identity  [4 + 16]byte // the marker of a manifest's identity, and the file's id
	entry     []byte       // the beginning of a directory entry
}

// Where the format puts the fields that say whether vectors were deleted.
const (
	manifestDirectoryCount = 14
	manifestDirectory      = 22
	directoryEntrySize     = 25
)

func newSegmentsDecoder(s Sink, o Options) *segmentsDecoder {
	return &segmentsDecoder{batch: batch{sink: s}, options: o}
}

func (d *segmentsDecoder) Format() Format { return Segments }
func (d *segmentsDecoder) Settle() error  { return d.failed }
func (d *segmentsDecoder) EndLine() error { return d.failed }

// Committable reports whether all rows handed on count: not from a vector segment's
// header to its verified end, while rows of deleted vectors may be among them, and in a
// store, of which only the end tells what counts.
func (d *segmentsDecoder) Committable() bool {
	return d.unsettled() == nil && !d.state.open() && (!d.inside || d.segment.Type != segments.TypeVec)
}

// unsettled is why the stream cannot end here.
func (d *segmentsDecoder) unsettled() error {
	for _, cause := range []error{d.branch, d.deletes} {
		if cause != nil {
			return cause
		}
	}
	return d.state.doubt
}

// Unfinished counts from what keeps the stream from ending, if anything does.
func (d *segmentsDecoder) Unfinished() int64 {
	unfinished := int64(len(d.header)) + int64(d.taken)
	if cause := (*RecordError)(nil); errors.As(d.unsettled(), &cause) {
		unfinished += d.offset - cause.Offset
	}
	return unfinished
}

// Order implements Ordered.
func (d *segmentsDecoder) Order() ([]Run, int64) { return d.state.runs(d.count), d.count }

func (d *segmentsDecoder) Write(p []byte) (int, error) { return d.push(p, d.decode) }

func (d *segmentsDecoder) Finish() error {
	switch {
	case d.failed != nil:
	case d.inside:
		d.failed = d.fail("the stream ends after %d of the %d bytes of the payload of segment %d (%s)",
			d.taken, d.segment.PayloadLength, d.segment.ID, d.segment.Type)
	case len(d.header) > 0:
		d.failed = d.fail("the stream ends inside a segment header")
	default:
		d.failed = d.unsettled()
	}
	return d.failed
}

func (d *segmentsDecoder) fail(format string, arguments ...any) error {
	return &RecordError{Format: Segments, Offset: d.offset, Row: d.count, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *segmentsDecoder) decode(p []byte) error {
	for len(p) > 0 {
		if !d.inside {
			n := min(segments.HeaderSize-len(d.header), len(p))
			d.header = append(d.header, p[:n]...)
			p = p[n:]
			if len(d.header) < segments.HeaderSize {
				return nil
			}
			if err := d.beginSegment(); err != nil {
				return err
			}
		} else {
			n := int(min(d.segment.PayloadLength-d.taken, uint64(len(p))))
			if err := d.takePayload(p[:n]); err != nil {
				return err
			}
			d.taken += uint64(n)
			p = p[n:]
		}
		if d.taken == d.segment.PayloadLength {
			if err := d.endSegment(); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginSegment reads the header and refuses what no payload could mend.
func (d *segmentsDecoder) beginSegment() error {
	header, err := segments.ParseHeader(d.header)
	switch {
	case errors.Is(err, segments.ErrMagic) && d.header[0] == 0:
		return d.fail("padding between segments: only the runtime dialect of RVF can be appended")
	case err != nil:
		return d.fail("%v", err)
	}
	d.segment, d.inside = header, true
	d.taken, d.crc, d.left = 0, 0, 0
	d.row, d.entry = d.row[:0], d.entry[:0]
	clear(d.identity[:])
	if isOfBranch(header.Type) {
		d.branch = d.inherits()
	}
	if !d.judged() {
		return nil
	}
	switch header.Type {
	case segments.TypeVec:
		d.state.begin(d.offset, header, d.count)
	case segments.TypeManifest:
		d.state.named, d.state.branch = d.state.named[:0], false
	}
	hash := header.ContentHash
	if header.ChecksumAlgorithm != segments.ChecksumRuntime ||
		hash != segments.ContentHashOfCRC(binary.LittleEndian.Uint32(hash[:])) {
		return d.fail("segment %d (%s) is not of the runtime dialect of RVF, the only one that can be appended", header.ID, header.Type)
	}
	const unreadable = segments.FlagCompressed | segments.FlagEncrypted | segments.FlagTombstone
	if header.Compression != segments.CompressionNone || header.Flags&unreadable != 0 {
		return d.fail("segment %d (%s) is compressed, encrypted or marked as deleted", header.ID, header.Type)
	}
	if header.Type == segments.TypeVec && header.PayloadLength < segments.VecPrefixSize {
		return d.fail("segment %d (%s) has a payload of %d bytes", header.ID, header.Type, header.PayloadLength)
	}
	return nil
}

// isOfBranch reports whether segments of a type make a store one that shows vectors which
// its file does not have.
func isOfBranch(kind segments.Type) bool {
	return kind == segments.TypeCowMap || kind == segments.TypeMembership
}

// inherits refuses what is only a part of the vectors that a store shows.
func (d *segmentsDecoder) inherits() error {
	return d.fail("segment %d (%s) is of a branch, which shows vectors of its parent's that are not in its file: append its vectors/vectors.jsonl, or what rvffs export writes of it, or make it self-contained first with rvffs flatten", d.segment.ID, d.segment.Type)
}

// judged reports whether the segment's payload matters.
func (d *segmentsDecoder) judged() bool {
	switch d.segment.Type {
	case segments.TypeVec, segments.TypeManifest, segments.TypeJournal:
		return true
	}
	return false
}

// takePayload takes the next bytes of the segment's payload, none of which lie
// beyond its end.
func (d *segmentsDecoder) takePayload(p []byte) error {
	if !d.judged() {
		return nil
	}
	d.crc = crc32.Update(d.crc, crc32.IEEETable, p)
	switch d.segment.Type {
	case segments.TypeVec:
		if d.unvouched() {
			return nil
		}
		return d.vectors(p)
	case segments.TypeJournal:
		d.capture(d.deleted[:segments.JournalCountSize], 0, p)
	case segments.TypeManifest:
		d.manifest(p)
	}
	return nil
}

// manifest takes the next bytes of a manifest's payload.
func (d *segmentsDecoder) manifest(p []byte) {
	d.capture(d.epoch[:], 0, p)
	d.capture(d.directory[:], manifestDirectoryCount, p)
	end := d.taken + uint64(len(p))
	if end <= manifestDirectory {
		return
	}
	from, to := max(d.taken, manifestDirectory), min(end, d.manifestDeletedCount())
	for from < to {
		n := min(to-from, uint64(directoryEntrySize-len(d.entry)))
		d.entry = append(d.entry, p[from-d.taken:from-d.taken+n]...)
		from += n
		if len(d.entry) < directoryEntrySize {
			break
		}
		d.state.name(d.entry)
		d.entry = d.entry[:0]
	}
	if end > d.manifestDeletedCount() {
		d.capture(d.deleted[:], d.manifestDeletedCount(), p)
	}
	if end > d.manifestDeletedCount()+4 {
		d.capture(d.identity[:], d.manifestDeletedCount()+4+8*uint64(binary.LittleEndian.Uint32(d.deleted[:])), p)
	}
}

// unvouched reports whether the vector segment has no hash. Its rows are passed over; it
// is refused if it counts.
func (d *segmentsDecoder) unvouched() bool { return !d.segment.Hashed() }

// manifestDeletedCount is where a manifest's payload counts its deleted ids.
func (d *segmentsDecoder) manifestDeletedCount() uint64 {
	return manifestDirectory + directoryEntrySize*uint64(binary.LittleEndian.Uint32(d.directory[:]))
}

// capture copies into field what of it, at an offset of the payload, lies in
// the chunk p.
func (d *segmentsDecoder) capture(field []byte, at uint64, p []byte) {
	from := max(at, d.taken)
	to := min(at+uint64(len(field)), d.taken+uint64(len(p)))
	if from < to {
		copy(field[from-at:], p[from-d.taken:to-d.taken])
	}
}

// vectors takes the next bytes of a vector segment's payload.
func (d *segmentsDecoder) vectors(p []byte) error {
	if d.taken < segments.VecPrefixSize {
		n := copy(d.prefix[d.taken:], p)
		p = p[n:]
		if d.taken+uint64(n) < segments.VecPrefixSize {
			return nil
		}
		if err := d.beginVectors(); err != nil {
			return err
		}
	}
	for d.left > 0 {
		if len(d.row) == 0 && len(p) >= d.rowSize {
			if err := d.addRow(p[:d.rowSize]); err != nil {
				return err
			}
			p = p[d.rowSize:]
			continue
		}
		n := min(d.rowSize-len(d.row), len(p))
		d.row = append(d.row, p[:n]...)
		p = p[n:]
		if len(d.row) < d.rowSize {
			return nil
		}
		if err := d.addRow(d.row); err != nil {
			return err
		}
		d.row = d.row[:0]
	}
	return nil // what is left of p lies behind the last row
}

// beginVectors reads the prefix of a vector segment's payload.
func (d *segmentsDecoder) beginVectors() error {
	narrow, count, err := segments.ParseVecPrefix(d.prefix[:])
	if err != nil {
		return d.fail("segment %d (%s): %v", d.segment.ID, d.segment.Type, err)
	}
	if count == 0 {
		return nil
	}
	dimension := int(narrow)
	d.left = count
	if dimension == 0 {
		return d.fail("segment %d (%s) has rows of dimension 0", d.segment.ID, d.segment.Type)
	}
	d.rowSize = segments.RowSize(dimension)
	if uint64(d.left)*uint64(d.rowSize) > d.segment.PayloadLength-segments.VecPrefixSize {
		return d.fail("segment %d (%s) counts more rows than its payload holds", d.segment.ID, d.segment.Type)
	}
	right, err := d.fixDimension(dimension)
	if err != nil {
		return err
	}
	if !right {
		return d.fail("segment %d (%s) has dimension %d where it should be %d", d.segment.ID, d.segment.Type, dimension, d.dimension)
	}
	return nil
}

// addRow takes one whole row: an id and its values.
func (d *segmentsDecoder) addRow(row []byte) error {
	values := row[8:]
	if !d.options.AllowNonFinite {
		if bad := firstNonFinite(values); bad >= 0 {
			return d.fail("in segment %d (%s) %s", d.segment.ID, d.segment.Type, nonFiniteReason(values, bad))
		}
	}
	d.rows = append(d.rows, values...)
	d.left--
	return d.endRow(binary.LittleEndian.Uint64(row), true)
}

// endSegment judges a payload that is complete.
func (d *segmentsDecoder) endSegment() error {
	if d.judged() {
		if err := d.judge(); err != nil {
			return err
		}
	}
	d.offset += segments.HeaderSize + int64(d.taken)
	d.header = d.header[:0]
	d.inside = false
	d.taken = 0
	return nil
}

func (d *segmentsDecoder) judge() error {
	id, kind := d.segment.ID, d.segment.Type
	if kind == segments.TypeVec && d.unvouched() {
		d.state.end(d.count, d.fail("segment %d (%s) has no content hash, so that nothing vouches for it", id, kind))
		return nil
	}
	if segments.ContentHashOfCRC(d.crc) != d.segment.ContentHash {
		if !d.segment.Hashed() {
			return d.fail("segment %d (%s) has no content hash, so that nothing vouches for it", id, kind)
		}
		return d.fail("segment %d (%s) is damaged: its content hash does not match", id, kind)
	}
	switch kind {
	case segments.TypeVec:
		d.state.end(d.count, nil)
	case segments.TypeManifest:
		if d.taken < manifestDirectory || d.taken < d.manifestDeletedCount()+4 {
			return d.fail("segment %d (%s) is too short", id, kind)
		}
		d.deletes, d.branch = nil, nil
		if d.state.branch {
			d.branch = d.inherits()
		}
		d.state.settle(binary.LittleEndian.Uint32(d.epoch[:]), d.identity)
		if deleted := binary.LittleEndian.Uint32(d.deleted[:]); deleted > 0 {
			d.deletes = d.fail("segment %d (%s) lists %d deleted vectors, which appending would bring back; compact the store first", id, kind, deleted)
		}
	case segments.TypeJournal:
		if d.taken < segments.JournalCountSize {
			return d.fail("segment %d (%s) is too short", id, kind)
		}
		if entries := segments.JournalCount(d.deleted); entries > 0 {
			d.deletes = d.fail("segment %d (%s) deletes %d vectors, which appending would bring back; compact the store first", id, kind, entries)
		}
	}
	return nil
}

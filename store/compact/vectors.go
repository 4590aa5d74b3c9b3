package compact

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// errRecurs ends a copy that took every row for the only one of its id.
var errRecurs = errors.New("an id occurs more than once")

// copyVectors writes the live vectors of the sources, as one, in as few segments as the
// format allows.
//
// Which rows are replaced by later ones is known only when all ids were read, a
// pass that costs as much as the copy itself. Where the manifest counts as many
// ids as there are rows it is left out; should the manifest be wrong, the copy
// notices and begins again.
func (r *rewrite) copyVectors(ctx context.Context, in rows.Readings) error {
	found := in.Segments()
	if only := in[0].Snapshot(); len(in) == 1 && only.Rows() == only.Manifest().TotalVectors {
		gone := idset.Of(only.Manifest().Deleted)
		gone.Unite(r.without)
		start := r.file.Tail()
		err := r.copyRows(in, found, true, func(_ int, _, id uint64) bool { return gone.Contains(id) })
		if !errors.Is(err, errRecurs) {
			return err
		}
		if err := r.file.Cut(ctx, start); err != nil {
			return err
		}
		r.vectors, r.ids, r.idsTaken = nil, idset.New(), 0
		r.grows.Restart()
	}
	charge := r.base.Backing().Memory().Charge()
	defer charge.Free()
	dead, err := rows.FindDead(ctx, in, found, r.without, &charge, rows.NoDamage)
	if err != nil {
		return err
	}
	return r.copyRows(in, found, false, func(i int, row, _ uint64) bool { return dead[i].Contains(row) })
}

// copyRows writes the rows of segments but those that are dead, and fails with
// errRecurs if each id may occur only once and one does not.
func (r *rewrite) copyRows(in rows.Readings, found []rows.Segment, once bool, dead func(segment int, row, id uint64) bool) error {
	dimension := in.Dimension()
	c := rowCopier{rewrite: r, dimension: dimension, rowSize: segments.RowSize(dimension), once: once, writer: newBlockWriter(r.file.Bytes())}
	defer c.writer.close()
	for i, segment := range found {
		if err := c.copyLive(in.Of(segment), segment.Entry, func(row, id uint64) bool { return dead(i, row, id) }); err != nil {
			of := "" // who flattens a branch copies those of others
			if segment.Source < len(in)-1 {
				of = fmt.Sprintf(" of the parent %q", in.Of(segment).Snapshot().Backing().StoreName())
			}
			return fmt.Errorf("copy the vectors at offset %d%s: %w", segment.Entry.Offset, of, volume.AsCorrupt(err))
		}
	}
	return errors.Join(c.flush(), c.finish())
}

// rowCopier gathers rows into vector segments of the new file.
type rowCopier struct {
	*rewrite
	dimension int
	rowSize   int
	once      bool // each id may occur only once
	writer    *blockWriter
	current   *copiedSegment // nil between segments
	block     []byte         // rows of current that wait for the writer
	read      []uint64       // ids of the live rows read last
	check     *segments.PayloadCheck
}

// copyLive takes the live rows of one segment. A damaged one is ErrCorrupt: the
// hash of the new segment would be that of the damage, and nobody could ever tell.
func (c *rowCopier) copyLive(old *state.Reading, entry segments.DirectoryEntry, dead func(row, id uint64) bool) error {
	segment, err := old.ReadHeader(entry)
	if err != nil {
		return err
	}
	reader, err := rows.Open(old, entry)
	if err == nil && reader.Count() == 0 {
		err = rows.CheckVectors(old, entry) // it may be the count that is damaged, or the dimension
	}
	if err != nil || reader.Count() == 0 {
		return err
	}
	c.check = segments.NewPayloadCheck(segment.Header)
	start, rest := segment.PayloadOffset(), int64(segments.VecPrefixSize)+int64(reader.Count())*int64(c.rowSize)
	if err := volume.CopyRange(c.check, old, start, segments.VecPrefixSize); err != nil {
		return err
	}
	for first := 0; first < reader.Count(); {
		copied, err := c.copy(reader, first, dead)
		if err != nil {
			return err
		}
		first += copied
	}
	if err := volume.CopyRange(c.check, old, start+rest, int64(segment.PayloadLength)-rest); err != nil {
		return err
	}
	if c.check.Verdict() == segments.HashMismatch {
		return fmt.Errorf("%w: the payload is not what its content hash says", volume.ErrCorrupt)
	}
	return nil
}

// copy takes some of the reader's rows from first on, and returns how many. They
// are read to where they will be written from, and the live ones close up.
func (c *rowCopier) copy(reader rows.Reader, first int, dead func(row, id uint64) bool) (int, error) {
	count := min(reader.Count()-first, max(1, rows.BytesPerRead/c.rowSize))
	if err := c.room(count * c.rowSize); err != nil {
		return 0, err
	}
	start := len(c.block)
	read := c.block[start : start+count*c.rowSize]
	if err := reader.ReadStored(first, read); err != nil {
		return 0, err
	}
	_, _ = c.check.Write(read)
	c.read = c.read[:0]
	live := read[:0]
	for i := range count {
		row := read[i*c.rowSize : (i+1)*c.rowSize]
		id := binary.LittleEndian.Uint64(row)
		if dead(uint64(first+i), id) {
			continue
		}
		c.read = append(c.read, id)
		if len(live) < i*c.rowSize {
			copy(read[len(live):], row)
		}
		live = read[:len(live)+c.rowSize]
	}
	known := c.ids.Len()
	c.ids.Add(c.read)
	if err := c.grows.Follow(c.ids); err != nil {
		return 0, err
	}
	if c.once && c.ids.Len()-known != uint64(len(c.read)) {
		return 0, errRecurs
	}
	c.block = c.block[:start+len(live)]
	c.current.length += int64(len(live))
	c.current.rows += uint32(len(c.read))
	return count, nil
}

// room makes sure that block and segment can take length more bytes.
func (c *rowCopier) room(length int) error {
	if len(c.block)+length > cap(c.block) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if c.current != nil && c.current.length+int64(length) > segments.MaxPayload {
		if err := errors.Join(c.flush(), c.finish()); err != nil {
			return err
		}
	}
	if cap(c.block) < length {
		c.block = make([]byte, 0, max(length, blockSize))
	}
	if c.current == nil {
		c.current = &copiedSegment{id: c.firstID + c.idsTaken, offset: c.file.Tail(), length: segments.VecPrefixSize}
		c.idsTaken++
	}
	return nil
}

// flush hands the rows that wait over to the writer.
func (c *rowCopier) flush() error {
	if len(c.block) == 0 {
		return nil
	}
	c.progress.Done(int64(len(c.block)))
	var err error
	c.block, err = c.writer.put(segmentBlock{c.current, c.current.offset + segments.HeaderSize + c.current.length - int64(len(c.block)), c.block})
	return err
}

// finish completes the segment under way.
func (c *rowCopier) finish() error {
	e := c.current
	if e == nil {
		return nil
	}
	if err := c.writer.wait(); err != nil {
		return err
	}
	c.current = nil
	if e.rows == 0 {
		return nil
	}
	prefix := segments.EncodeVecPrefix(uint16(c.dimension), e.rows)
	segment := segments.Segment{Offset: e.offset, Header: segments.Header{
		Version: segments.HeaderVersion, Type: segments.TypeVec, ID: e.id, Timestamp: c.stamp, PayloadLength: uint64(e.length),
		ContentHash: segments.ContentHashOfCRC(segments.JoinCRC(crc32.ChecksumIEEE(prefix[:]), e.checksum, e.length-int64(len(prefix)))),
	}}
	encoded := segment.Encode()
	if _, err := c.file.Bytes().WriteAt(append(encoded[:], prefix[:]...), e.offset); err != nil {
		return fmt.Errorf("write segment header at offset %d: %w", e.offset, err)
	}
	c.vectors = append(c.vectors, state.EntryOf(segment))
	c.file.Advance(segment.End())
	return nil
}

// copiedSegment is one of the new file in the making.
type copiedSegment struct {
	id       uint64
	offset   int64 // of the header
	length   int64 // of the payload so far
	rows     uint32
	checksum uint32 // of the body; it belongs to the block writer until that has written all
}

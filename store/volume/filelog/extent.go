package filelog

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Extent is a segment that is being written: a run of the file whose header stays zero,
// and so invisible, until its payload is complete.
//
// The start of the payload (front) is known last: a count of rows, a header with
// a hash of what follows. It is written with the header.
//
// Write is for one goroutine.
type Extent struct {
	session *Session
	spec    volume.ExtentSpec

	// The session's mu guards what follows.
	id     uint64
	offset int64 // of the header in the file; -1 as long as it has no place
	length int64 // of the payload, as far as it is reserved
	sealed bool  // length is final
	filled int64 // of the payload, up to where writes have begun
	holds  bool  // one of pending, until an extent of known length is complete

	pending int           // writes of the body that are under way
	quiet   chan struct{} // closed when none is any more; nil while nobody waits for that

	written atomic.Int64 // bytes of the payload up to which the body is in the file
	headed  atomic.Bool  // the header is written
	hidden  atomic.Bool  // as one that is retired, for no manifest names the segment yet
	dropped atomic.Bool  // nobody wants the content any more

	// What follows belongs to the one who writes the extent, and after pending is
	// done and the extent is sealed to whoever commits.
	checksum uint32  // CRC-32 of the body, without its front
	last     []byte  // the newest bytes, as many as a manifest's start can reach over a border
	masked   []int64 // places in the file where one byte was left zero
}

// Extent begins a segment. It gets its place in the file with its first bytes.
func (s *Session) Extent(spec volume.ExtentSpec) volume.Extent {
	return &Extent{session: s, spec: spec, offset: -1, length: int64(spec.Front), filled: int64(spec.Front)}
}

func (e *Extent) payloadOffset() int64 { return e.offset + segments.HeaderSize }

// end is the offset behind the reserved bytes. The caller holds the session's mu.
func (e *Extent) end() int64 { return e.payloadOffset() + e.length }

// Write appends to the body. It fails with volume.ErrSealed, and takes nothing, when
// another segment has been placed behind this one; a body of known length has room for
// all of it from its first byte on.
//
// After another error the extent must be dropped, and after one of the disk nobody knows
// what the file holds: see Session.Fail.
func (e *Extent) Write(ctx context.Context, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, place, at, first, err := e.reserve(ctx, int64(len(p)))
	if err != nil {
		return err
	}
	defer e.session.wrote(e)
	if first || e.spec.Length == 0 {
		err = e.session.guard(file)
	}
	if err == nil {
		err = e.writeBody(file, p, place, at)
	}
	return err
}

// reserve finds room for n bytes of the body: in the file, whose offset is place, and at
// a position of the payload. What was reserved ends with wrote.
func (e *Extent) reserve(ctx context.Context, n int64) (file File, place, at int64, first bool, err error) {
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.holds {
		if err := s.awaitThaw(ctx); err != nil {
			return nil, 0, 0, false, err
		}
	}
	if s.failed != nil {
		return nil, 0, 0, false, s.failed
	}
	first = e.offset < 0
	switch {
	case e.holds && e.filled+n > e.length:
		return nil, 0, 0, false, fmt.Errorf("%w: more than %d bytes of a segment", volume.ErrInput, e.length)
	case e.holds:
	case first && e.sealed:
		return nil, 0, 0, false, volume.ErrSealed
	case first:
		e.length += max(n, e.spec.Length)
		e.sealed = e.spec.Length > 0
		s.place(e)
		if e.sealed {
			e.holds = true
			e.pending++
		}
	case e.sealed || e.end() != s.tail || e.length+n > segments.MaxPayload:
		e.sealed = true
		return nil, 0, 0, false, volume.ErrSealed
	default:
		e.length += n
		s.tail = e.end()
	}
	e.pending++
	at = e.filled
	e.filled += n
	return s.file, e.payloadOffset() + at, at, first, nil
}

// wrote ends what reserve began.
func (s *Session) wrote(e *Extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ended()
}

// ended ends one of pending. The caller holds the session's mu.
func (e *Extent) ended() {
	e.pending--
	if e.pending == 0 && e.quiet != nil {
		close(e.quiet)
		e.quiet = nil
	}
}

// awaitQuiet waits until nothing is written to the extent any more.
func (e *Extent) awaitQuiet(ctx context.Context) error {
	e.session.mu.Lock()
	if e.pending > 0 && e.quiet == nil {
		e.quiet = make(chan struct{})
	}
	quiet := e.quiet
	e.session.mu.Unlock()
	if quiet == nil {
		return nil
	}
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Complete tells of an extent of known length that all of its body has come, and that Seal
// can give its front. Until then, or until it is dropped, commits of others wait for it.
func (e *Extent) Complete() {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	e.letGo()
}

// letGo ends the wait for a body of known length. The caller holds the session's mu.
func (e *Extent) letGo() {
	if e.holds {
		e.holds = false
		e.ended()
	}
}

// writeBody writes p at a place in the file and follows the checksum. Calls for one
// extent come in order of position.
//
// Readers of the reference runtime take any bytes that look like a manifest's
// header for one, and the newest they find for the truth. Until a manifest of our
// own stands behind them, such bytes must not be in the file: their first byte is
// left zero and put right by the commit.
func (e *Extent) writeBody(file File, p []byte, place, at int64) error {
	e.checksum = crc32.Update(e.checksum, crc32.IEEETable, p)
	written, err := e.mask(file, p, place)
	if err != nil {
		return err
	}
	if err := e.session.write(file, written, place); err != nil {
		return err
	}
	if len(p) >= worthWriteback {
		file.StartWriteback(place, int64(len(p)))
	}
	e.written.Store(at + int64(len(p)))
	return nil
}

// ReadBack reads what was written, from a position in the payload on, as it was given.
// No rewrite may take the file's place meanwhile.
func (e *Extent) ReadBack(ctx context.Context, p []byte, at int64) error {
	s := e.session
	s.mu.Lock()
	file, place := s.file, e.payloadOffset()+at
	s.mu.Unlock()
	if err := volume.ReadFull(volume.Watch(ctx, file), p, place); err != nil {
		return err
	}
	for _, masked := range e.masked {
		if masked >= place && masked < place+int64(len(p)) {
			p[masked-place] = maskedByte[0]
		}
	}
	return nil
}

// Seal lets the extent grow no further.
func (e *Extent) Seal() {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	e.sealed = true
}

// Settle lets the extent grow no further, and waits until nothing is written to it any
// more. One without a body gets its place now.
func (e *Extent) Settle(ctx context.Context) error {
	if err := e.seal(ctx); err != nil {
		return err
	}
	return e.awaitQuiet(ctx)
}

// seal is Seal for an extent that gets its place.
func (e *Extent) seal(ctx context.Context) error {
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.offset < 0 {
		if err := s.awaitThaw(ctx); err != nil {
			return err
		}
		s.place(e)
	}
	e.sealed = true
	return nil
}

// stable is how many bytes of the payload, from its start, are in the file and will
// not change: of the last ones one may still be masked.
func (e *Extent) stable() int64 { return max(int64(e.spec.Front), e.written.Load()-manifestReach) }

// worthWriteback is the length of a write, in bytes, from which on it pays to send
// it to the disk at once.
const worthWriteback = 1 << 20

// maskedByte is what every byte that was left zero has to become: the first of
// the magic number of a segment.
var maskedByte = []byte{'S'}

// manifestReach is how many bytes of a manifest's start may lie before a border.
const manifestReach = 5

// mask returns p as it may be written now, and notes what has to be put right.
func (e *Extent) mask(file File, p []byte, position int64) ([]byte, error) {
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

// Masked reports whether bytes of the extent had to be hidden. It is settled.
func (e *Extent) Masked() bool { return len(e.masked) > 0 }

// writeHead writes header and front, which makes the segment visible to whoever
// walks the file. The body must have been written. What the next manifest does not name must
// not be found by its type: its own commit writes the header again.
func (e *Extent) writeHead(file File, stamp uint64, named bool) error {
	body := e.length - int64(e.spec.Front)
	var front []byte
	if e.spec.Seal != nil {
		front = e.spec.Seal(body)
	}
	if front == nil {
		front = make([]byte, e.spec.Front)
	}
	checksum := segments.JoinCRC(crc32.ChecksumIEEE(front), e.checksum, body)
	header := segments.Header{
		Version: segments.HeaderVersion, Type: e.spec.Type, Flags: e.spec.Flags, ID: e.id, Timestamp: stamp,
		PayloadLength: uint64(e.length), ContentHash: segments.ContentHashOfCRC(checksum),
	}
	hidden := !named && e.spec.Type.CountsByName()
	if e.dropped.Load() || hidden {
		header = header.Retired()
	}
	encoded := header.Encode()
	if err := e.session.write(file, append(encoded[:], front...), e.offset); err != nil {
		return fmt.Errorf("write segment header at offset %d: %w", e.offset, err)
	}
	e.hidden.Store(hidden)
	e.headed.Store(true)
	return nil
}

// Entry is how a directory names the extent, which is settled.
func (e *Extent) Entry() segments.DirectoryEntry {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	return segments.DirectoryEntry{SegmentID: e.id, Offset: e.offset, PayloadLength: uint64(e.length), Type: e.spec.Type}
}

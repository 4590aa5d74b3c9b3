package bucket

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Extent is a segment that is being written. As long as it is short it is held in memory, and
// goes where the commit puts it. What is longer goes into an object of its own, part by part,
// while the writer goes on; its first part, with the header, is sent last.
//
// Write is for one goroutine.
type Extent struct {
	session *Session
	spec    volume.ExtentSpec

	// The session's mu guards what follows.
	placed bool
	offset int64 // where it stands in the store, if the next commit names it
	id     uint64

	mu       sync.Mutex // guards what follows
	sealed   bool
	dropped  bool
	complete chan struct{} // closed when a body of known length is, nil before its first byte
	done     bool          // complete is closed
	length   int64         // of the body
	checksum uint32        // CRC-32 of the body
	stamp    uint64        // when its object was complete before it was committed; 0: it was not
	head     []byte        // the body, as long as that is short
	parts    *parts        // the body of a long one; nil: it is short
}

// Extent implements volume.Session.
func (s *Session) Extent(spec volume.ExtentSpec) volume.Extent {
	return &Extent{session: s, spec: spec}
}

// largeHead is from how many bytes on room is made for the whole of a first part.
const largeHead = 1 << 20

// room is how much of the body the first part has.
func (e *Extent) room() int64 {
	return e.session.log.volume.options.Part - segments.HeaderSize - int64(e.spec.Front)
}

// Write implements volume.Extent.
func (e *Extent) Write(ctx context.Context, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.session.Failed(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch known := e.spec.Length > 0; {
	case e.dropped:
		return volume.ErrSealed
	case known && e.complete != nil && !e.done && e.length+int64(len(p)) > e.spec.Length:
		return fmt.Errorf("%w: more than %d bytes of a segment", volume.ErrInput, e.spec.Length)
	case known && e.complete != nil && !e.done:
	case e.sealed, known && e.done, int64(e.spec.Front)+e.length+int64(len(p)) > e.session.log.volume.options.Longest:
		if !e.sealed {
			e.ripen()
		}
		e.sealed = true
		return volume.ErrSealed
	case known:
		e.complete = make(chan struct{})
		e.sealed = true
	}
	if e.length == 0 {
		e.session.opened(e)
	}
	e.checksum = crc32.Update(e.checksum, crc32.IEEETable, p)
	rest := p
	if free := e.room() - int64(len(e.head)); free > 0 && e.parts == nil {
		rest = p[min(free, int64(len(p))):]
		if more := len(p) - len(rest); cap(e.head) < len(e.head)+more && len(e.head)+more > largeHead {
			e.head = append(memory.Large(int(e.room())), e.head...)
		}
		e.head = append(e.head, p[:len(p)-len(rest)]...)
	}
	if len(rest) > 0 && e.parts == nil {
		parts, err := newParts(e.session.log.volume, e.session.log.logName(), e.session.log.options.Memory, e.head, e.row())
		if err != nil {
			return err
		}
		e.parts, e.head = parts, nil
	}
	if len(rest) > 0 {
		if err := e.parts.write(ctx, rest); err != nil {
			return err
		}
	}
	e.length += int64(len(p))
	return nil
}

// ripen has the object of a long one completed before it is committed, for no more comes: of a stream
// that brings many the last one alone is left to be waited for. The caller holds mu.
func (e *Extent) ripen() {
	if e.parts == nil {
		return
	}
	s := e.session
	s.mu.Lock()
	e.number()
	s.mu.Unlock()
	e.stamp = uint64(s.log.volume.options.Now().UnixNano())
	e.parts.ripen(e.header(e.stamp))
}

// number gives it an id that no segment of the base has. The caller holds the session's mu.
func (e *Extent) number() {
	if e.id < e.session.base.State.NextID() {
		e.id = e.session.takeIDs(1)
	}
}

// row is how many bytes a row of the body has, 0 where it consists of none whose ids are known.
func (e *Extent) row() int64 {
	if e.spec.Type != segments.TypeVec || e.spec.Front != segments.VecPrefixSize {
		return 0
	}
	dimension, _, err := segments.ParseVecPrefix(e.front())
	if err != nil {
		return 0
	}
	return int64(segments.RowSize(int(dimension)))
}

// front is what stands in front of the body, as long as it is now.
func (e *Extent) front() (front []byte) {
	if e.spec.Seal != nil {
		front = e.spec.Seal(e.length)
	}
	if front == nil {
		front = make([]byte, e.spec.Front)
	}
	return front
}

// opened notes an extent that has begun.
func (s *Session) opened(e *Extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[e] = true
}

// ReadBack implements volume.Extent.
func (e *Extent) ReadBack(ctx context.Context, p []byte, at int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at -= int64(e.spec.Front)
	if at < 0 || at+int64(len(p)) > e.length {
		return fmt.Errorf("%w: %d bytes at %d of a body of %d", volume.ErrInput, len(p), at, e.length)
	}
	if e.parts != nil {
		return volume.ReadFull(e.parts.spool, p, at)
	}
	copy(p, e.head[at:])
	return nil
}

// Complete implements volume.Extent.
func (e *Extent) Complete() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.letGo()
}

// letGo ends the wait for a body of known length. The caller holds mu.
func (e *Extent) letGo() {
	if e.complete != nil && !e.done {
		close(e.complete)
	}
	e.done = e.done || e.complete != nil
}

// Seal implements volume.Extent.
func (e *Extent) Seal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sealed = true
}

// Settle implements volume.Extent. The extent gets its place behind the session's base.
func (e *Extent) Settle(ctx context.Context) error {
	e.Seal()
	e.mu.Lock()
	complete, parts := e.complete, e.parts
	e.mu.Unlock()
	if complete != nil {
		select {
		case <-complete:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if parts != nil && parts.ripe == nil {
		if err := parts.upload.sent(ctx); err != nil {
			return err
		}
	}
	s := e.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.placed {
		return nil
	}
	s.open[e] = true
	e.number()
	e.placed, e.offset = true, s.tail
	s.tail += e.size()
	return nil
}

// size is how many bytes the segment has, which is settled.
func (e *Extent) size() int64 { return segments.HeaderSize + int64(e.spec.Front) + e.length }

// Entry implements volume.Extent.
func (e *Extent) Entry() segments.DirectoryEntry {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	return e.entry()
}

// entry is Entry. The caller holds the session's mu.
func (e *Extent) entry() segments.DirectoryEntry {
	return segments.DirectoryEntry{SegmentID: e.id, Offset: e.offset, PayloadLength: uint64(e.size() - segments.HeaderSize), Type: e.spec.Type}
}

// Masked implements volume.Extent: nothing here is ever looked for backwards.
func (e *Extent) Masked() bool { return false }

// drop lets go of all.
func (e *Extent) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sealed, e.dropped = true, true
	e.letGo()
	e.forget()
}

// forget lets go of the bytes. The caller holds mu.
func (e *Extent) forget() {
	e.head = nil
	if e.parts != nil {
		e.parts.drop()
	}
}

// header is the segment's, which is settled, and its front behind it.
func (e *Extent) header(stamp uint64) []byte {
	front := e.front()
	checksum := segments.JoinCRC(crc32.ChecksumIEEE(front), e.checksum, e.length)
	encoded := segments.Header{
		Version: segments.HeaderVersion, Type: e.spec.Type, Flags: e.spec.Flags, ID: e.id, Timestamp: stamp,
		PayloadLength: uint64(int64(len(front)) + e.length), ContentHash: segments.ContentHashOfCRC(checksum),
	}.Encode()
	return append(encoded[:], front...)
}

// image is the whole segment, which is short.
func (e *Extent) image(stamp uint64) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(e.header(stamp), e.head...)
}

// long reports whether it goes into an object of its own.
func (e *Extent) long() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.parts != nil
}

// finish completes the object of a long one in a log, and tells its name.
func (e *Extent) finish(ctx context.Context, stamp uint64, log, horizon string) (extent, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dropped {
		return extent{}, errors.New("the extent was dropped")
	}
	if e.stamp != 0 {
		stamp = e.stamp
	}
	name, err := e.parts.finish(ctx, e.header(stamp), log, horizon)
	return extent{name, e.size()}, err
}

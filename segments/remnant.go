package segments

import (
	"bytes"
	"fmt"
	"io"
)

// RemnantKind says what a stretch behind a file's newest manifest is.
type RemnantKind uint8

const (
	// RemnantBytes are no segment.
	RemnantBytes RemnantKind = iota
	// RemnantWhole is a segment with the payload that its hash is of.
	RemnantWhole
	// RemnantCut is a segment of which only the beginning is there: the file ends, or
	// another segment begins, before its length is reached.
	RemnantCut
	// RemnantDamaged is a segment of full length whose payload is not what its hash
	// says, or which has none that could be checked.
	RemnantDamaged
	// RemnantUnsaid is a manifest, or its beginning, whose magic number was not
	// written: its commit was interrupted just before it would have counted.
	RemnantUnsaid
)

// Remnant is one stretch of what stands behind a file's newest manifest. The header
// is zero for RemnantBytes.
type Remnant struct {
	Segment
	Kind   RemnantKind
	Length int64 // bytes that are there, header included
}

// Stop returns where the stretch ends.
func (r Remnant) Stop() int64 { return r.Offset + r.Length }

// IsBegun reports whether a stretch of what r reads is a segment, or the beginning of one, also of
// its header alone. A commit of ours that does not count yet has a manifest that is not begun.
func (r Remnant) IsBegun(in io.ReaderAt) (bool, error) {
	if r.Kind != RemnantBytes {
		return r.Kind != RemnantUnsaid, nil
	}
	if r.Length >= HeaderSize {
		return false, nil
	}
	head := make([]byte, r.Length)
	if err := readFull(in, head, r.Offset); err != nil {
		return false, fmt.Errorf("bytes at %d: %w", r.Offset, err)
	}
	return bytes.HasPrefix(head, magicBytes[:min(len(head), len(magicBytes))]), nil
}

// remnantAllowance is what looking at candidates may cost beyond twice the bytes
// that are walked; see finder.afford.
const remnantAllowance = 256 << 20

// WalkRemnants visits the bytes of r from a place between segments on to size, all
// of them, stretch by stretch. What is whole is never looked into; in all else the
// next segment is searched for, and found by its hash. Of segments that are cut, one
// of vectors is found in the midst of other bytes, too, if its counts agree with its
// length. Other errors than those of visit are I/O errors.
func WalkRemnants(r io.ReaderAt, from, size int64, visit func(Remnant) error) error {
	w := &remnantWalk{finder: finder{r: r, size: size, budget: remnantAllowance + 2*max(0, size-from)}}
	for from < size {
		remnant, err := w.at(from)
		if err != nil {
			return err
		}
		if err := visit(remnant); err != nil {
			return err
		}
		from = remnant.Stop()
	}
	return nil
}

// remnantWalk is one run of WalkRemnants.
type remnantWalk struct {
	finder
	chunk []byte
	found int64 // what next found last: nothing begins between where it began and there
}

// at judges what begins at a place where a segment may begin.
func (w *remnantWalk) at(offset int64) (Remnant, error) {
	head := make([]byte, min(HeaderSize, w.size-offset))
	if err := readFull(w.r, head, offset); err != nil {
		return Remnant{}, fmt.Errorf("bytes behind the manifest at %d: %w", offset, err)
	}
	found := Remnant{Segment: Segment{Offset: offset}}
	whole := false // as far as the length goes
	if header, kind, ok := remnantHeader(head); ok {
		found.Header, found.Kind = header, kind
		whole = found.End() <= w.size
		if whole && w.afford(int64(header.PayloadLength)) {
			verdict, err := VerifySegment(w.r, found.Segment)
			if err != nil {
				return Remnant{}, fmt.Errorf("segment behind the manifest at %d: %w", offset, err)
			}
			if verdict == HashMatch {
				found.Length = found.End() - offset
				if kind == RemnantCut {
					found.Kind = RemnantWhole
				}
				return found, nil
			}
		}
	}
	next, err := w.next(offset + 1)
	if err != nil {
		return Remnant{}, err
	}
	found.Length = next - offset
	if whole && next >= found.End() {
		found.Length = found.End() - offset
		if found.Kind == RemnantCut {
			found.Kind = RemnantDamaged
		}
	}
	return found, nil
}

// remnantHeader reads a header that was written, or all of it but the magic number
// of a manifest.
func remnantHeader(head []byte) (Header, RemnantKind, bool) {
	header, err := ParseHeader(head)
	if err == nil {
		return header, RemnantCut, true
	}
	if len(head) < HeaderSize || !unsaidManifest(head) {
		return Header{}, RemnantBytes, false
	}
	said := append([]byte(nil), head...)
	copy(said, magicBytes)
	header, err = ParseHeader(said)
	// Whatever else is there, a writer fills these fields so.
	plain := header.Flags == 0 && header.Compression == CompressionNone && header.ChecksumAlgorithm == ChecksumRuntime &&
		header.Reserved16 == 0 && header.Reserved32 == 0 && header.UncompressedLength == 0 && header.AlignmentPad == 0
	if err != nil || !plain || !header.Hashed() || !isCRCForm(header.ContentHash) || header.PayloadLength > MaxPayload {
		return Header{}, RemnantBytes, false
	}
	return header, RemnantUnsaid, true
}

// next finds the next place at which a segment certainly begins, or the end.
func (w *remnantWalk) next(from int64) (int64, error) {
	if from <= w.found {
		return w.found, nil
	}
	found, err := w.search(from)
	w.found = found
	return found, err
}

// search is next for bytes that were not looked at.
func (w *remnantWalk) search(from int64) (int64, error) {
	if w.chunk == nil {
		w.chunk = make([]byte, max(0, min(scanChunk+HeaderSize, w.size-from)))
	}
	for low := from; low < w.size; {
		// The headers of those that begin in the chunk are seen whole.
		p := w.chunk[:min(int64(len(w.chunk)), w.size-low)]
		if err := readFull(w.r, p, low); err != nil {
			return 0, fmt.Errorf("search at %d: %w", low, err)
		}
		limit := len(p)
		if low+int64(len(p)) < w.size {
			limit -= HeaderSize
		}
		said, unsaid := newPlaces(p, magicBytes), newPlaces(p, unsaidStart)
		for at := min(said.at, unsaid.at); at < limit; at = min(said.at, unsaid.at) {
			begins, err := w.begins(low+int64(at), p[at:])
			if begins || err != nil {
				return low + int64(at), err
			}
			said.pass(at)
			unsaid.pass(at)
		}
		low += int64(limit)
		if allZero(p) {
			low += zerosFrom(w.r, low, w.size-low)
		}
	}
	return w.size, nil
}

// unsaidStart is how the header of a manifest begins whose magic number is not
// written: zeros, the version and the type.
var unsaidStart = []byte{0, 0, 0, 0, HeaderVersion, byte(TypeManifest)}

// places finds a pattern in bytes, one place after the other.
type places struct {
	p, pattern []byte
	at         int // the next place; len(p) when there is none any more
}

func newPlaces(p, pattern []byte) *places {
	s := &places{p, pattern, -1}
	s.pass(-1)
	return s
}

// pass goes on behind at, if it stands there.
func (s *places) pass(at int) {
	if s.at != at {
		return
	}
	next := bytes.Index(s.p[at+1:], s.pattern)
	if next < 0 {
		s.at = len(s.p)
		return
	}
	s.at = at + 1 + next
}

// begins reports whether a segment certainly begins at offset, where head stands.
func (w *remnantWalk) begins(offset int64, head []byte) (bool, error) {
	if len(head) < HeaderSize || !w.afford(hopCost) {
		return false, nil
	}
	header, kind, ok := remnantHeader(head[:HeaderSize])
	segment := Segment{Header: header, Offset: offset}
	switch {
	case !ok || !header.Hashed():
		return false, nil
	case segment.End() > w.size:
		cut := Remnant{Segment: segment, Length: w.size - offset}
		_, count, err := CutVectors(w.r, cut)
		return kind == RemnantCut && isCRCForm(header.ContentHash) && count > 0, err
	case header.PayloadLength > MaxPayload || !w.afford(int64(header.PayloadLength)):
		return false, nil
	}
	verdict, err := VerifySegment(w.r, segment)
	if err != nil {
		return false, fmt.Errorf("segment behind the manifest at %d: %w", offset, err)
	}
	return verdict == HashMatch, nil
}

// CutVectors tells how many whole rows of a vector segment that is cut are there,
// and their dimension; none where its counts do not agree with its length.
func CutVectors(r io.ReaderAt, cut Remnant) (dimension, count int, err error) {
	var prefix [VecPrefixSize]byte
	if cut.Type != TypeVec || cut.Length < HeaderSize+VecPrefixSize {
		return 0, 0, nil
	}
	if err := readFull(r, prefix[:], cut.PayloadOffset()); err != nil {
		return 0, 0, fmt.Errorf("vector segment at %d: %w", cut.Offset, err)
	}
	claimed, rows, _ := ParseVecPrefix(prefix[:])
	size := uint64(RowSize(int(claimed)))
	if cut.PayloadLength != VecPrefixSize+uint64(rows)*size {
		return 0, 0, nil
	}
	return int(claimed), int(min(uint64(rows), uint64(cut.Length-HeaderSize-VecPrefixSize)/size)), nil
}

package segments

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	// believableManifest is the smallest payload of a manifest: an empty
	// directory and no deleted ids.
	believableManifest = manifestFixedSize + 4
	// evidenceTried is how many of the segments that a candidate names are
	// tried as evidence, nearest first.
	evidenceTried = 16
	// What looking at a candidate, a directory entry or a hop costs beyond
	// the bytes read, in bytes: about as long as it takes.
	candidateCost = 4096
	entryCost     = 128
	hopCost       = 256
)

// believe returns the manifest at candidate if there is proof enough that it
// is one, and nil if there is not. The bytes from floor up to the candidate
// are no run of segments, so they can be anything: a torn segment, perhaps
// with a complete manifest as its vectors, or a torn segment and real ones
// that another writer appended to it. A candidate is believed if
//   - its hash is set and right, and it parses,
//   - it belongs to the same store as what stands before floor,
//   - what it names lies before it and has the headers that it says,
//   - one segment that it names lies behind floor, and hopping from there
//     leads from segment to segment exactly to the candidate,
//   - and behind it the file goes on with segments to its end, of which the
//     last may be torn as well.
//
// A copy of a manifest inside a torn payload fails because what it names lies
// before the payload. One that comes with segments of its own, made for the
// very place where the payload would land, fails because vectors follow it;
// only if the payload was cut exactly there is it the same, byte for byte, as
// what another writer would have left.
func (f *finder) believe(candidate Segment, floor int64) (*committed, error) {
	if candidate.End() > f.size || candidate.PayloadLength < believableManifest ||
		candidate.PayloadLength > MaxPayload || !candidate.Hashed() ||
		!f.afford(candidateCost+int64(candidate.PayloadLength)) {
		return nil, nil
	}
	manifest, verdict, err := f.parse(candidate)
	if err != nil || manifest == nil || verdict != HashMatch || !f.sameStore(manifest) {
		return nil, err
	}
	named, err := f.namedBehind(manifest, candidate.Offset, floor)
	if err != nil || len(named) == 0 {
		return nil, err
	}
	if ok, err := f.reached(named, candidate.Offset, floor); !ok || err != nil {
		return nil, err
	}
	if ok, err := f.goesOn(candidate.End()); !ok || err != nil {
		return nil, err
	}
	return &committed{manifest, candidate}, nil
}

// sameStore reports whether m can be of the store that was found so far.
func (f *finder) sameStore(m *Manifest) bool {
	if f.found == nil || !f.found.manifest.HasIdentity {
		return true
	}
	return m.HasIdentity && m.Identity.FileID == f.found.manifest.Identity.FileID
}

// namedSegment is a directory entry and what stands in its place.
type namedSegment struct {
	DirectoryEntry
	there presence
}

// namedBehind checks that the directory of the manifest at offset fits the
// file, and returns what it names behind floor, nearest to the manifest
// first. Nothing is returned if it does not fit.
func (f *finder) namedBehind(m *Manifest, offset, floor int64) ([]namedSegment, error) {
	var behind []namedSegment
	for _, entry := range m.Directory {
		// Readers do not use the manifests that are named, so it does not
		// matter much what became of them.
		isManifest := entry.Type == TypeManifest
		if entry.end() > offset && (!isManifest || entry.end() > f.size) {
			return nil, nil
		}
		if isManifest && (entry.Offset < floor || entry.end() > offset) {
			continue
		}
		if !f.afford(entryCost) {
			return nil, nil
		}
		there, err := f.headerOf(entry)
		if err != nil {
			return nil, err
		}
		// Behind the break a header may be what is damaged. The segment is
		// lost then, but to go back to an older state would lose them all.
		if !isManifest && there != headerRight && (there != headerDamaged || entry.Offset < floor) {
			return nil, nil
		}
		if entry.Offset >= floor && there != headerWrong {
			behind = append(behind, namedSegment{entry, there})
		}
	}
	slices.SortFunc(behind, func(a, b namedSegment) int { return cmp.Compare(b.Offset, a.Offset) })
	return behind, nil
}

// reached reports whether a walk leads from one of the named segments to the
// manifest at offset.
func (f *finder) reached(named []namedSegment, offset, floor int64) (bool, error) {
	damaged := make(map[int64]int64)
	for _, entry := range named {
		if entry.there == headerDamaged {
			damaged[entry.Offset] = entry.end()
		}
	}
	tried := 0
	for _, entry := range named {
		// A damaged header is no evidence, unless it is what broke the walk
		// off: then a segment begins exactly where the directory says so.
		if entry.there == headerDamaged && entry.Offset != floor {
			continue
		}
		if tried++; tried > evidenceTried {
			break
		}
		if ok, err := f.leads(entry.Offset, offset, damaged); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// leads reports whether a walk from start ends exactly at offset. It steps
// over damaged segments, of which the ends are given by their offsets.
func (f *finder) leads(start, offset int64, damaged map[int64]int64) (bool, error) {
	for f.afford(hopCost) {
		at, err := f.walkTo(offset, start, damaged)
		if err != nil || at == offset {
			return at == offset, err
		}
		end, ok := damaged[at]
		if !ok {
			return false, nil
		}
		start = end
	}
	return false, nil
}

// walkTo walks from start up to offset, and returns where it stops: where no segment
// stands, or a damaged one, whose length would lead astray.
func (f *finder) walkTo(offset, start int64, damaged map[int64]int64) (int64, error) {
	w := NewWalker(f.r, start, offset)
	for w.Next() {
		at := w.Segment().Offset
		if _, known := damaged[at]; known || !f.afford(hopCost) {
			return at, nil
		}
	}
	return w.End(), w.Err()
}

// goesOn reports whether from offset on the file looks as one does that was
// written segment by segment: to its end, or to a segment that was torn.
func (f *finder) goesOn(offset int64) (bool, error) {
	w := NewWalker(f.r, offset, f.size)
	for w.Next() {
		if !f.afford(hopCost) {
			return false, nil
		}
	}
	if w.Err() != nil || w.Clean() {
		return w.Clean(), w.Err()
	}
	head := make([]byte, min(HeaderSize+int64(len(magicBytes)), f.size-w.End()))
	if err := readFull(f.r, head, w.End()); err != nil {
		return false, fmt.Errorf("bytes behind the manifest: %w", err)
	}
	if tornHeader(head) {
		return true, nil
	}
	// One of the segments passed may be the torn one, and its length have led
	// into what was appended to it.
	w = NewWalker(f.r, offset, w.End())
	for w.Next() {
		s := w.Segment()
		if s.PayloadLength > MaxPayload || !f.afford(int64(s.PayloadLength)) {
			return false, nil
		}
		if torn, err := f.torn(s); torn || err != nil {
			return torn, err
		}
	}
	return false, w.Err()
}

// tornHeader reports whether head begins like a segment whose payload is not
// all there: with a header, with its first bytes, or with the zeros that stand
// in for it until the payload is written. Where these were cut short as well,
// something else may have been appended at once.
func tornHeader(head []byte) bool {
	rest := bytes.TrimLeft(head, "\x00")
	if len(head)-len(rest) >= HeaderSize {
		return true
	}
	if unsaidManifest(head) {
		return true
	}
	for cut := range magicBytes {
		if begun := bytes.TrimPrefix(rest, magicBytes[:cut]); bytes.HasPrefix(begun, magicBytes) {
			return true
		}
	}
	return bytes.HasPrefix(magicBytes, rest)
}

// unsaidManifest reports whether head begins with a manifest's header of which
// all but the magic number is written, or a part of that: the state of a commit
// just before the write that makes it count.
func unsaidManifest(head []byte) bool {
	magic := len(magicBytes)
	if len(head) < magic+2 || head[magic] != 1 || Type(head[magic+1]) != TypeManifest {
		return false
	}
	said := 0
	for said < magic && head[said] == magicBytes[said] {
		said++
	}
	return allZero(head[said:magic])
}

// end returns where the named segment ends, or math.MaxInt64.
func (e DirectoryEntry) end() int64 {
	return saturatingAdd(saturatingAdd(e.Offset, HeaderSize), e.PayloadLength)
}

// presence is what stands where a directory says that a segment is.
type presence uint8

const (
	headerWrong   presence = iota // something else, or nothing yet
	headerDamaged                 // what is left of the right header
	headerRight
)

// headerOf looks at the place that entry names, which must lie in the file.
func (f *finder) headerOf(entry DirectoryEntry) (presence, error) {
	var b [HeaderSize]byte
	if err := readFull(f.r, b[:], entry.Offset); err != nil {
		return headerWrong, fmt.Errorf("named segment at %d: %w", entry.Offset, err)
	}
	header, err := ParseHeader(b[:])
	if err != nil {
		// The writer fills a header in only when its payload is on the disk:
		// a zero one was never committed and is not damage.
		written := binary.LittleEndian.Uint32(b[0:]) != 0
		id, length := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
		if written && (id == entry.SegmentID || length == entry.PayloadLength) {
			return headerDamaged, nil
		}
		return headerWrong, nil
	}
	if header.Type == entry.Type && header.PayloadLength == entry.PayloadLength {
		return headerRight, nil
	}
	if retired, err := WasRetired(f.r, entry); retired || err != nil {
		return headerRight, err
	}
	// A manifest can be made up inside of a segment that it names with a length of its
	// own choice; but not a hash of so many bytes.
	header.Type, header.PayloadLength = entry.Type, entry.PayloadLength
	if header.ID != entry.SegmentID || !header.Hashed() || entry.end() > f.size || !f.afford(int64(entry.PayloadLength)) {
		return headerWrong, nil
	}
	if verdict, err := VerifySegment(f.r, Segment{Header: header, Offset: entry.Offset}); verdict != HashMatch || err != nil {
		return headerWrong, err
	}
	return headerDamaged, nil
}

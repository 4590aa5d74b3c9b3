package segments

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// remembered is how many of the segments passed are kept at least: of
	// the manifests for the case that the newest are damaged (if all of them
	// are, a second pass looks at every one before them), and of all types
	// to see which of them are torn.
	remembered = 64
	// verifiedBehind is how many bytes of payload are read to see that, if
	// the last segment alone has not more.
	verifiedBehind = 64 << 20
)

// committed is a manifest that is believed.
type committed struct {
	manifest *Manifest
	segment  Segment
}

// finder is one run of FindState.
type finder struct {
	r     io.ReaderAt
	size  int64
	limit int64 // of FindOptions
	from  int64
	found *committed // the newest manifest believed so far, if any

	memory func(int64) error // of FindOptions

	budget  int64  // see finder.afford
	payload []byte // of the manifest read last; used again for the next
}

// passage is what a forward walk came by.
type passage struct {
	manifests recent // the last ones
	segments  recent // the last ones of any type
	end       int64  // behind the last whole segment that is not torn
	clean     bool
	unsure    bool // too much would have to be read to tell what is torn
}

// recent keeps the last segments of a walk, in file order.
type recent struct {
	kept      []Segment
	forgotten bool // there were more before them
}

func (r *recent) add(s Segment) {
	if len(r.kept) == 2*remembered {
		r.kept = append(r.kept[:0], r.kept[remembered:]...)
		r.forgotten = true
	}
	r.kept = append(r.kept, s)
}

// last returns the segment added last, or false if there is none.
func (r *recent) last() (Segment, bool) {
	if len(r.kept) == 0 {
		return Segment{}, false
	}
	return r.kept[len(r.kept)-1], true
}

func (f *finder) find() (*State, error) {
	p, err := f.walk(f.from)
	if err != nil {
		return nil, err
	}
	root, err := readWireRoot(f.r, f.size)
	if err != nil {
		return nil, err
	}
	if last, ok := p.segments.last(); ok && root != nil && p.clean && isWireManifest(last, f.size) {
		return f.wireState(root, last)
	}
	if err := f.takeNewest(f.from, p); err != nil {
		return nil, err
	}
	if from := f.doubtful(p); !p.clean || from < p.end {
		reached, err := f.searchBehind(p, from)
		if err != nil && (root == nil || !errors.Is(err, ErrScanLimit)) {
			return nil, err
		}
		if err == nil {
			p = reached
		}
	}
	switch {
	case root != nil && (f.found == nil || p.end <= f.size-wireRootSize && !f.found.isRuntime()):
		return f.damagedWireState(root, p)
	case f.found == nil:
		return nil, fmt.Errorf("%w in %d bytes", ErrNoManifest, f.size)
	}
	return f.state(p)
}

// isRuntime reports whether the manifest's hash says that it was written in the
// runtime dialect.
func (c *committed) isRuntime() bool {
	return c.segment.Hashed() && isCRCForm(c.segment.ContentHash)
}

// doubtful returns where the first segment behind the newest manifest stands that
// nothing vouches for, or the end of the passage. Without a hash it may be a torn one,
// and what its length spans another writer's.
func (f *finder) doubtful(p *passage) int64 {
	for _, s := range p.segments.kept {
		if !s.Hashed() && s.Offset < p.end && (f.found == nil || s.Offset >= f.found.segment.End()) {
			return s.Offset
		}
	}
	return p.end
}

// searchBehind looks for manifests from an offset on up to which the passage p is
// beyond doubt. It returns the passage that reached farthest.
func (f *finder) searchBehind(p *passage, from int64) (*passage, error) {
	newest, err := f.scan(from)
	if err != nil {
		return nil, err
	}
	if newest == nil {
		// Bytes that were not looked at could hold a newer state.
		if f.limit > 0 && (p.unsure || f.size-from > f.limit) {
			return nil, fmt.Errorf("%w of %d bytes", ErrScanLimit, f.limit)
		}
		return p, nil
	}
	f.found = newest
	from = newest.segment.End()
	if p, err = f.walk(from); err != nil {
		return nil, err
	}
	return p, f.takeNewest(from, p)
}

// walk goes forward from a boundary between segments to where there is no
// whole one any more.
func (f *finder) walk(from int64) (*passage, error) {
	p := &passage{}
	w := NewWalker(f.r, from, f.size)
	for w.Next() {
		p.segments.add(w.Segment())
		if w.Segment().Type == TypeManifest {
			p.manifests.add(w.Segment())
		}
	}
	p.end, p.clean = w.End(), w.Clean()
	if w.Err() != nil {
		return p, w.Err()
	}
	return p, f.findTorn(p)
}

// room returns how many bytes may be read to see what is torn.
func (f *finder) room() uint64 {
	if f.limit > 0 {
		return min(verifiedBehind, uint64(f.limit))
	}
	return verifiedBehind
}

// findTorn looks for torn segments at the end of a walk. The length of one
// leads to the middle of what another writer appended: the walk breaks off
// there, or goes on a little if it meets something that has the looks of a
// segment, or comes by chance to the file's end with manifests hidden in the
// torn segment. In no case does it prove anything beyond the torn header.
// Where nothing is left over, what stands before the last manifest is not in
// question.
func (f *finder) findTorn(p *passage) error {
	room, kept, broken := f.room(), p.segments.kept, p.end < f.size
	for i := len(kept) - 1; i >= 0; i-- {
		s := kept[i]
		if s.Type == TypeManifest {
			// A walk that comes to a good manifest was not led astray before,
			// whatever damaged segment it passed that nobody needs.
			if torn, err := f.torn(s); !broken || !torn || err != nil {
				return err
			}
		}
		if s.PayloadLength > room {
			// However long it is, the last one before a break has to be
			// judged, unless that is more than was asked for.
			if !broken || i < len(kept)-1 {
				return nil
			}
			if f.limit > 0 {
				p.unsure, p.clean = true, false
				return nil
			}
		}
		room -= min(room, s.PayloadLength)
		torn, err := f.torn(s)
		if err != nil {
			return err
		}
		if torn {
			p.end, p.clean = s.Offset, false
		}
	}
	return nil
}

// torn reports whether s is known not to be what its header says.
func (f *finder) torn(s Segment) (bool, error) {
	verdict, err := VerifySegment(f.r, s)
	switch {
	case err != nil || verdict == HashMatch:
		return false, err
	case verdict == HashMismatch:
		return true, nil
	}
	// Not to be verified. But if a header was torn itself, the one that was
	// appended to it begins within its 64 bytes.
	header := s.Encode()
	return bytes.Contains(header[1:], magicBytes), nil
}

// isWireManifest reports whether a file with a root is of the wire dialect, and not
// one of the runtime dialect whose last bytes only look like a root: its last
// segment is a manifest that has the root as the end of its payload, and no hash of
// the other dialect.
func isWireManifest(last Segment, size int64) bool {
	return last.Type == TypeManifest && last.End() == size && last.PayloadLength >= wireRootSize &&
		!(&committed{segment: last}).isRuntime()
}

// takeNewest sets found to the last manifest of a passage that is valid, if
// one is, and stands before what is torn. The passage began at from.
func (f *finder) takeNewest(from int64, p *passage) error {
	kept := p.manifests.kept
	for i := len(kept) - 1; i >= 0; i-- {
		if kept[i].Offset >= p.end {
			continue
		}
		manifest, err := f.read(kept[i])
		if err != nil {
			return err
		}
		if manifest != nil {
			f.found = &committed{manifest, kept[i]}
			return nil
		}
	}
	if !p.manifests.forgotten {
		return nil
	}
	w := NewWalker(f.r, from, min(p.end, kept[0].Offset))
	for w.Next() {
		segment := w.Segment()
		if segment.Type != TypeManifest {
			continue
		}
		manifest, err := f.read(segment)
		if err != nil {
			return err
		}
		if manifest != nil {
			f.found = &committed{manifest, segment}
		}
	}
	return w.Err()
}

// read returns the manifest in a segment that the walk reached, or nil if it
// is not valid.
func (f *finder) read(s Segment) (*Manifest, error) {
	manifest, verdict, err := f.parse(s)
	if err != nil || (verdict != HashMatch && verdict != HashUnset) {
		return nil, err
	}
	return manifest, nil
}

// parse reads the payload of s, which must lie within the file, and parses it
// if its hash does not speak against that. The manifest is nil if it is not
// valid.
func (f *finder) parse(s Segment) (*Manifest, HashVerdict, error) {
	if s.PayloadLength > MaxPayload {
		return nil, HashUnknown, nil
	}
	if uint64(cap(f.payload)) < s.PayloadLength {
		if err := f.demand(s.PayloadLength); err != nil {
			return nil, HashUnknown, fmt.Errorf("manifest at %d: %w", s.Offset, err)
		}
		f.payload = make([]byte, s.PayloadLength)
	}
	payload := f.payload[:s.PayloadLength]
	if err := readFull(f.r, payload, s.PayloadOffset()); err != nil {
		return nil, HashUnknown, fmt.Errorf("manifest at %d: %w", s.Offset, err)
	}
	verdict := verifyBytes(s.Header, payload)
	if verdict == HashMismatch || verdict == HashUnknown || allZero(payload) {
		// Zeros parse as a manifest, too, and stand where a wire manifest was.
		return nil, verdict, nil
	}
	manifest, err := ParseManifest(payload)
	if err != nil {
		// A payload that is no manifest is passed over, not reported.
		return nil, verdict, nil
	}
	return manifest, verdict, nil
}

// demand asks for the memory that a manifest's payload takes, and what it becomes.
func (f *finder) demand(payload uint64) error {
	const small, became = 1 << 20, 2
	if f.memory == nil || payload < small {
		return nil
	}
	return f.memory((1 + became) * int64(payload))
}

// state completes what was found with what stands behind it, as far as the
// passage p reached.
func (f *finder) state(p *passage) (*State, error) {
	s := &State{
		Dialect:  DialectRuntime,
		Manifest: f.found.manifest,
		Segment:  f.found.segment,
		End:      f.found.segment.End(),
	}
	interrupted, err := f.interrupted(p.end)
	if err != nil {
		return nil, err
	}
	w := NewWalker(f.r, s.End, p.end)
	for w.Next() {
		segment := w.Segment()
		foreign, err := IsForeign(f.r, DirectoryEntry{Offset: segment.Offset, PayloadLength: segment.PayloadLength, Type: segment.Type})
		if err != nil {
			return nil, err
		}
		if foreign || segment.Type.preserved() {
			s.Behind = append(s.Behind, segment)
			s.End = segment.End()
		} else if interrupted {
			break // from here on all is of the commit that was not to be
		}
	}
	s.Clean = p.clean && s.End == f.size
	return s, w.Err()
}

// interrupted reports whether at offset a manifest of ours stands of which all but the
// magic number was written: then nobody was told of the commit, and the audit
// entry before it tells of what never happened.
func (f *finder) interrupted(offset int64) (bool, error) {
	if f.size-offset < HeaderSize {
		return false, nil
	}
	var head [HeaderSize]byte
	if err := readFull(f.r, head[:], offset); err != nil {
		return false, fmt.Errorf("bytes behind the last segment: %w", err)
	}
	_, kind, _ := remnantHeader(head[:])
	return kind == RemnantUnsaid, nil
}

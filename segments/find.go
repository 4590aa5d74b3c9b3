package segments

import (
	"fmt"
	"io"
)

// rememberedManifests is how many of the manifests passed are kept for the
// case that the newest are damaged. If all of them are, a second pass looks
// at every one before them.
const rememberedManifests = 64

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

	budget  int64  // see finder.afford
	payload []byte // of the manifest read last; used again for the next
}

// passage is what a forward walk came by.
type passage struct {
	manifests []Segment // the last ones, in file order
	forgotten bool      // there were more before them
	last      Segment   // the last whole segment
	any       bool      // there was a whole segment
	end       int64     // behind the last whole segment that is not torn
	doubt     int64     // from here on, manifests are searched for
	clean     bool
	unsure    bool // the last segment was too long to tell whether it is torn
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
	if root != nil && p.endsWithWireManifest(f.size) {
		return f.wireState(root, p.last)
	}
	if err := f.takeNewest(f.from, p); err != nil {
		return nil, err
	}
	if !p.clean {
		if p, err = f.searchBehind(p); err != nil {
			return nil, err
		}
	}
	if f.found == nil {
		if root != nil {
			return f.damagedWireState(root)
		}
		return nil, fmt.Errorf("%w in %d bytes", ErrNoManifest, f.size)
	}
	return f.state(p)
}

// searchBehind looks for manifests after the bytes where the passage p broke
// off. It returns the passage that reached farthest.
func (f *finder) searchBehind(p *passage) (*passage, error) {
	newest, err := f.scan(p.doubt)
	if err != nil {
		return nil, err
	}
	if newest == nil {
		// Bytes that were not looked at could hold a newer state.
		if f.limit > 0 && (p.unsure || f.size-p.doubt > f.limit) {
			return nil, fmt.Errorf("%w of %d bytes", ErrScanLimit, f.limit)
		}
		return p, nil
	}
	f.found = newest
	from := newest.segment.End()
	if p, err = f.walk(from); err != nil {
		return nil, err
	}
	return p, f.takeNewest(from, p)
}

// walk goes forward from a boundary between segments to where there is no
// whole one any more.
func (f *finder) walk(from int64) (*passage, error) {
	p := &passage{end: from, doubt: from}
	w := NewWalker(f.r, from, f.size)
	for w.Next() {
		p.last, p.any = w.Segment(), true
		if p.last.Type == TypeManifest {
			p.remember(p.last)
		}
	}
	if w.Err() != nil {
		return nil, w.Err()
	}
	p.end, p.doubt, p.clean = w.End(), w.End(), w.Clean()
	if p.end == f.size || !p.any {
		return p, nil
	}
	if f.limit > 0 && p.last.PayloadLength > uint64(f.limit) {
		p.unsure, p.clean = true, false
		return p, nil
	}
	// The last segment before what is left over may itself be torn: then its length
	// led into the middle of what another writer appended, and the walk
	// proves nothing beyond its header.
	verdict, err := VerifySegment(f.r, p.last)
	if err != nil {
		return nil, err
	}
	switch verdict {
	case HashMismatch:
		p.end, p.doubt, p.clean = p.last.Offset, p.last.Offset, false
	case HashUnknown:
		// A kind of hash to come, or the beginning of a torn header run
		// together with what was appended to it. Keep it and look into it.
		p.doubt, p.clean = p.last.Offset, false
	}
	return p, nil
}

func (p *passage) remember(manifest Segment) {
	if len(p.manifests) == 2*rememberedManifests {
		p.manifests = append(p.manifests[:0], p.manifests[rememberedManifests:]...)
		p.forgotten = true
	}
	p.manifests = append(p.manifests, manifest)
}

// endsWithWireManifest tells a file of the wire dialect from one of the
// runtime dialect whose last bytes only look like a root: its manifest
// segment carries the root as the end of its payload, and no hash of the
// other dialect.
func (p *passage) endsWithWireManifest(size int64) bool {
	return p.any && p.clean && p.last.Type == TypeManifest && p.last.End() == size &&
		p.last.PayloadLength >= wireRootSize &&
		(p.last.ContentHash == [16]byte{} || !isCRCForm(p.last.ContentHash))
}

// takeNewest sets found to the last manifest of a passage that is valid, if
// one is. The passage began at from.
func (f *finder) takeNewest(from int64, p *passage) error {
	for i := len(p.manifests) - 1; i >= 0; i-- {
		manifest, err := f.read(p.manifests[i])
		if err != nil {
			return err
		}
		if manifest != nil {
			f.found = &committed{manifest, p.manifests[i]}
			return nil
		}
	}
	if !p.forgotten {
		return nil
	}
	w := NewWalker(f.r, from, p.manifests[0].Offset)
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
		f.payload = make([]byte, s.PayloadLength)
	}
	payload := f.payload[:s.PayloadLength]
	if err := readFull(f.r, payload, s.PayloadOffset()); err != nil {
		return nil, HashUnknown, fmt.Errorf("manifest at %d: %w", s.Offset, err)
	}
	verdict := verifyBytes(s.Header, payload)
	if verdict == HashMismatch || verdict == HashUnknown {
		return nil, verdict, nil
	}
	manifest, err := ParseManifest(payload)
	if err != nil {
		// A payload that is no manifest is passed over, not reported.
		return nil, verdict, nil
	}
	return manifest, verdict, nil
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
	w := NewWalker(f.r, s.End, p.end)
	for w.Next() {
		if segment := w.Segment(); segment.Type.preserved() {
			s.Behind = append(s.Behind, segment)
			s.End = segment.End()
		}
	}
	s.Clean = p.clean && s.End == f.size
	return s, w.Err()
}

package segments

import "fmt"

// wireState returns the state of a file that ends with root, the end of the
// payload of manifest.
func (f *finder) wireState(root *WireRoot, manifest Segment) (*State, error) {
	m := &Manifest{
		Epoch:        root.Epoch,
		Dimension:    root.Dimension,
		TotalVectors: root.TotalVectors,
		Identity:     root.Identity,
		HasIdentity:  !root.Identity.FileID.IsZero(),
	}
	directory, recorded, err := f.wireDirectory(root)
	if err == nil && !recorded {
		directory, err = f.walkWire()
	}
	if err != nil {
		return nil, err
	}
	m.Directory = directory
	return &State{Dialect: DialectWire, Manifest: m, Segment: manifest, End: f.size, Clean: true, Walked: !recorded}, nil
}

// wireDirectory reads the directory from the records that the root names. False
// means that there is none: the root names no place within a payload, or the
// manifest was zeroed.
func (f *finder) wireDirectory(root *WireRoot) (directory []DirectoryEntry, recorded bool, err error) {
	if root.Level1Offset < HeaderSize {
		return nil, false, nil
	}
	if root.Level1Offset > uint64(f.size-wireRootSize) ||
		root.Level1Length > uint64(f.size-wireRootSize)-root.Level1Offset ||
		root.Level1Length > MaxPayload {
		return nil, false, fmt.Errorf("%w: wire root names %d bytes of records at %d", ErrNoManifest, root.Level1Length, root.Level1Offset)
	}
	if err := f.demand(root.Level1Length); err != nil {
		return nil, false, fmt.Errorf("wire manifest: %w", err)
	}
	records := make([]byte, root.Level1Length)
	if err := readFull(f.r, records, int64(root.Level1Offset)); err != nil {
		return nil, false, fmt.Errorf("wire manifest: %w", err)
	}
	if directory, recorded, err = parseWireDirectory(records); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrNoManifest, err)
	}
	return directory, recorded, nil
}

// walkWire makes a directory of the segments in front of the root. No more are
// taken than a directory can name.
func (f *finder) walkWire() ([]DirectoryEntry, error) {
	var directory []DirectoryEntry
	w := NewWalker(f.r, 0, f.size-wireRootSize)
	for w.Next() {
		segment := w.Segment()
		if segment.Type == TypeManifest {
			continue
		}
		if len(directory) == MaxPayload/wireDirectoryEntry {
			return nil, fmt.Errorf("%w: the wire manifest has no directory, and more than %d segments are there", ErrNoManifest, len(directory))
		}
		directory = append(directory, DirectoryEntry{SegmentID: segment.ID, Offset: segment.Offset, PayloadLength: segment.PayloadLength, Type: segment.Type})
	}
	return directory, w.Err()
}

// damagedWireState is wireState for a file in which the walk, which came as far as
// p says, does not end with a manifest that has the root in it. The root says where
// it stands: the records begin its payload. If there is no such manifest, but the
// root stands behind all segments, the file is of the wire dialect all the same,
// and must not be taken for an empty store of the other one.
func (f *finder) damagedWireState(root *WireRoot, p *passage) (*State, error) {
	start := f.size - wireRootSize
	offset, named := start-HeaderSize, false
	if root.Level1Offset >= HeaderSize && root.Level1Offset <= uint64(start) {
		offset, named = int64(root.Level1Offset)-HeaderSize, true
		var b [HeaderSize]byte
		if err := readFull(f.r, b[:], offset); err != nil {
			return nil, fmt.Errorf("wire manifest: %w", err)
		}
		header, err := ParseHeader(b[:])
		manifest := Segment{Header: header, Offset: offset}
		if err == nil && header.Type == TypeManifest && manifest.End() == f.size {
			return f.wireState(root, manifest)
		}
	}
	switch {
	case p.end > start || offset < 0:
		return nil, fmt.Errorf("%w: the wire root names records at %d, where no manifest is", ErrNoManifest, root.Level1Offset)
	case f.found != nil:
		return f.wireState(root, f.found.segment)
	}
	// Its header is gone, if there was one. What it must have said is where it was.
	state, err := f.wireState(root, Segment{Header: Header{Version: 1, Type: TypeManifest, PayloadLength: uint64(f.size - offset - HeaderSize)}, Offset: offset})
	if err == nil {
		state.RootAlone = !named
	}
	return state, err
}

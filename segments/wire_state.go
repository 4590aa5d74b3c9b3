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
	if root.Level1Offset > uint64(f.size-wireRootSize) ||
		root.Level1Length > uint64(f.size-wireRootSize)-root.Level1Offset ||
		root.Level1Length > MaxPayload {
		return nil, fmt.Errorf("%w: wire root names %d bytes of records at %d", ErrNoManifest, root.Level1Length, root.Level1Offset)
	}
	records := make([]byte, root.Level1Length)
	if err := readFull(f.r, records, int64(root.Level1Offset)); err != nil {
		return nil, fmt.Errorf("wire manifest: %w", err)
	}
	directory, err := parseWireDirectory(records)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoManifest, err)
	}
	m.Directory = directory
	return &State{Dialect: DialectWire, Manifest: m, Segment: manifest, End: f.size, Clean: true}, nil
}

// damagedWireState is wireState for a file in which the walk does not reach
// the manifest. The root says where it stands: the records begin its payload.
func (f *finder) damagedWireState(root *WireRoot) (*State, error) {
	if root.Level1Offset < HeaderSize || root.Level1Offset > uint64(f.size-wireRootSize) {
		return nil, fmt.Errorf("%w: wire root names records at %d", ErrNoManifest, root.Level1Offset)
	}
	offset := int64(root.Level1Offset) - HeaderSize
	var b [HeaderSize]byte
	if err := readFull(f.r, b[:], offset); err != nil {
		return nil, fmt.Errorf("wire manifest: %w", err)
	}
	header, err := ParseHeader(b[:])
	manifest := Segment{Header: header, Offset: offset}
	if err != nil || header.Type != TypeManifest || manifest.End() != f.size {
		return nil, fmt.Errorf("%w: none at %d, where the wire root names one", ErrNoManifest, offset)
	}
	return f.wireState(root, manifest)
}

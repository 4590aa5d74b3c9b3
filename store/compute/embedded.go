package compute

import (
	"context"

	"rvffs/segments"
	"rvffs/store/state"
)

// Embedded is what all embedded images have in common.
type Embedded struct {
	Entry segments.DirectoryEntry
	// Image is the image as it was embedded, decompressed; HeaderBinary is the
	// header as it stands in the file.
	Image        state.View
	HeaderBinary state.View
	// Integrity is the verdict on the image's hash. It is empty where nobody has
	// asked for it.
	Integrity Integrity

	hashed hashedImage
	stored state.View // the image as the file holds it
}

// Check finds out whether the image is what its header says, and keeps that in
// Integrity. The error is one of the disk, or of ctx.
func (e *Embedded) Check(ctx context.Context) (err error) {
	e.Integrity, err = e.hashed.integrity(ctx)
	return err
}

func (e *Embedded) common() *Embedded { return e }

// intact makes sure that the segment is what was written.
func (e *Embedded) intact(ctx context.Context) error {
	return e.hashed.segment.Intact(ctx)
}

// embedded puts together what all embedded images have in common.
func (p payload) embedded(entry segments.DirectoryEntry, image state.View, hash [32]byte) (Embedded, error) {
	binary, err := state.SubView(p.view, 0, p.kind.headerSize)
	hashed := hashedImage{key: p.inner(), segment: p.segment, view: image, hash: hash}
	return Embedded{Entry: entry, Image: CheckedView{image, hashed}, HeaderBinary: binary, hashed: hashed, stored: image}, err
}

package volume

import (
	"errors"
	"fmt"
	"io"

	"rvffs/segments"
)

// NewSegment is a whole segment, small by its nature, that is to be written.
type NewSegment struct {
	Type    segments.Type
	Flags   segments.Flags
	Payload []byte
}

// Describe is the segment as it stands at an offset, with an id, and written at a time in
// nanoseconds since 1970.
func (n NewSegment) Describe(offset int64, id, stamp uint64) segments.Segment {
	return segments.Segment{Offset: offset, Header: segments.Header{
		Version: segments.HeaderVersion, Type: n.Type, Flags: n.Flags, ID: id, Timestamp: stamp,
		PayloadLength: uint64(len(n.Payload)), ContentHash: segments.ContentHash(n.Payload),
	}}
}

// ExtentSpec says what a segment in the making is going to be.
type ExtentSpec struct {
	Type  segments.Type
	Flags segments.Flags
	// Front is how many bytes at the payload's start are known last: a count of rows, a
	// header with a hash of what follows.
	Front int
	// Seal gives these bytes as they are with so many others behind them, whenever it is
	// asked; nil: they are zeros.
	Seal func(body int64) []byte
	// Length is the number of bytes behind the front, where it is known before they
	// come; 0: it is not.
	Length int64
}

// Lay puts segments one after the other, and behind them the manifest, which gets to
// name them too. They begin at an offset and have the ids from id on; the time is in
// nanoseconds since 1970. It returns all of it, and where the manifest stands.
func Lay(start int64, id, stamp uint64, small []NewSegment, manifest *segments.Manifest) (image []byte, last segments.Segment, err error) {
	image = make([]byte, 0, Laid(small, manifest))
	describe := func(small NewSegment) segments.Segment {
		described := small.Describe(start+int64(len(image)), id, stamp)
		encoded := described.Encode()
		image = append(append(image, encoded[:]...), small.Payload...)
		id++
		return described
	}
	for _, segment := range small {
		described := describe(segment)
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
			SegmentID: described.ID, Offset: described.Offset, PayloadLength: described.PayloadLength, Type: described.Type,
		})
	}
	last = describe(NewSegment{Type: segments.TypeManifest, Payload: manifest.Encode()})
	magic := image[last.Offset-start:][:4]
	said := [4]byte(magic)
	clear(magic) // of this manifest alone it may be said that it is one
	unsafe := segments.LooksLikeManifest(image) >= 0
	copy(magic, said[:])
	if unsafe {
		return nil, last, fmt.Errorf("write manifest at offset %d: %w", last.Offset, ErrUnsafeManifest)
	}
	return image, last, nil
}

// Laid is the number of bytes that Lay makes of these.
func Laid(small []NewSegment, manifest *segments.Manifest) int64 {
	length := int64(segments.HeaderSize + manifest.EncodedSize())
	for _, segment := range small {
		length += int64(segments.HeaderSize + len(segment.Payload) + segments.DirectoryEntrySize)
	}
	return length
}

// Retire lets a segment count for nobody any more who finds it by its type; see
// segments.CanRetire. Where no such segment stands, nobody finds it, and what is none by its
// content is none for others either.
func Retire(file interface {
	io.ReaderAt
	io.WriterAt
}, entry segments.DirectoryEntry) error {
	can, err := segments.CanRetire(file, entry)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // the directory points outside of the file
	}
	if err != nil || !can {
		return err
	}
	at := entry.Offset + segments.TypeOffset
	if _, err := file.WriteAt([]byte{byte(segments.RetiredType)}, at); err != nil {
		return WriteError(err, 1, at)
	}
	return nil
}

package state

import (
	"fmt"
	"io"

	"rvffs/segments"
	"rvffs/store/volume"
)

// ReadHeader reads the header that a directory entry points to and checks that the two
// agree, in bytes that no snapshot shows yet. Those of a snapshot are read through a
// Reading.
func ReadHeader(unseen io.ReaderAt, entry segments.DirectoryEntry) (segments.Segment, error) {
	return readHeaderOr(unseen, entry, func() string { return "" })
}

// readHeaderOr is ReadHeader whose errors end with a remedy.
func readHeaderOr(file io.ReaderAt, entry segments.DirectoryEntry, remedy func() string) (segments.Segment, error) {
	var encoded [segments.HeaderSize]byte
	if err := volume.ReadFull(file, encoded[:], entry.Offset); err != nil {
		return segments.Segment{}, err
	}
	header, err := segments.ParseHeader(encoded[:])
	if err != nil {
		return segments.Segment{}, fmt.Errorf("%w: segment at offset %d: %w%s", volume.ErrCorrupt, entry.Offset, err, remedy())
	}
	if header.Type != entry.Type || header.PayloadLength != entry.PayloadLength {
		return segments.Segment{}, fmt.Errorf("%w: the directory names a %s of %d bytes at offset %d, there is a %s of %d%s",
			volume.ErrCorrupt, entry.Type, entry.PayloadLength, entry.Offset, header.Type, header.PayloadLength, remedy())
	}
	return segments.Segment{Header: header, Offset: entry.Offset}, nil
}

// ReadHeader reads the header of a segment of the snapshot and checks that the directory
// agrees. Its errors name the remedy, if there is one: nobody mends older manifests.
func (r *Reading) ReadHeader(entry segments.DirectoryEntry) (segments.Segment, error) {
	return readHeaderOr(r, entry, func() string {
		if r.snapshot.Dialect() != segments.DialectRuntime || entry.Type == segments.TypeManifest {
			return ""
		}
		return fmt.Sprintf("; rvffs recover %s mends the header if the content is what its hash says", r.snapshot.source.StoreName())
	})
}

// CheckFields says what is wrong with a header that ReadHeader takes, for readers get along
// with it: another id than that of the directory, or fields that contradict each other.
func CheckFields(segment segments.Segment, entry segments.DirectoryEntry) error {
	if segment.ID != entry.SegmentID {
		return fmt.Errorf("%w: its header has the id %d", volume.ErrCorrupt, segment.ID)
	}
	if contradiction := segment.Contradiction(); contradiction != "" {
		return fmt.Errorf("%w: its header contradicts itself: %s", volume.ErrCorrupt, contradiction)
	}
	return nil
}

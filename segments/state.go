package segments

import (
	"errors"
	"io"
)

// Dialect is one of the two ways in which stores are written.
type Dialect uint8

const (
	// DialectRuntime is what the reference runtime and rvffs write.
	DialectRuntime Dialect = iota
	// DialectWire pads segments, stores vectors by column and ends with a
	// 4096-byte root. It is only read.
	DialectWire
)

// String returns "runtime" or "wire".
func (d Dialect) String() string {
	if d == DialectWire {
		return "wire"
	}
	return "runtime"
}

// State is the newest committed state of a store file.
type State struct {
	Dialect  Dialect
	Manifest *Manifest
	// Segment is where the newest manifest stands.
	Segment Segment
	// Behind are the whole segments after the newest manifest that have to
	// survive although no manifest names them yet, such as a witness entry
	// of a compaction or a type that nobody here understands.
	Behind []Segment
	// End is where the committed bytes end: behind the newest manifest or
	// the last segment of Behind. What follows is left over.
	End int64
	// Clean says that nothing is left over.
	Clean bool
	// Walked says that the manifest of a wire file holds no directory any more,
	// and that Manifest.Directory is what a walk found instead.
	Walked bool
	// RootAlone says that the root of a wire file names no place of a manifest. There is
	// none then: Segment is the root as if it were the payload of one.
	RootAlone bool
}

// Named lists the segments that count besides the newest manifest: those that its
// directory names, but for older manifests, which nobody needs, and those behind it that
// have to be kept.
func (s *State) Named() []DirectoryEntry {
	entries := make([]DirectoryEntry, 0, len(s.Manifest.Directory)+len(s.Behind))
	for _, entry := range s.Manifest.Directory {
		if entry.Type != TypeManifest {
			entries = append(entries, entry)
		}
	}
	for _, behind := range s.Behind {
		entries = append(entries, DirectoryEntry{
			SegmentID: behind.ID, Offset: behind.Offset, PayloadLength: behind.PayloadLength, Type: behind.Type,
		})
	}
	return entries
}

// NextID is one more than the id of any segment that counts.
func (s *State) NextID() uint64 {
	highest := s.Segment.ID
	for _, entry := range s.Named() {
		highest = max(highest, entry.SegmentID)
	}
	return highest + 1
}

// Stands reports whether the newest manifest still is in a file where it was, that is,
// whether the file was only appended to since the state was found.
func (s *State) Stands(file io.ReaderAt) (bool, error) {
	var header [HeaderSize]byte
	n, err := file.ReadAt(header[:], s.Segment.Offset)
	if n < len(header) {
		if errors.Is(err, io.EOF) {
			err = nil // the file became shorter
		}
		return false, err
	}
	return header == s.Segment.Encode(), nil
}

// FindOptions says where FindState begins and how far it goes. The zero value
// looks at the whole file.
type FindOptions struct {
	// From is a known boundary between segments to start from, when the file
	// has grown since Known was found in it. It counts only with Known.
	From int64
	// Known is the state to fall back on if nothing newer is found.
	Known *State
	// ScanLimit is how many of the file's last bytes at most are searched
	// when the walk meets something that is no segment, or verified to judge
	// the last segment before it; 0 means all.
	// If that is not enough to be sure, FindState fails with ErrScanLimit.
	ScanLimit int64
	// Memory is asked before a manifest is read that takes so many bytes of memory,
	// from a megabyte on; its error ends the search. Nil allows all.
	Memory func(bytes int64) error
}

// FindState finds the newest valid manifest in the first size bytes of r.
//
// It walks from segment to segment and takes the last manifest whose payload
// agrees with its hash. Manifests inside another segment's payload are never
// looked at that way, whatever they claim. Where the walk meets bytes that
// are no whole segment, another writer may have gone on behind a torn one:
// the bytes from there on are searched for a manifest, which is believed only
// if it proves that it stands between segments; see finder.believe.
//
// A torn tail of any size is searched in constant memory; only a manifest's
// payload is read whole. The error wraps ErrNoManifest, ErrScanLimit or an
// I/O error of r.
func FindState(r io.ReaderAt, size int64, options FindOptions) (*State, error) {
	f := &finder{r: r, size: size, limit: options.ScanLimit, memory: options.Memory}
	if known := options.Known; known != nil && known.Dialect == DialectRuntime && known.Manifest != nil &&
		options.From >= 0 && options.From <= size && known.Segment.End() <= size {
		f.from, f.found = options.From, &committed{known.Manifest, known.Segment}
	}
	return f.find()
}

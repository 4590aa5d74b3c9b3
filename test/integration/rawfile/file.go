// Package rawfile reads and builds store files the plain way: the whole file in
// memory, one pass, no cleverness. It knows the format on its own and shares no
// code with the program under test, so that the two can disagree.
//
// It reads the runtime dialect only.
package rawfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// Segment types of the format, as far as the tests name them.
const (
	TypeVec       = 0x01
	TypeIndex     = 0x02
	TypeJournal   = 0x04
	TypeManifest  = 0x05
	TypeWitness   = 0x0A
	TypeProfile   = 0x0B
	TypeKernel    = 0x0E
	TypeEBPF      = 0x0F
	TypeWASM      = 0x10
	TypeDashboard = 0x11
)

// HeaderSize is the length of every segment header.
const HeaderSize = 64

// typeNames gives the types the names by which folders and the reference
// runtime call them.
var typeNames = map[uint8]string{
	TypeVec: "vec", TypeIndex: "index", TypeJournal: "journal", TypeManifest: "manifest",
	TypeWitness: "witness", TypeProfile: "profile", TypeKernel: "kernel", TypeEBPF: "ebpf", TypeWASM: "wasm", TypeDashboard: "dashboard",
}

// TypeName is the name of a segment type; types that the tests do not know are
// two hexadecimal digits.
func TypeName(segmentType uint8) string {
	if name, ok := typeNames[segmentType]; ok {
		return name
	}
	return fmt.Sprintf("0x%02x", segmentType)
}

// Segment is one whole segment of a file.
type Segment struct {
	// Offset of the header in the file.
	Offset int
	Type   uint8
	Flags  uint16
	ID     uint64
	// HashOK tells that the content hash is unset or the CRC form of the payload.
	HashOK  bool
	Payload []byte
}

// End is the offset of the first byte behind the payload.
func (s Segment) End() int { return s.Offset + HeaderSize + len(s.Payload) }

// Name is the name of the segment's file in a store's folder.
func (s Segment) Name() string { return fmt.Sprintf("%06d-%s.seg", s.ID, TypeName(s.Type)) }

// File is a store file that was read whole.
type File struct {
	Bytes []byte
	// Segments in file order, up to the first place that holds none.
	Segments []Segment
	// Manifests are the decoded manifests, in file order, each a moment of the
	// file's history.
	Manifests []Manifest
	// Torn counts the bytes behind the last whole segment.
	Torn int
}

// ErrNoManifest tells that a file holds no manifest that is whole.
var ErrNoManifest = errors.New("rawfile: no manifest")

// Read reads a store file.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// Parse reads the bytes of a store file. A file whose newest manifest is not
// whole has the state of the manifest before it.
func Parse(data []byte) (*File, error) {
	file := &File{Bytes: data}
	at := 0
	for at < len(data) {
		segment, ok := segmentAt(data, at)
		if !ok {
			break
		}
		at = segment.End()
		file.Segments = append(file.Segments, segment)
		if segment.Type != TypeManifest || !segment.HashOK {
			continue
		}
		if manifest, err := parseManifest(segment); err == nil {
			file.Manifests = append(file.Manifests, manifest)
		}
	}
	file.Torn = len(data) - at
	if len(file.Manifests) == 0 {
		return nil, ErrNoManifest
	}
	return file, nil
}

// segmentAt reads the segment whose header stands at the offset.
func segmentAt(data []byte, at int) (Segment, bool) {
	if len(data)-at < HeaderSize {
		return Segment{}, false
	}
	header := data[at : at+HeaderSize]
	length := binary.LittleEndian.Uint64(header[16:])
	if string(header[:4]) != "SFVR" || header[4] != 1 || length > uint64(len(data)-at-HeaderSize) {
		return Segment{}, false
	}
	payload := data[at+HeaderSize : at+HeaderSize+int(length)]
	hash := [16]byte(header[0x28:0x38])
	return Segment{
		Offset:  at,
		Type:    header[5],
		Flags:   binary.LittleEndian.Uint16(header[6:]),
		ID:      binary.LittleEndian.Uint64(header[8:]),
		HashOK:  hash == [16]byte{} || hash == contentHash(payload),
		Payload: payload,
	}, true
}

// contentHash is the runtime dialect's hash: a CRC-32 and its rotations.
func contentHash(payload []byte) (hash [16]byte) {
	crc := crc32.ChecksumIEEE(payload)
	for i := range 4 {
		binary.LittleEndian.PutUint32(hash[4*i:], crc<<(8*i)|crc>>(32-8*i))
	}
	return hash
}

// Newest is the manifest that counts.
func (f *File) Newest() Manifest { return f.Manifests[len(f.Manifests)-1] }

// At returns the segment whose header stands at the offset.
func (f *File) At(offset int) (Segment, bool) {
	for _, segment := range f.Segments {
		if segment.Offset == offset {
			return segment, true
		}
	}
	return Segment{}, false
}

// Live returns all that a reader needs, in file order: the segments that the
// newest manifest names, without older manifests, that manifest itself, and what
// stands behind it and must not be lost.
func (f *File) Live() []Segment {
	newest := f.Newest().Offset
	named := map[int]bool{newest: true}
	for _, entry := range f.Newest().Directory {
		if entry.Type != TypeManifest {
			named[int(entry.Offset)] = true
		}
	}
	var live []Segment
	for _, segment := range f.Segments {
		if named[segment.Offset] || segment.Offset > newest && !leftover(segment.Type) {
			live = append(live, segment)
		}
	}
	return live
}

// leftover reports whether a segment of this type, when it stands behind the newest
// manifest, is what an unfinished commit left. Others, such as the audit entry
// of the reference runtime's compaction, belong to the state.
func leftover(segmentType uint8) bool {
	switch segmentType {
	case TypeVec, TypeIndex, TypeJournal, TypeManifest, TypeKernel, TypeEBPF, TypeWASM, TypeDashboard:
		return true
	}
	return false
}

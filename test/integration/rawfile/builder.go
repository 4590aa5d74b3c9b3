package rawfile

import (
	"encoding/binary"
	"maps"
	"math"
	"os"
	"slices"
	"testing"
)

// Builder writes a store file by hand, segment after segment, also such files
// as no program would write.
type Builder struct {
	// Bytes is the file so far; anything may be appended to it between segments.
	Bytes     []byte
	Dimension int
	Metric    uint8
	Identity  *Identity
	Epoch     uint32
	// Entries is the directory of the next manifest, Deleted its deleted ids.
	Entries []Entry
	Deleted []uint64

	nextID uint64
	ids    map[uint64]bool
}

// NewBuilder starts a file with the manifest of an empty store. The name seeds
// the file id, so that the same name makes the same file.
func NewBuilder(name string, dimension int) *Builder {
	builder := &Builder{Dimension: dimension, Identity: &Identity{FileID: FileID(name)}, nextID: 1, ids: map[uint64]bool{}}
	builder.Manifest()
	return builder
}

// FileID makes a file id out of a name.
func FileID(name string) [16]byte {
	digest := Fold([]byte(name + "/a name has this id and no other"))
	return [16]byte(digest[:16])
}

// Child starts a derived store: an empty one that names the builder's file, as
// it is now, as its parent.
func (b *Builder) Child(name string) *Builder {
	tail := b.Bytes[max(0, len(b.Bytes)-65536):]
	child := &Builder{
		Dimension: b.Dimension, Metric: b.Metric, nextID: 1, ids: map[uint64]bool{},
		Identity: &Identity{FileID: FileID(name), ParentID: b.Identity.FileID, ParentHash: Fold(tail), Depth: b.Identity.Depth + 1},
	}
	child.Manifest()
	return child
}

// EncodeSegment is a segment with a right header.
func EncodeSegment(segmentType uint8, id uint64, payload []byte) []byte {
	header := make([]byte, HeaderSize, HeaderSize+len(payload))
	copy(header, "SFVR")
	header[4], header[5] = 1, segmentType
	binary.LittleEndian.PutUint64(header[8:], id)
	binary.LittleEndian.PutUint64(header[16:], uint64(len(payload)))
	hash := contentHash(payload)
	copy(header[0x28:], hash[:])
	return append(header, payload...)
}

// Orphan appends a segment that no manifest will name.
func (b *Builder) Orphan(segmentType uint8, payload []byte) Entry {
	entry := Entry{ID: b.nextID, Offset: uint64(len(b.Bytes)), Length: uint64(len(payload)), Type: segmentType}
	b.nextID++
	b.Bytes = append(b.Bytes, EncodeSegment(segmentType, entry.ID, payload)...)
	return entry
}

// Segment appends a segment that the next manifest will name.
func (b *Builder) Segment(segmentType uint8, payload []byte) *Builder {
	b.Entries = append(b.Entries, b.Orphan(segmentType, payload))
	return b
}

// Vec appends a vector segment, rows ordered by id.
func (b *Builder) Vec(vectors map[uint64][]float32) *Builder {
	for id := range vectors {
		b.ids[id] = true
	}
	return b.Segment(TypeVec, EncodeVec(b.Dimension, vectors))
}

// EncodeVec is the payload of a vector segment, rows ordered by id.
func EncodeVec(dimension int, vectors map[uint64][]float32) []byte {
	payload := binary.LittleEndian.AppendUint16(nil, uint16(dimension))
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(vectors)))
	for _, id := range slices.Sorted(maps.Keys(vectors)) {
		payload = binary.LittleEndian.AppendUint64(payload, id)
		for _, value := range vectors[id] {
			payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(value))
		}
	}
	return payload
}

// Kernel appends a kernel segment in the plain layout (image, then command
// line) or the bound one (binding, command line, image).
func (b *Builder) Kernel(image []byte, cmdline string, bound bool) *Builder {
	header := make([]byte, 128)
	little := binary.LittleEndian
	copy(header, "NKVR")
	little.PutUint16(header[4:], 1)
	header[7] = 1
	little.PutUint64(header[0x18:], uint64(len(image)))
	little.PutUint64(header[0x20:], uint64(len(image)))
	binary.BigEndian.PutUint16(header[0x2A:], 8080)
	header[0x2C] = 1
	hash := Fold(image)
	copy(header[0x30:], hash[:])
	little.PutUint64(header[0x70:], 128)
	little.PutUint32(header[0x78:], uint32(len(cmdline)))
	if !bound {
		return b.Segment(TypeKernel, slices.Concat(header, image, []byte(cmdline)))
	}
	little.PutUint64(header[0x70:], 256)
	binding := make([]byte, 128)
	root, policy := Fold([]byte("root")), Fold([]byte("policy"))
	copy(binding, root[:])
	copy(binding[32:], policy[:])
	little.PutUint16(binding[64:], 1)
	return b.Segment(TypeKernel, slices.Concat(header, binding, []byte(cmdline), image))
}

// EBPF appends an eBPF segment.
func (b *Builder) EBPF(program, btf []byte) *Builder {
	header := make([]byte, 64)
	little := binary.LittleEndian
	little.PutUint32(header, 0x52564250)
	little.PutUint16(header[4:], 1)
	little.PutUint16(header[14:], uint16(b.Dimension))
	little.PutUint64(header[16:], uint64(len(program)))
	little.PutUint32(header[28:], uint32(len(btf)))
	hash := Fold(program)
	copy(header[32:], hash[:])
	return b.Segment(TypeEBPF, slices.Concat(header, program, btf))
}

// Manifest commits what was appended so far.
func (b *Builder) Manifest() *Builder {
	b.Orphan(TypeManifest, b.EncodeManifest())
	b.Epoch++
	return b
}

// EncodeManifest is the payload of the manifest that would be written now.
func (b *Builder) EncodeManifest() []byte {
	little := binary.LittleEndian
	out := little.AppendUint32(nil, b.Epoch)
	out = little.AppendUint16(out, uint16(b.Dimension))
	out = little.AppendUint64(out, uint64(len(b.ids)))
	out = little.AppendUint32(out, uint32(len(b.Entries)))
	out = append(out, 0, b.Metric, 0, 0)
	for _, entry := range b.Entries {
		out = little.AppendUint64(out, entry.ID)
		out = little.AppendUint64(out, entry.Offset)
		out = little.AppendUint64(out, entry.Length)
		out = append(out, entry.Type)
	}
	out = little.AppendUint32(out, uint32(len(b.Deleted)))
	for _, id := range b.Deleted {
		out = little.AppendUint64(out, id)
	}
	if b.Identity != nil {
		out = append(out, "IDIF"...)
		out = append(out, b.Identity.Bytes()...)
	}
	return out
}

// Write puts the file where the path says.
func (b *Builder) Write(t testing.TB, path string) string {
	t.Helper()
	if err := os.WriteFile(path, b.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

package rawfile

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
)

// Entry is one line of a manifest's directory.
type Entry struct {
	ID, Offset, Length uint64
	Type               uint8
}

// Identity is a store's place in its lineage.
type Identity struct {
	FileID, ParentID [16]byte
	ParentHash       [32]byte
	Depth            uint32
}

// FileIDHex and ParentIDHex are the ids as programs print them.
func (i Identity) FileIDHex() string   { return hex.EncodeToString(i.FileID[:]) }
func (i Identity) ParentIDHex() string { return hex.EncodeToString(i.ParentID[:]) }

// Bytes is the identity as it stands in a manifest.
func (i Identity) Bytes() []byte {
	out := append([]byte{}, i.FileID[:]...)
	out = append(out, i.ParentID[:]...)
	out = append(out, i.ParentHash[:]...)
	return binary.LittleEndian.AppendUint32(out, i.Depth)
}

// Manifest is a decoded manifest.
type Manifest struct {
	// Offset of the segment's header, SegmentID its id, Payload its bytes.
	Offset    int
	SegmentID uint64
	Payload   []byte

	Epoch        uint32
	Dimension    uint16
	TotalVectors uint64
	Profile      uint8
	Metric       uint8
	Directory    []Entry
	Deleted      []uint64
	Identity     *Identity
}

// metricNames are the metrics as the command line and the views name them.
var metricNames = []string{"l2", "ip", "cosine"}

// MetricName is the manifest's metric, "l2", "ip" or "cosine".
func (m Manifest) MetricName() string { return metricNames[m.Metric] }

var errManifest = errors.New("rawfile: malformed manifest")

// parseManifest decodes a manifest segment.
func parseManifest(segment Segment) (Manifest, error) {
	rest := segment.Payload
	manifest := Manifest{Offset: segment.Offset, SegmentID: segment.ID, Payload: rest}
	if len(rest) < 22 {
		return manifest, errManifest
	}
	little := binary.LittleEndian
	manifest.Epoch = little.Uint32(rest)
	manifest.Dimension = little.Uint16(rest[4:])
	manifest.TotalVectors = little.Uint64(rest[6:])
	entries := int(little.Uint32(rest[14:]))
	manifest.Profile, manifest.Metric = rest[18], rest[19]
	rest = rest[22:]
	if int(manifest.Metric) >= len(metricNames) || len(rest)/25 < entries {
		return manifest, errManifest
	}
	for range entries {
		manifest.Directory = append(manifest.Directory, Entry{
			ID: little.Uint64(rest), Offset: little.Uint64(rest[8:]), Length: little.Uint64(rest[16:]), Type: rest[24],
		})
		rest = rest[25:]
	}
	if len(rest) < 4 {
		return manifest, errManifest
	}
	deleted := int(little.Uint32(rest))
	rest = rest[4:]
	if len(rest)/8 < deleted {
		return manifest, errManifest
	}
	for range deleted {
		manifest.Deleted = append(manifest.Deleted, little.Uint64(rest))
		rest = rest[8:]
	}
	if len(rest) >= 72 && string(rest[:4]) == "IDIF" {
		manifest.Identity = &Identity{
			FileID: [16]byte(rest[4:20]), ParentID: [16]byte(rest[20:36]),
			ParentHash: [32]byte(rest[36:68]), Depth: little.Uint32(rest[68:]),
		}
	}
	return manifest, nil
}

// Vectors returns the live vectors by id: the last row of an id counts, deleted
// ids do not.
func (f *File) Vectors() map[uint64][]float32 { return f.VectorsAt(f.Newest()) }

// VectorsAt returns the vectors that were live when the manifest was the newest.
func (f *File) VectorsAt(manifest Manifest) map[uint64][]float32 {
	vectors := map[uint64][]float32{}
	for _, entry := range manifest.Directory {
		segment, ok := f.At(int(entry.Offset))
		if !ok || entry.Type != TypeVec {
			continue
		}
		rows(segment.Payload, int(manifest.Dimension), vectors)
	}
	for _, id := range manifest.Deleted {
		delete(vectors, id)
	}
	return vectors
}

// StoredIDs counts the distinct ids with a row, deleted or not.
func (f *File) StoredIDs() int {
	manifest := f.Newest()
	manifest.Deleted = nil
	return len(f.VectorsAt(manifest))
}

// rows adds the rows of a VEC payload. A payload of another dimension, or with
// fewer bytes than its count promises, has none.
func rows(payload []byte, dimension int, into map[uint64][]float32) {
	little := binary.LittleEndian
	if len(payload) < 6 || int(little.Uint16(payload)) != dimension {
		return
	}
	count, size := int(little.Uint32(payload[2:])), 8+4*dimension
	payload = payload[6:]
	if len(payload)/size < count {
		return
	}
	for i := range count {
		row := payload[i*size : (i+1)*size]
		vector := make([]float32, dimension)
		for j := range vector {
			vector[j] = math.Float32frombits(little.Uint32(row[8+4*j:]))
		}
		into[little.Uint64(row)] = vector
	}
}

// Fold is the digest by which the reference runtime names a parent's state and
// chains its audit entries.
func Fold(data []byte) (out [32]byte) {
	for i, b := range data {
		out[i%32] += b
		x := out[i%32]
		out[(i+13)%32] += x<<3 | x>>5
	}
	return out
}

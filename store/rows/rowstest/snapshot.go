package rowstest

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// Snapshot is a state of a file that holds vector segments with these payloads and
// nothing else.
func Snapshot(t testing.TB, dialect segments.Dialect, manifest segments.Manifest, payloads ...[]byte) (*state.Snapshot, filelog.File) {
	t.Helper()
	return SnapshotAt(t, filelog.Place{Files: volumes.New(), Name: "a.rvf"}, state.BackingOptions{}, dialect, manifest, payloads...)
}

// SnapshotAt is Snapshot of a new file at a place.
func SnapshotAt(t testing.TB, at filelog.Place, options state.BackingOptions, dialect segments.Dialect, manifest segments.Manifest, payloads ...[]byte) (*state.Snapshot, filelog.File) {
	t.Helper()
	file, err := at.Files.Create(at.Name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for i, payload := range payloads {
		encoded := encodedSegment(segments.TypeVec, uint64(i+1), payload)
		if _, err := file.WriteAt(encoded, end); err != nil {
			t.Fatal(err)
		}
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
			SegmentID: uint64(i + 1), Offset: end, PayloadLength: uint64(len(payload)), Type: segments.TypeVec,
		})
		end += int64(len(encoded))
	}
	info, err := file.Describe()
	if err != nil {
		t.Fatal(err)
	}
	found := &segments.State{Dialect: dialect, Manifest: &manifest, End: end, Clean: true}
	return state.NewSnapshot(state.NewBacking(filelog.NewGeneration(at, file, info), func() string { return at.Name }, options), found, time.Now()), file
}

// Vectors is the payload of a vector segment of the runtime dialect: an id and the
// components for each row.
func Vectors(dimension int, ids []uint64, vectors []float32) []byte {
	prefix := segments.EncodeVecPrefix(uint16(dimension), uint32(len(ids)))
	payload := prefix[:]
	for i, id := range ids {
		payload = binary.LittleEndian.AppendUint64(payload, id)
		for _, component := range vectors[i*dimension : (i+1)*dimension] {
			payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(component))
		}
	}
	return payload
}

// encodedSegment is a segment as other programs write it.
func encodedSegment(kind segments.Type, id uint64, payload []byte) []byte {
	header := segments.Header{
		Version: segments.HeaderVersion, Type: kind, ID: id, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
	}
	encoded := header.Encode()
	return append(encoded[:], payload...)
}

// WireVectors is the payload of a vector segment of the wire dialect with one block
// whose ids are written as differences.
func WireVectors(dimension int, ids []uint64, component func(row, column int) float32) []byte {
	const start = 64
	payload := binary.LittleEndian.AppendUint32(nil, 1)
	payload = binary.LittleEndian.AppendUint32(payload, start)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(ids)))
	payload = binary.LittleEndian.AppendUint16(payload, uint16(dimension))
	payload = append(payload, make([]byte, start-len(payload))...)
	for column := range dimension {
		for row := range ids {
			payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(component(row, column)))
		}
	}
	payload = append(payload, 1, 0, 0)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(ids)))
	previous := uint64(0)
	for _, id := range ids {
		payload = binary.AppendUvarint(payload, id-previous)
		previous = id
	}
	return append(payload, 0, 0, 0, 0)
}

package rowstest

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// Snapshot is a state of a file that holds vector segments with these payloads and
// nothing else.
func Snapshot(t testing.TB, dialect segments.Dialect, manifest segments.Manifest, payloads ...[]byte) (*state.Snapshot, volume.File) {
	t.Helper()
	files := volumes.New()
	file, err := files.Create("a.rvf", 0o644)
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
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	found := &segments.State{Dialect: dialect, Manifest: &manifest, End: end, Clean: true}
	return state.NewSnapshot(state.AdoptBacking(state.Location{Files: files, Name: "a.rvf"}, file, info, state.BackingOptions{}), found, time.Now()), file
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

package store

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// peerWriter is a program that writes as the reference runtime does: it looks once
// where the store stands, and then appends to the end of the file, whatever is
// there by then.
type peerWriter struct {
	t        *testing.T
	file     filelog.File
	manifest segments.Manifest
	id       uint64 // of the newest segment
}

func openPeer(t *testing.T, files *volumes.Files, name string) *peerWriter {
	t.Helper()
	file, err := files.Open(name, true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Describe()
	if err != nil {
		t.Fatal(err)
	}
	state, err := segments.FindState(file, info.Size, segments.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &peerWriter{t, file, *state.Manifest, state.Segment.ID}
}

// append puts a segment at the end of the file.
func (p *peerWriter) append(kind segments.Type, payload []byte) segments.DirectoryEntry {
	p.t.Helper()
	info, err := p.file.Describe()
	if err == nil {
		p.id++
		_, err = p.file.WriteAt(encodedSegment(kind, p.id, payload), info.Size)
	}
	if err = errors.Join(err, p.file.SyncData()); err != nil {
		p.t.Fatal(err)
	}
	return segments.DirectoryEntry{SegmentID: p.id, Offset: info.Size, PayloadLength: uint64(len(payload)), Type: kind}
}

// ingest commits one vector of dimension 2.
func (p *peerWriter) ingest(id uint64, x, y float32) {
	p.t.Helper()
	entry := p.append(segments.TypeVec, vecPayload([]uint64{id}, []float32{x, y}))
	p.manifest.Directory = append(slices.Clone(p.manifest.Directory), entry)
	p.manifest.Epoch++
	p.manifest.TotalVectors++
	p.append(segments.TypeManifest, p.manifest.Encode())
}

// vecPayload is the payload of a segment of vectors of dimension 2.
func vecPayload(ids []uint64, vectors []float32) []byte {
	prefix := segments.EncodeVecPrefix(2, uint32(len(ids)))
	payload := prefix[:]
	for i, id := range ids {
		payload = binary.LittleEndian.AppendUint64(payload, id)
		payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(vectors[2*i]))
		payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(vectors[2*i+1]))
	}
	return payload
}

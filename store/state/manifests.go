package state

import (
	"encoding/binary"
	"io"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// pastManifests are manifests that a file holds, in its order.
type pastManifests struct {
	charge *memory.Charge
	list   []pastManifest
}

// pastManifest is one of them, damaged or not.
type pastManifest struct {
	segments.Segment
	epoch uint32
}

// add takes one that a walk comes by.
func (p *pastManifests) add(manifest pastManifest) error {
	if n := len(p.list); n == cap(p.list) {
		const size = 128
		if err := p.charge.Set(int64(size * (n + 2*n + 1))); err != nil {
			return err
		}
		p.list = slices.Grow(p.list, n+1)
	}
	p.list = append(p.list, manifest)
	return nil
}

// ofHash is the last manifest of a hash; of this epoch, if it is recorded. It is nil without one.
func (p *pastManifests) ofHash(in *Reading, hash lineage.Hash, recorded bool, epoch uint32) (*pastManifest, error) {
	for i := range slices.Backward(p.list) {
		if recorded && p.list[i].epoch != epoch {
			continue
		}
		if found, err := ShakeAt(in, p.list[i].Segment); err != nil || found == hash {
			return &p.list[i], err
		}
	}
	return nil, nil
}

// EpochAt is the epoch of a manifest; 0 of one that is too short to have any.
func EpochAt(file io.ReaderAt, manifest segments.Segment) (uint32, error) {
	var epoch [4]byte
	if manifest.PayloadLength < uint64(len(epoch)) {
		return 0, nil
	}
	err := volume.ReadFull(file, epoch[:], manifest.PayloadOffset())
	return binary.LittleEndian.Uint32(epoch[:]), err
}

// ShakeAt is the SHAKE-256 of a segment's payload.
func ShakeAt(file io.ReaderAt, segment segments.Segment) (lineage.Hash, error) {
	hasher := lineage.NewShake256()
	err := volume.CopyRange(hasher, file, segment.PayloadOffset(), int64(segment.PayloadLength))
	return lineage.Hash(hasher.Sum(nil)), err
}

package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// maxFoldedStates bounds how many states are compared with a fold, newest first;
// each costs 64 KiB of reading.
const maxFoldedStates = 4096

// FindParentState finds the state of this store whose hash is want: among the
// manifests that the file still holds, by either of the two methods in use.
// ErrNotFound and lineage.ErrNoState mean that there is none, as after a compaction.
func (s *Snapshot) FindParentState(ctx context.Context, want lineage.Hash) (lineage.PastState, error) {
	var found lineage.PastState
	err := s.With(ctx, Judging, func(reading *Reading) (err error) {
		charge := s.source.memory.Charge()
		defer charge.Free()
		states := pastStates{charge: &charge}
		if err := reading.Walk(states.add); err != nil {
			return err
		}
		for _, manifest := range slices.Backward(states.manifests) {
			hash := lineage.NewShake256()
			if err := volume.CopyRange(hash, reading, manifest.offset+segments.HeaderSize, manifest.payload); err != nil {
				return err
			}
			if lineage.Hash(hash.Sum(nil)) == want {
				found, err = stateAt(reading, manifest.offset, lineage.HashShakeManifest)
				return err
			}
		}
		found, err = states.findFold(reading, want)
		return err
	})
	return found, err
}

// pastStates is where the states of a file end.
type pastStates struct {
	manifests []pastManifest
	ends      []int64 // of the last segments, up to twice as many as are looked at
	charge    *memory.Charge
}

// pastManifest is where a manifest stands, and the length of its payload.
type pastManifest struct{ offset, payload int64 }

// add notes a segment.
func (p *pastStates) add(segment segments.Segment) error {
	if len(p.ends) == 2*maxFoldedStates {
		p.ends = p.ends[:copy(p.ends, p.ends[maxFoldedStates:])]
	}
	p.ends = append(p.ends, segment.End())
	if segment.Type != segments.TypeManifest {
		return nil
	}
	if n := len(p.manifests); n == cap(p.manifests) {
		const manifest = 16
		if err := p.charge.Set(int64(manifest * (n + 2*n + 1))); err != nil {
			return err
		}
		p.manifests = slices.Grow(p.manifests, n+1)
	}
	p.manifests = append(p.manifests, pastManifest{segment.Offset, int64(segment.PayloadLength)})
	return nil
}

// findFold compares want with the fold over every end that the file once had.
func (p *pastStates) findFold(file io.ReaderAt, want lineage.Hash) (lineage.PastState, error) {
	tail := make([]byte, lineage.TailSize)
	last := p.ends[max(0, len(p.ends)-maxFoldedStates):]
	for _, end := range slices.Backward(last) {
		part := tail[:min(end, lineage.TailSize)]
		if err := volume.ReadFull(file, part, end-int64(len(part))); err != nil {
			return lineage.PastState{}, err
		}
		if lineage.Fold(part) != want {
			continue
		}
		for _, manifest := range slices.Backward(p.manifests) {
			if manifest.offset < end {
				return stateAt(file, manifest.offset, lineage.HashFoldTail)
			}
		}
	}
	return lineage.PastState{}, fmt.Errorf("%w: %w", volume.ErrNotFound, lineage.ErrNoState)
}

// stateAt is the state of the manifest at offset, whose hash was made by method.
func stateAt(file io.ReaderAt, offset int64, method lineage.HashMethod) (lineage.PastState, error) {
	var epoch [4]byte
	err := volume.ReadFull(file, epoch[:], offset+segments.HeaderSize)
	return lineage.PastState{Method: method, Epoch: binary.LittleEndian.Uint32(epoch[:]), Offset: offset}, err
}

// Derivation is the newest record that the store keeps of its own derivation;
// false when there is none.
func (s *Snapshot) Derivation(ctx context.Context) (lineage.Record, bool, error) {
	identity, _ := s.Identity()
	var newest lineage.Record
	known := false
	err := s.With(ctx, Judging, func(reading *Reading) error {
		return reading.Walk(func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness || segment.PayloadLength > maxSmallPayload {
				return nil
			}
			payload := make([]byte, segment.PayloadLength)
			if err := volume.ReadFull(reading, payload, segment.PayloadOffset()); err != nil {
				return err
			}
			witness, err := segments.ParseWitness(payload)
			if err != nil || witness.Kind != segments.WitnessLineage {
				return nil
			}
			if record, err := lineage.ParseRecord(witness.Action); err == nil && record.FileID == identity.FileID {
				if verdict, _ := segments.VerifyPayload(segment.Header, bytes.NewReader(payload)); verdict == segments.HashMismatch {
					return fmt.Errorf("%w: the record of the derivation at offset %d is damaged", volume.ErrCorrupt, segment.Offset)
				}
				newest, known = record, true
			}
			return nil
		})
	})
	return newest, known, err
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
)

// ParentState is one past or present state of a store that a child was derived
// from.
type ParentState struct {
	Method lineage.HashMethod
	Epoch  uint32
	Offset int64 // of the state's manifest
}

// maxFoldedStates bounds how many states are compared with a fold, newest first;
// each costs 64 KiB of reading.
const maxFoldedStates = 4096

// FindParentState finds the state of this store whose hash is want: among the
// manifests that the file still holds, by either of the two methods in use.
// ErrNotFound means that there is none, as after a compaction.
func (s *Snapshot) FindParentState(ctx context.Context, want lineage.Hash) (ParentState, error) {
	var found ParentState
	err := s.source.with(ctx, func(file File) error {
		var manifests, all []segments.Segment
		if err := s.walk(file, func(segment segments.Segment) error {
			all = append(all, segment)
			if segment.Type == segments.TypeManifest {
				manifests = append(manifests, segment)
			}
			return nil
		}); err != nil {
			return err
		}
		for i := len(manifests) - 1; i >= 0; i-- {
			hash := lineage.NewShake256()
			if err := copyRange(hash, file, manifests[i].PayloadOffset(), int64(manifests[i].PayloadLength)); err != nil {
				return err
			}
			if lineage.Hash(hash.Sum(nil)) == want {
				found = ParentState{Method: lineage.HashShakeManifest, Offset: manifests[i].Offset}
				return found.readEpoch(file)
			}
		}
		return found.findFold(file, all, want)
	})
	return found, err
}

// findFold compares want with the fold over every end that the file once had.
func (p *ParentState) findFold(file File, all []segments.Segment, want lineage.Hash) error {
	tail := make([]byte, lineage.TailSize)
	for i := len(all) - 1; i >= max(0, len(all)-maxFoldedStates); i-- {
		end := all[i].End()
		part := tail[:min(end, lineage.TailSize)]
		if err := readFull(file, part, end-int64(len(part))); err != nil {
			return err
		}
		if lineage.Fold(part) != want {
			continue
		}
		for ; i >= 0; i-- {
			if all[i].Type == segments.TypeManifest {
				p.Method, p.Offset = lineage.HashFoldTail, all[i].Offset
				return p.readEpoch(file)
			}
		}
	}
	return fmt.Errorf("%w: no state in the parent's file has the recorded hash", ErrNotFound)
}

func (p *ParentState) readEpoch(file File) error {
	var epoch [4]byte
	if err := readFull(file, epoch[:], p.Offset+segments.HeaderSize); err != nil {
		return err
	}
	p.Epoch = binary.LittleEndian.Uint32(epoch[:])
	return nil
}

// Derivation is the newest record that the store keeps of its own derivation;
// false when there is none.
func (s *Snapshot) Derivation(ctx context.Context) (lineage.Record, bool, error) {
	identity, _ := s.Identity()
	var newest lineage.Record
	known := false
	err := s.source.with(ctx, func(file File) error {
		return s.walk(file, func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness || segment.PayloadLength > maxSmallPayload {
				return nil
			}
			payload := make([]byte, segment.PayloadLength)
			if err := readFull(file, payload, segment.PayloadOffset()); err != nil {
				return err
			}
			witness, err := segments.ParseWitness(payload)
			if err != nil || witness.Kind != segments.WitnessLineage {
				return nil
			}
			if record, err := lineage.ParseRecord(witness.Action); err == nil && record.FileID == identity.FileID {
				if verdict, _ := segments.VerifyPayload(segment.Header, bytes.NewReader(payload)); verdict == segments.HashMismatch {
					return fmt.Errorf("%w: the record of the derivation at offset %d is damaged", ErrCorrupt, segment.Offset)
				}
				newest, known = record, true
			}
			return nil
		})
	})
	return newest, known, err
}

package store

import (
	"errors"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// action is what a commit adds to the store's audit chain.
type action struct {
	kind   uint8
	text   string // without the epoch, which the commit decides; or
	record []byte // complete as it is
}

func ingestAction(count uint64) action {
	return action{kind: segments.WitnessComputation, text: fmt.Sprintf("ingest:count=%d", count)}
}

func deleteAction(count int) action {
	return action{kind: segments.WitnessProvenance, text: fmt.Sprintf("delete:count=%d", count)}
}

func compactAction(compacted int, reclaimed int64) action {
	return action{kind: segments.WitnessComputation, text: fmt.Sprintf("compact:segments_compacted=%d,bytes_reclaimed=%d", compacted, reclaimed)}
}

// recoverAction tells what became of a tail: what is "vectors" or "dropped".
func recoverAction(what string, vectors, deleted, others uint64) action {
	return action{kind: segments.WitnessProvenance, text: fmt.Sprintf("recover:%s=%d,deleted=%d,others=%d", what, vectors, deleted, others)}
}

func lineageAction(record []byte) action {
	return action{kind: segments.WitnessLineage, record: record}
}

// segment is the witness entry that follows the one whose hash is in previous,
// which then becomes the new entry's.
func (a action) segment(epoch uint32, stamp uint64, previous *lineage.Hash) newSegment {
	witness := segments.Witness{Kind: a.kind, Timestamp: stamp, Previous: *previous, Action: a.record}
	if a.record == nil {
		witness.Action = fmt.Appendf(nil, "%s,epoch=%d", a.text, epoch)
	}
	payload := witness.Encode()
	*previous = lineage.WitnessHash(payload)
	return newSegment{kind: segments.TypeWitness, payload: payload}
}

// lastWitness is the hash of the newest entry of the audit chain, named or not,
// for there must be one chain only; zero when there is no entry. Entries stand
// behind those that they follow, so that the newest named one is where to begin.
func (s *Snapshot) lastWitness(file volume.File) (lineage.Hash, error) {
	if known := s.cache.lastWitness.Load(); known != nil {
		return *known, nil
	}
	var from int64
	for _, entry := range s.named() {
		if entry.Type == segments.TypeWitness {
			from = max(from, entry.Offset)
		}
	}
	var newest *segments.DirectoryEntry
	err := s.walkFrom(file, from, func(segment segments.Segment) error {
		if segment.Type == segments.TypeWitness {
			newest = new(entryOf(segment))
		}
		return nil
	})
	if err != nil {
		return lineage.Hash{}, err
	}
	var hash lineage.Hash
	if newest != nil {
		payload, err := readPayload(file, s, *newest)
		switch {
		case err == nil:
			hash = lineage.WitnessHash(payload)
		case !errors.Is(err, volume.ErrCorrupt): // nothing can be joined to what is no entry: a new chain begins
			return lineage.Hash{}, fmt.Errorf("read the newest witness entry: %w", err)
		}
	}
	s.cache.lastWitness.Store(&hash)
	return hash, nil
}

// readPayload reads a small payload whole.
func readPayload(file volume.File, s *Snapshot, entry segments.DirectoryEntry) ([]byte, error) {
	return readSegment(file, s, entry, maxSmallPayload)
}

// readSegment reads a payload of at most so many bytes whole.
func readSegment(file volume.File, s *Snapshot, entry segments.DirectoryEntry, limit uint64) ([]byte, error) {
	segment, err := s.readHeader(file, entry)
	if err != nil {
		return nil, err
	}
	if segment.End() > s.Size() || segment.PayloadLength > limit {
		return nil, fmt.Errorf("%w: %s of %d bytes at offset %d", volume.ErrCorrupt, entry.Type, entry.PayloadLength, entry.Offset)
	}
	payload := make([]byte, segment.PayloadLength)
	return payload, volume.ReadFull(file, payload, segment.PayloadOffset())
}

// maxSmallPayload bounds, in bytes, what is read at once of segments that are
// small by their nature.
const maxSmallPayload = 1 << 20

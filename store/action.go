package store

import (
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
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

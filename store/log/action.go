package log

import (
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// Action is what a commit adds to the store's audit chain.
type Action struct {
	kind   uint8
	text   string // without the epoch, which the commit decides; or
	record []byte // complete as it is
}

// Ingest is an action that brought so many vectors.
func Ingest(count uint64) Action {
	return Action{kind: segments.WitnessComputation, text: fmt.Sprintf("ingest:count=%d", count)}
}

// Delete is one that deleted so many.
func Delete(count int) Action {
	return Action{kind: segments.WitnessProvenance, text: fmt.Sprintf("delete:count=%d", count)}
}

// RemoveImages is one that took images of a kind away.
func RemoveImages(kind string) Action {
	return Action{kind: segments.WitnessProvenance, text: "remove:part=" + kind}
}

// Freeze is one after which nothing changes the store any more.
func Freeze() Action { return Action{kind: segments.WitnessProvenance, text: "freeze"} }

// Compact is a compaction of so many segments, by which the file became shorter.
func Compact(compacted int, reclaimed int64) Action {
	return Action{kind: segments.WitnessComputation, text: fmt.Sprintf("compact:segments_compacted=%d,bytes_reclaimed=%d", compacted, reclaimed)}
}

// Recover tells what became of a tail: what is "vectors" or "dropped".
func Recover(what string, vectors, deleted, others uint64) Action {
	return Action{kind: segments.WitnessProvenance, text: fmt.Sprintf("recover:%s=%d,deleted=%d,others=%d", what, vectors, deleted, others)}
}

// Drop is a record of states that a rewrite has dropped.
func Drop(record []byte) Action {
	return Action{kind: segments.WitnessDropped, record: record}
}

// Lineage is a record of a derivation.
func Lineage(record []byte) Action {
	return Action{kind: segments.WitnessLineage, record: record}
}

// Segment is the witness entry that follows the one whose hash is in previous,
// which then becomes the new entry's.
func (a Action) Segment(epoch uint32, stamp uint64, previous *lineage.Hash) volume.NewSegment {
	witness := segments.Witness{Kind: a.kind, Timestamp: stamp, Previous: *previous, Action: a.record}
	if a.record == nil {
		witness.Action = fmt.Appendf(nil, "%s,epoch=%d", a.text, epoch)
	}
	payload := witness.Encode()
	*previous = lineage.WitnessHash(payload)
	return volume.NewSegment{Type: segments.TypeWitness, Payload: payload}
}

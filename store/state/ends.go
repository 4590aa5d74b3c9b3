package state

import (
	"rvffs/lineage"
	"rvffs/segments"
)

// Ends are where a file once ended, the newest lineage.MaxDroppedEnds of them, as a walk
// comes by: behind each manifest, and behind what programs append to one without another,
// which is audit entries and an index. Children of the reference runtime name their
// parent's state by the last bytes before such an end.
type Ends struct {
	kept      []End // up to twice as many
	forgotten bool
	epoch     uint32 // of the manifest before
	closed    bool   // whether a file may end here
	retired   retiredPlaces
}

// End is one of them.
type End struct {
	Epoch  uint32 // of the state that it is the end of
	Offset int64
	// Manifest is where that state's stands.
	Manifest int64
}

// Manifest notes a manifest of that epoch.
func (e *Ends) Manifest(segment segments.Segment, epoch uint32) {
	e.epoch, e.closed = epoch, true
	e.add(End{epoch, segment.End(), segment.Offset})
}

// Other notes a segment that is no manifest.
func (e *Ends) Other(segment segments.Segment) {
	e.retired.note(segment)
	e.closed = e.closed && (segment.Type == segments.TypeWitness || segment.Type == segments.TypeIndex)
	if e.closed {
		e.add(End{e.epoch, segment.End(), e.kept[len(e.kept)-1].Manifest})
	}
}

func (e *Ends) add(end End) {
	if len(e.kept) == 2*lineage.MaxDroppedEnds {
		e.kept = e.kept[:copy(e.kept, e.kept[lineage.MaxDroppedEnds:])]
	}
	e.forgotten = e.forgotten || len(e.kept) >= lineage.MaxDroppedEnds
	e.kept = append(e.kept, end)
}

// Newest are the ends that count, in file order. The list is good until the next is noted.
func (e *Ends) Newest() []End { return e.kept[max(0, len(e.kept)-lineage.MaxDroppedEnds):] }

// FoldAt is the fold over the last bytes that the file had at an end. Buffer has room for
// lineage.TailSize bytes.
func (e *Ends) FoldAt(in *Reading, end End, buffer []byte) (lineage.Hash, error) {
	return e.retired.foldAt(in, end.Offset, end.Manifest, buffer)
}

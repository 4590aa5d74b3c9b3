package state

import (
	"rvffs/lineage"
	"rvffs/segments"
)

// Ends are where a file once ended, the newest lineage.MaxDroppedEnds of them, as a walk
// comes by: behind each manifest, behind what programs append to one without another, which
// is audit entries and an index, and where another program began although the one before had
// not come to its manifest, for it had died. Children of the reference runtime name their
// parent's state by the last bytes before such an end.
type Ends struct {
	kept      []End // up to twice as many
	forgotten bool
	newest    End  // behind the last segment, of the state before it
	some      bool // whether there was a manifest yet
	closed    bool // whether newest is kept
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
	e.newest, e.some, e.closed = End{epoch, segment.End(), segment.Offset}, true, true
	e.add(e.newest)
}

// Other notes a segment that is no manifest.
func (e *Ends) Other(segment segments.Segment) {
	e.retired.note(segment)
	if !e.some {
		return
	}
	// An audit entry stands behind what it tells of, all else begins a commit or is behind
	// what does.
	if !e.closed && segment.Type != segments.TypeWitness {
		e.add(e.newest)
	}
	e.newest.Offset = segment.End()
	e.closed = e.closed && (segment.Type == segments.TypeWitness || segment.Type == segments.TypeIndex)
	if e.closed {
		e.add(e.newest)
	}
}

// Rest notes what stands behind the committed end of the file, when a walk has come to that.
// A program that died may have left it, and another one may have named the file as it is.
func (e *Ends) Rest(in *Reading) error {
	info, err := in.Stat()
	if err != nil || !e.some {
		return err
	}
	end := in.snapshot.Size()
	walker := segments.NewWalker(in, end, max(end, info.Size))
	for walker.Next() {
		e.Other(walker.Segment())
	}
	if err := walker.Err(); err != nil {
		return err
	}
	if e.newest.Offset = max(end, info.Size); !e.closed || !walker.Clean() {
		e.add(e.newest)
	}
	return nil
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

package compact

import (
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/state"
)

// dropped gathers the states that the old file holds and the new one will not, so that
// stores that were derived from them can still be judged.
type dropped struct {
	manifests []lineage.DroppedState
	ends      state.Ends
	folds     map[int64]lineage.Short // of the newest ends, by where they are
	memory    memory.Charge
}

// see takes a segment of the old file into account; they come in the order of the file. A
// manifest that is damaged was a state once, but nobody can tell which.
func (d *dropped) see(in *state.Reading, segment segments.Segment) error {
	if segment.Type != segments.TypeManifest {
		d.ends.Other(segment)
		return nil
	}
	verdict, err := segments.VerifySegment(in, segment)
	if err != nil || verdict == segments.HashMismatch {
		return err
	}
	epoch, err := state.EpochAt(in, segment)
	if err != nil {
		return err
	}
	hash, err := state.ShakeAt(in, segment)
	if err != nil {
		return err
	}
	d.ends.Manifest(segment, epoch)
	if len(d.manifests) == cap(d.manifests) {
		const line, more = 12, 1024
		grown := 2*len(d.manifests) + more
		if err := d.memory.Set(int64(grown+len(d.manifests)) * line); err != nil {
			return err
		}
		d.manifests = slices.Grow(d.manifests, grown-len(d.manifests))
	}
	d.manifests = append(d.manifests, lineage.DroppedState{Epoch: epoch, Short: lineage.ShortOf(lineage.HashShakeManifest, hash)})
	return nil
}

// fold takes the folds of the ends that have come. Each reads 64 KiB, so that it is done
// while nobody has to wait.
func (d *dropped) fold(in *state.Reading) error {
	ends := d.ends.Newest()
	folds := make(map[int64]lineage.Short, len(ends))
	buffer := make([]byte, lineage.TailSize)
	for _, end := range ends {
		short, known := d.folds[end.Offset]
		if !known {
			hash, err := d.ends.FoldAt(in, end, buffer)
			if err != nil {
				return err
			}
			short = lineage.ShortOf(lineage.HashFoldTail, hash)
		}
		folds[end.Offset] = short
	}
	d.folds = folds
	return nil
}

// records are the actions of the audit entries that tell of all: one, unless there are very
// many states.
func (d *dropped) records() ([][]byte, error) {
	var records [][]byte
	rest := d.manifests
	for len(rest) > 0 {
		part := rest[:min(len(rest), lineage.MaxDropped)]
		rest = rest[len(part):]
		record := lineage.Dropped{Manifests: part}
		if len(rest) == 0 {
			for _, end := range d.ends.Newest() {
				record.Ends = append(record.Ends, lineage.DroppedState{Epoch: end.Epoch, Short: d.folds[end.Offset]})
			}
		}
		encoded, err := record.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		records = append(records, encoded)
	}
	return records, nil
}

// droppedLine is what one state takes in a record.
const droppedLine = int64(lineage.MaxDroppedSize/lineage.MaxDropped + 1)

// room is how many bytes the records take in the file at most. That of a state which is
// still to come is less than its manifest.
func (d *dropped) room() int64 {
	const entry = 256
	lines := len(d.manifests) + len(d.ends.Newest())
	return int64(lines)*droppedLine + int64(1+len(d.manifests)/lineage.MaxDropped)*entry
}

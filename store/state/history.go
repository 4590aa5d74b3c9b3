package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
)

// History finds out what the file tells of a state that a store came from: among the
// states that it still holds, by either of the two methods in use, and else by what else
// is left of it.
func (s *Snapshot) History(ctx context.Context, from lineage.Descent) (lineage.History, error) {
	history := lineage.History{Newest: s.Epoch()}
	err := s.With(ctx, Judging, func(reading *Reading) error {
		charge := s.source.memory.Charge()
		defer charge.Free()
		t := tracing{in: reading, from: from, charge: &charge, manifests: pastManifests{charge: &charge}}
		if err := t.find(&history); err != nil || history.Held != nil {
			return err
		}
		return t.ask(&history)
	})
	return history, err
}

// tracing is one search for a state.
type tracing struct {
	in     *Reading
	from   lineage.Descent
	charge *memory.Charge

	manifests pastManifests
	ends      Ends
}

// find looks for the state itself.
func (t *tracing) find(history *lineage.History) error {
	if err := t.in.Walk(t.collect); err != nil {
		return err
	}
	manifest, err := t.manifests.ofHash(t.in, t.from.Hash, t.from.Recorded, t.from.Epoch)
	if err != nil {
		return err
	}
	if manifest != nil {
		goesOn, err := t.in.goesOnFrom(t.from.Audit)
		if goesOn {
			history.Held = &lineage.PastState{Method: lineage.HashShakeManifest, Epoch: manifest.epoch, Offset: manifest.Offset}
		}
		return err
	}
	if t.from.Recorded {
		manifest, err := t.manifests.ofHash(t.in, t.from.Hash, false, 0)
		if manifest != nil {
			history.Elsewhere = &lineage.PastState{Method: lineage.HashShakeManifest, Epoch: manifest.epoch, Offset: manifest.Offset}
		}
		return err
	}
	if err := t.ends.Rest(t.in); err != nil {
		return err
	}
	buffer := make([]byte, lineage.TailSize)
	for _, end := range slices.Backward(t.ends.Newest()) {
		if hash, err := t.ends.FoldAt(t.in, end, buffer); err != nil || hash == t.from.Hash {
			history.Held = &lineage.PastState{Method: lineage.HashFoldTail, Epoch: end.Epoch, Offset: end.Manifest}
			return err
		}
	}
	history.Unfolded = t.ends.forgotten
	return nil
}

// collect notes where the file's states are, and their ends.
func (t *tracing) collect(segment segments.Segment) error {
	if segment.Type != segments.TypeManifest {
		t.ends.Other(segment)
		return nil
	}
	epoch, err := EpochAt(t.in, segment)
	if err != nil {
		return err
	}
	t.ends.Manifest(segment, epoch)
	return t.manifests.add(pastManifest{segment, epoch})
}

// ask asks all that tells of states which are gone.
func (t *tracing) ask(history *lineage.History) error {
	a := asking{tracing: t, history: history, whole: idset.New(), damaged: idset.New(), budget: checkedForFold, covered: t.in.snapshot.Size()}
	if ends := t.ends.Newest(); !t.from.Recorded && len(ends) > 0 {
		a.covered = max(0, ends[0].Offset-lineage.TailSize)
	}
	if err := t.in.Walk(a.segment); err != nil {
		return err
	}
	if err := a.behind(); err != nil {
		return err
	}
	if history.Attested != nil {
		if goesOn, err := t.in.goesOnFrom(t.from.Audit); err != nil {
			return err
		} else if !goesOn {
			history.Attested = nil
		}
	}
	if a.apart && !history.Lost {
		history.Continues = false
	}
	history.Other = t.from.Recorded && a.whole.Contains(uint64(t.from.Epoch))
	a.whole.Unite(a.damaged)
	history.Unrecorded = a.whole.Len() <= uint64(history.Newest) // epochs begin with 0
	return nil
}

// recoveries tells apart what recoveries have published. Those of which no record of lost
// states tells may have taken the epoch of the very state that was lost.
type recoveries struct {
	open bool // the next manifest is that of such a recovery
	told bool // there is such a record
}

// checkedForFold is how many bytes at most are checked to see whether a fold may have
// covered bytes that are damaged.
const checkedForFold = 256 << 20

// asking is a walk through a file that holds the state no more.
type asking struct {
	*tracing
	history        *lineage.History
	whole, damaged *idset.Set // epochs of states that the file holds, or tells of
	lost           recoveries
	end            int64  // of the segment before
	mark           int64  // of the audit entry that was the newest then; 0: it has not come yet
	entry          int64  // of the newest audit entry so far
	newest         int64  // of the newest whole manifest so far
	epoch          uint32 // its
	apart          bool   // the state of that epoch is one of another audit entry
	covered        int64  // from here on bytes may be those of the hash
	budget         int64  // of bytes to check
}

func (a *asking) segment(segment segments.Segment) error {
	if err := a.between(segment.Offset); err != nil {
		return err
	}
	a.end = segment.End()
	switch segment.Type {
	case segments.TypeManifest:
		return a.manifest(segment)
	case segments.TypeWitness:
		return a.witness(segment)
	}
	if segment.End() <= a.covered || int64(segment.PayloadLength) > a.budget {
		return nil
	}
	a.budget -= int64(segment.PayloadLength)
	verdict, err := segments.VerifySegment(a.in, segment)
	if verdict == segments.HashMismatch {
		a.torn("the %s segment %d at offset %d of the parent's file is damaged, and the hash may cover it", segment.Type, segment.ID, segment.Offset)
	}
	return err
}

func (a *asking) manifest(segment segments.Segment) error {
	epoch, err := EpochAt(a.in, segment)
	if err != nil {
		return err
	}
	verdict, err := segments.VerifySegment(a.in, segment)
	if err != nil {
		return err
	}
	if verdict != segments.HashMismatch {
		if a.lost.open && a.from.Recorded && epoch == a.from.Epoch {
			a.history.Lost = true
		}
		a.lost.open = false
		a.whole.Insert(uint64(epoch))
		return a.compare(segment, epoch)
	}
	a.damaged.Insert(uint64(epoch))
	if !a.from.Recorded || epoch == a.from.Epoch {
		a.torn("the manifest of epoch %d at offset %d of the parent's file is damaged, and it may be the one that the store came from", epoch, segment.Offset)
	}
	return nil
}

// between looks for what is left of a commit where there is no whole segment: somebody has written
// behind a file that had lost its end.
func (a *asking) between(next int64) error {
	if !a.from.Recorded || a.end >= next || next-a.end > a.budget {
		return nil
	}
	a.budget -= next - a.end
	return segments.WalkRemnants(a.in, a.end, next, func(remnant segments.Remnant) error {
		begun, err := remnant.IsBegun(a.in)
		if err != nil || !begun {
			return errors.Join(err, a.in.ctx.Err())
		}
		epoch := a.epoch + 1
		if remnant.Type == segments.TypeManifest && remnant.Length >= segments.HeaderSize+4 {
			if epoch, err = EpochAt(a.in, remnant.Segment); err != nil {
				return err
			}
		}
		a.history.Lost = a.history.Lost || epoch == a.from.Epoch
		return a.in.ctx.Err()
	})
}

// compare compares a state of the epoch of that which a store came from with it by their audit
// entries. One that follows the entry and does not name it was made by somebody who did not know
// it: the manifest of that one was lost before. One of another entry is another state, as when an
// older copy of the file has gone on.
func (a *asking) compare(segment segments.Segment, epoch uint32) error {
	before := a.newest
	a.newest, a.epoch = segment.Offset, epoch
	if a.mark == 0 || !a.from.Recorded || epoch != a.from.Epoch {
		return nil
	}
	a.apart = a.apart || a.entry != a.mark
	if a.mark < before {
		return nil
	}
	held := a.charge.Held()
	defer a.charge.Force(held)
	past, err := a.in.pastAt(segment.Offset, a.charge)
	if err != nil {
		return err
	}
	a.history.Lost = a.history.Lost || !slices.ContainsFunc(past.Manifest().Directory, func(entry segments.DirectoryEntry) bool { return entry.Offset == a.mark })
	return nil
}

// torn keeps what is the matter, of several things the first.
func (a *asking) torn(format string, arguments ...any) {
	if a.history.Torn == "" {
		a.history.Torn = fmt.Sprintf(format, arguments...)
	}
}

// witness asks an entry of the audit chain, unless that is damaged.
func (a *asking) witness(segment segments.Segment) error {
	payload, giveBack, err := readWitness(a.in, segment, a.charge)
	if err != nil || payload == nil {
		return err
	}
	defer giveBack()
	witness, err := segments.ParseWitness(payload)
	if err != nil || isDamaged(segment.Header, payload) {
		if !a.from.Recorded && segment.End() > a.covered {
			a.torn("the audit entry at offset %d of the parent's file is damaged, and the hash may cover it", segment.Offset)
		}
		return nil
	}
	a.entry = segment.Offset
	if a.from.Audit != (lineage.Mark{}) && lineage.MarkOf(payload) == a.from.Audit {
		a.history.Continues, a.mark = true, segment.Offset
	}
	if bytes.HasPrefix(witness.Action, []byte("recover:")) {
		a.lost.open = !a.lost.told
	}
	if witness.Kind != segments.WitnessDropped {
		return nil
	}
	dropped, err := lineage.ParseDropped(witness.Action)
	if err != nil {
		return nil // of another version, or somebody else's
	}
	a.record(dropped, segment.Offset)
	return nil
}

// record looks the state up in a record.
func (a *asking) record(dropped lineage.Dropped, offset int64) {
	attest := func(states []lineage.DroppedState, method lineage.HashMethod) {
		short := lineage.ShortOf(method, a.from.Hash)
		for _, state := range states {
			if state.Short != short {
				continue
			}
			found := &lineage.PastState{Method: method, Epoch: state.Epoch, Offset: offset}
			if a.from.Recorded && state.Epoch != a.from.Epoch {
				a.history.Elsewhere = found
			} else if a.history.Attested == nil {
				a.history.Attested = found
			}
		}
	}
	attest(dropped.Manifests, lineage.HashShakeManifest)
	if !a.from.Recorded {
		attest(dropped.Ends, lineage.HashFoldTail)
	}
	for _, state := range dropped.Manifests {
		if state.IsLost() {
			a.damaged.Insert(uint64(state.Epoch))
			a.lost = recoveries{told: true}
			a.history.Lost = a.history.Lost || !a.from.Recorded || state.Epoch == a.from.Epoch
			continue
		}
		a.whole.Insert(uint64(state.Epoch))
	}
}

// behind looks for what may have been a newer state.
func (a *asking) behind() error {
	info, err := a.in.Stat()
	if err != nil {
		return err
	}
	end := a.in.snapshot.Size()
	if a.from.Recorded || info.Size <= end {
		return nil // the epochs tell
	}
	return segments.WalkRemnants(a.in, end, info.Size, func(remnant segments.Remnant) error {
		switch remnant.Kind {
		case segments.RemnantBytes, segments.RemnantCut, segments.RemnantDamaged:
			a.torn("%d bytes behind the parent's newest manifest, at offset %d, are no whole segment: its file may have lost its end", remnant.Length, remnant.Offset)
		}
		return a.in.ctx.Err()
	})
}

package state

import (
	"context"
	"errors"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// LastWitness is the hash of the newest entry of the audit chain, named or not, for there
// must be one chain only; zero when there is no entry. What is damaged or no entry at all
// is followed like any other: who follows it says that it was there. Entries stand behind
// those that they follow, so that the newest named one is where to begin.
func (r *Reading) LastWitness() (lineage.Hash, error) {
	s := r.snapshot
	if known := s.cache.lastWitness.Load(); known != nil {
		return *known, nil
	}
	newest, found, err := r.newestWitness()
	if err != nil {
		return lineage.Hash{}, err
	}
	var hash lineage.Hash
	if found {
		if hash, err = witnessHash(r, newest); err != nil {
			return lineage.Hash{}, fmt.Errorf("read the newest witness entry: %w", err)
		}
	}
	s.cache.lastWitness.Store(&hash)
	return hash, nil
}

// newestWitness is where the newest entry of the audit chain stands.
func (r *Reading) newestWitness() (newest segments.Segment, found bool, err error) {
	var from int64
	for _, entry := range r.snapshot.Named() {
		if entry.Type == segments.TypeWitness {
			from = max(from, entry.Offset)
		}
	}
	err = r.WalkFrom(from, func(segment segments.Segment) error {
		if segment.Type == segments.TypeWitness {
			newest, found = segment, true
		}
		return nil
	})
	return newest, found, err
}

// AuditMark is the mark of the newest entry of the audit chain, by which a child finds out
// later that its parent's file goes on from there; zero when there is no entry.
func (r *Reading) AuditMark() (lineage.Mark, error) {
	newest, found, err := r.newestWitness()
	if err != nil || !found {
		return lineage.Mark{}, err
	}
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	payload, giveBack, err := readWitness(r, newest, &charge)
	if err != nil || payload == nil {
		return lineage.Mark{}, err
	}
	defer giveBack()
	return lineage.MarkOf(payload), nil
}

// GoesOnFrom reports whether the audit chain of the file holds the entry of a mark, or one that
// is damaged and may be it.
func (s *Snapshot) GoesOnFrom(ctx context.Context, mark lineage.Mark) (goesOn bool, err error) {
	err = s.With(ctx, Judging, func(reading *Reading) error {
		goesOn, err = reading.goesOnFrom(mark)
		return err
	})
	return goesOn, err
}

// goesOnFrom reports whether the audit chain of the file holds the entry of a mark. A manifest
// tells where things stand, and not what they are: that of a copy which lost its end and
// grew by as much again is the same, but its audit entries are others. An entry that is
// damaged may be the one, and no mark is the mark of any.
func (r *Reading) goesOnFrom(mark lineage.Mark) (goesOn bool, err error) {
	if mark == (lineage.Mark{}) {
		return true, nil
	}
	if newest, err := r.AuditMark(); err != nil || newest == mark {
		return err == nil, err
	}
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	err = r.Walk(func(segment segments.Segment) error {
		if goesOn || segment.Type != segments.TypeWitness {
			return nil
		}
		payload, giveBack, err := readWitness(r, segment, &charge)
		if err != nil {
			return err
		}
		defer giveBack()
		goesOn = payload == nil || isDamaged(segment.Header, payload) || lineage.MarkOf(payload) == mark
		return nil
	})
	for _, entry := range r.snapshot.OfType(segments.TypeWitness) {
		if goesOn || err != nil {
			break
		}
		if _, err = r.ReadHeader(entry); errors.Is(err, volume.ErrCorrupt) {
			goesOn, err = true, nil
		}
	}
	if goesOn || err != nil {
		return goesOn, err
	}
	return r.hasMarked(mark)
}

// lacksWitnesses reports whether an entry of the audit chain is damaged, or follows one that is
// not there.
func (r *Reading) lacksWitnesses() (lacks bool, err error) {
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	chain := NewAuditChain(r, &charge)
	err = r.Walk(func(segment segments.Segment) error {
		if lacks || segment.Type != segments.TypeWitness {
			return nil
		}
		described, err := chain.Next(segment)
		lacks = described.Verdict == AuditBroken || described.Verdict == AuditDamaged
		return err
	})
	return lacks, err
}

// markedPayload bounds, in bytes, where an entry is looked for whose header is damaged: those that
// programs write are short.
const markedPayload = 4 << 10

// hasMarked reports whether the file holds the payload of the audit entry of a mark, behind a header
// that is none, or one of another type.
func (r *Reading) hasMarked(mark lineage.Mark) (found bool, err error) {
	payload := make([]byte, markedPayload)
	look := func(offset, length int64) error {
		if found || length <= 0 || length > markedPayload {
			return nil
		}
		err := volume.ReadFull(r, payload[:length], offset)
		found = err == nil && lineage.MarkOf(payload[:length]) == mark
		return err
	}
	var end int64
	err = r.Walk(func(segment segments.Segment) error {
		err := look(end+segments.HeaderSize, segment.Offset-end-segments.HeaderSize)
		end = segment.End()
		if err == nil && segment.Type != segments.TypeWitness && segment.PayloadLength <= markedPayload {
			err = look(segment.PayloadOffset(), int64(segment.PayloadLength))
		}
		return err
	})
	return found, err
}

package state

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// A branch is a store that shows its parent's vectors as well as its own: it names
// a copy-on-write map and a membership filter, of each of which the last counts.

// LastOf finds the last named segment of a type.
func (s *Snapshot) LastOf(kind segments.Type) (segments.DirectoryEntry, bool) {
	var last segments.DirectoryEntry
	found := false
	for _, entry := range s.Named() {
		if entry.Type == kind {
			last, found = entry, true
		}
	}
	return last, found
}

// PrefixOf reads up to length bytes of an entry's payload.
func (s *Snapshot) PrefixOf(ctx context.Context, entry segments.DirectoryEntry, length uint64) ([]byte, error) {
	prefix := make([]byte, min(entry.PayloadLength, length))
	err := s.With(ctx, Looking, func(reading *Reading) error {
		if _, err := reading.ReadHeader(entry); err != nil {
			return err
		}
		return volume.ReadFull(reading, prefix, entry.Offset+segments.HeaderSize)
	})
	return prefix, err
}

// IsBranch reports whether the store shows vectors of its parent as well as its own.
func (s *Snapshot) IsBranch() bool {
	_, branch := s.LastOf(segments.TypeCowMap)
	return branch
}

// Branch is what a branch says of what it shows besides its own.
type Branch struct {
	Map *segments.CowMap // without the map itself, which nobody uses
	Pin Pin
}

// pins are those of the branches in files, once they were found: they stay what they are.
var pins Attachment[atomic.Pointer[Pin]]

// Branch tells what it says. The error is ErrCorrupt when that is not to be understood.
func (s *Snapshot) Branch(ctx context.Context) (Branch, error) {
	m, err := s.cowMap(ctx)
	if err != nil {
		return Branch{}, err
	}
	facts := lineage.Facts{Known: true, Base: baseOf(m)}
	facts.Identity, _ = s.Identity()
	known := pins.Of(s.source)
	if pin := known.Load(); pin != nil && pin.Recorded && pin.fits(facts) {
		return Branch{m, *pin}, nil
	}
	if facts.Record, facts.Stray, err = s.derivations(ctx); err != nil {
		return Branch{}, err
	}
	if err := facts.CheckBase(); err != nil {
		return Branch{}, fmt.Errorf("%w: %w", volume.ErrCorrupt, err)
	}
	pin := pinOf(facts)
	known.Store(&pin)
	return Branch{m, pin}, nil
}

// MayShow is the state that a branch says it shows, also where that is not certain, so that
// nothing of it is shown.
func (s *Snapshot) MayShow(ctx context.Context) (Pin, error) {
	branch, err := s.Branch(ctx)
	if !errors.Is(err, volume.ErrCorrupt) {
		return branch.Pin, err
	}
	facts, err := s.LineageFacts(ctx)
	return pinOf(facts), err
}

func pinOf(facts lineage.Facts) Pin {
	from := facts.Descent()
	return Pin{Branch: facts.Identity.FileID, Parent: facts.Identity.ParentID, Hash: from.Hash, Recorded: from.Recorded, Epoch: from.Epoch, Audit: from.Audit}
}

// fits reports whether a pin that was found before is that of a branch which says this.
func (p *Pin) fits(f lineage.Facts) bool {
	return p.Branch == f.Identity.FileID && p.Parent == f.Identity.ParentID && p.Parent == f.Base.ID && (f.Base.Epoch == 0 || f.Base.Epoch == p.Epoch)
}

// baseOf is what a map says of the store whose vectors are shown.
func baseOf(m *segments.CowMap) *lineage.Base {
	return &lineage.Base{ID: m.BaseID, Hash: m.BaseHash, Epoch: m.SnapshotEpoch}
}

// LineageFacts are what the file itself says of where the store comes from. What cannot be
// understood proves nothing, and is not among them; the error is one of reading.
func (s *Snapshot) LineageFacts(ctx context.Context) (facts lineage.Facts, err error) {
	facts.Identity, facts.Known = s.Identity()
	if s.IsBranch() {
		m, err := s.cowMap(ctx)
		if err == nil {
			facts.Base = baseOf(m)
		} else if !errors.Is(err, volume.ErrCorrupt) {
			return facts, err
		}
	}
	if !facts.Known || facts.Identity.IsRoot() {
		return facts, nil
	}
	facts.Record, facts.Stray, err = s.derivations(ctx)
	if errors.Is(err, volume.ErrCorrupt) {
		err = nil
	}
	return facts, err
}

// cowMapStart is how much of a map is read: nobody has a longer path.
const cowMapStart = 64 << 10

// cowMap reads the map of a branch.
func (s *Snapshot) cowMap(ctx context.Context) (*segments.CowMap, error) {
	return s.cache.cowMap.Get(ctx, func(ctx context.Context) (*segments.CowMap, error) {
		entry, branch := s.LastOf(segments.TypeCowMap)
		if !branch {
			return nil, fmt.Errorf("%w: the store is no branch", volume.ErrInput)
		}
		start, err := s.PrefixOf(ctx, entry, cowMapStart)
		if err != nil {
			return nil, err
		}
		m, err := segments.ParseCowMapStart(start, entry.PayloadLength)
		if err != nil {
			return nil, fmt.Errorf("%w: copy-on-write map at offset %d: %w", volume.ErrCorrupt, entry.Offset, err)
		}
		return m, nil
	})
}

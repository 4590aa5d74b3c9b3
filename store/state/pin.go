package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"weak"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Pin says which state of its parent's file a branch shows.
type Pin struct {
	Branch, Parent lineage.FileID
	// Hash is the SHAKE-256 of that state's manifest, as its record says, if it is
	// Recorded; else the fold of the file's last bytes when the file ended with that state.
	Hash     lineage.Hash
	Recorded bool
	Epoch    uint32 // of that state, if it is recorded
	// Audit is the mark of the newest audit entry then; zero when it is not known.
	Audit lineage.Mark
}

// pinnedStates are the states of a file that branches show, by their pins, for as long as
// somebody uses them.
type pinnedStates struct{ found sync.Map }

var (
	foundPinned   Attachment[pinnedStates] // of files
	missingPinned Attachment[sync.Map]     // of snapshots, the pins whose states the file does not hold
)

// get is a state that is known.
func (p *pinnedStates) get(pin Pin) *Snapshot {
	known, there := p.found.Load(pin)
	if !there {
		return nil
	}
	snapshot := known.(weak.Pointer[Snapshot]).Value()
	if snapshot != nil && snapshot.Outdated() {
		snapshot = snapshot.Renewed()
		p.put(pin, snapshot)
	}
	return snapshot
}

// put makes a state known, and forgets those that nobody uses any more.
func (p *pinnedStates) put(pin Pin, snapshot *Snapshot) {
	p.found.Range(func(other, known any) bool {
		if known.(weak.Pointer[Snapshot]).Value() == nil {
			p.found.Delete(other)
		}
		return true
	})
	p.found.Store(pin, weak.Make(snapshot))
}

// Pinned is the state of this file that a branch shows, whatever was committed since: one
// that the file still holds, or one that a rewrite has kept. The error is
// lineage.ErrNoState when there is none.
func (s *Snapshot) Pinned(ctx context.Context, pin Pin) (*Snapshot, error) {
	states, missing := foundPinned.Of(s.source), missingPinned.Of(s)
	if known := states.get(pin); known != nil {
		return known, nil
	}
	if err, known := missing.Load(pin); known {
		return nil, err.(error)
	}
	var found *Snapshot
	err := s.With(ctx, Judging, func(reading *Reading) (err error) {
		if found, err = reading.pinned(pin); err != nil {
			return err
		}
		goesOn, err := reading.goesOnFrom(pin.Audit)
		if err == nil && !goesOn {
			// Where audit entries are lacking, that one may be among them; then a file that lists the
			// branch with that state has had it.
			goesOn, err = reading.lists(pin)
			if err == nil && goesOn {
				goesOn, err = reading.lacksWitnesses()
			}
		}
		if err == nil && !goesOn {
			err = lineage.ErrOtherWay
		}
		return err
	})
	switch {
	case errors.Is(err, lineage.ErrNoState):
		missing.Store(pin, err)
	case err == nil:
		states.put(pin, found)
	}
	return found, err
}

// pinned looks for the state.
func (r *Reading) pinned(pin Pin) (*Snapshot, error) {
	if !pin.Recorded {
		listed, err := r.listed(pin)
		if err != nil {
			return nil, err
		}
		if listed != nil {
			pin = *listed
		}
	}
	if found, err := r.newestAs(pin); found != nil || err != nil {
		return found, err
	}
	if pin.Recorded {
		if found, err := r.kept(pin); found != nil || err != nil {
			return found, err
		}
	}
	found, err := r.held(pin)
	if errors.Is(err, lineage.ErrNoState) {
		if damage := r.KeptDamage(); damage != nil {
			err = fmt.Errorf("what was kept for branches: %w", damage)
		}
	}
	return found, err
}

// listed is the pin of a branch as the file's own list of branches has it; nil when it has
// none. So the states of branches are told that name them by what the file ended with, which
// a rewrite changes.
func (r *Reading) listed(pin Pin) (*Pin, error) {
	branches, err := r.ListedBranches()
	var found *Pin
	for _, branch := range branches {
		if branch.FileID != pin.Branch {
			continue
		}
		if found != nil {
			return nil, err // which of the states it shows is told by its bytes alone
		}
		found = &pin
		found.Hash, found.Epoch, found.Recorded = branch.Pinned, branch.Epoch, true
	}
	return found, err
}

// ListedBranches are the branches that the file lists: by the last list that can be read, for
// others may be damaged, or another vendor's. None is listed where there is no such list.
func (r *Reading) ListedBranches() ([]segments.ListedBranch, error) {
	branches, err := r.listOfBranches()
	return slices.DeleteFunc(branches, segments.ListedBranch.LetGo), err
}

// BranchesLetGo are those of which the list says that they were removed on purpose.
func (r *Reading) BranchesLetGo() ([]segments.ListedBranch, error) {
	branches, err := r.listOfBranches()
	return slices.DeleteFunc(branches, func(branch segments.ListedBranch) bool { return !branch.LetGo() }), err
}

func (r *Reading) listOfBranches() (branches []segments.ListedBranch, err error) {
	for _, entry := range slices.Backward(r.snapshot.OfType(segments.TypeBranches)) {
		err := r.ofBranches(entry, func(payload []byte) (err error) {
			branches, err = segments.ParseBranches(payload)
			return err
		})
		if err == nil || !errors.Is(err, volume.ErrCorrupt) {
			return branches, err
		}
	}
	return nil, nil
}

// ofBranches reads a segment that is of what the file keeps for its branches. The error wraps
// volume.ErrCorrupt where it is damaged, or cannot be parsed.
func (r *Reading) ofBranches(entry segments.DirectoryEntry, parse func(payload []byte) error) error {
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	segment, err := r.ReadHeader(entry)
	if err == nil {
		if err := charge.Set(int64(min(entry.PayloadLength, segments.MaxPayload))); err != nil {
			return err
		}
		var payload []byte
		payload, err = r.ReadSegment(entry, segments.MaxPayload)
		switch {
		case err != nil:
		case isDamaged(segment.Header, payload):
			err = fmt.Errorf("%w: the payload is not what its content hash says", volume.ErrCorrupt)
		default:
			err = parse(payload)
		}
	}
	return volume.AsCorrupt(err)
}

// ListDamage fails with volume.ErrCorrupt if the file has a list of branches that is damaged,
// and KeptDamage if a state that it keeps for them is. Who rewrites or removes the file would
// take these for nothing.
func (r *Reading) ListDamage() error { return r.damageOf(segments.TypeBranches) }

// KeptDamage is ListDamage for kept states.
func (r *Reading) KeptDamage() error { return r.damageOf(segments.TypeKeptState) }

func (r *Reading) damageOf(kind segments.Type) error {
	for _, entry := range r.snapshot.OfType(kind) {
		if err := r.CheckOfBranches(entry); err != nil {
			return err
		}
	}
	return nil
}

// CheckOfBranches is either for one segment: of another vendor's it is known whether it is
// damaged alone.
func (r *Reading) CheckOfBranches(entry segments.DirectoryEntry) error {
	err := r.ofBranches(entry, func(payload []byte) (err error) {
		switch {
		case entry.Type.Extension(payload) == "":
		case entry.Type == segments.TypeBranches:
			_, err = segments.ParseBranches(payload)
		default:
			_, err = segments.ParseKeptState(payload)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("%s at offset %d: %w", entry.Type, entry.Offset, err)
	}
	return err
}

// newestAs is the newest state, if it is the one that is pinned; nil if it is not.
func (r *Reading) newestAs(pin Pin) (*Snapshot, error) {
	s := r.snapshot
	if pin.Recorded && s.Epoch() != pin.Epoch {
		return nil, nil
	}
	hash, err := ShakeAt(r, s.state.Segment)
	if !pin.Recorded && err == nil && hash != pin.Hash {
		hash, err = r.fold()
	}
	if err != nil || hash != pin.Hash {
		return nil, err
	}
	return s, nil
}

// lists reports whether the file's own list has the branch of a pin with the pinned state.
func (r *Reading) lists(pin Pin) (bool, error) {
	branches, err := r.ListedBranches()
	return slices.ContainsFunc(branches, func(branch segments.ListedBranch) bool {
		return branch.FileID == pin.Branch && branch.Pinned == pin.Hash
	}), err
}

// kept is the state that a rewrite has kept of one that is gone; nil when there is none, or
// when a program that does not know of such has moved it.
func (r *Reading) kept(pin Pin) (*Snapshot, error) {
	for _, entry := range r.snapshot.OfType(segments.TypeKeptState) {
		found, err := r.keptIn(entry, pin)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

func (r *Reading) keptIn(entry segments.DirectoryEntry, pin Pin) (found *Snapshot, err error) {
	defer func() {
		if errors.Is(err, volume.ErrCorrupt) {
			err = fmt.Errorf("state that was kept at offset %d: %w", entry.Offset, err)
		}
	}()
	segment, err := r.ReadHeader(entry)
	if err == nil {
		// Most of them are of other states.
		start := make([]byte, min(entry.PayloadLength, segments.KeptStateStart))
		if err = volume.ReadFull(r, start, segment.PayloadOffset()); err == nil && !segments.IsKeptStateOf(start, pin.Hash) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, volume.AsCorrupt(err)
	}
	state, err := r.keptState(entry)
	if err != nil {
		return nil, err
	}
	if state.Offset != entry.Offset {
		return nil, nil
	}
	found = r.snapshotOf(state.Manifest, segment, r.snapshot.Size())
	for i, named := range state.Manifest.Directory {
		if _, stands, err := r.keptSegment(found, named, state.Hashes[i]); err != nil || !stands {
			return nil, err
		}
	}
	return found, nil
}

// keptState reads what a rewrite has kept.
func (r *Reading) keptState(entry segments.DirectoryEntry) (state *segments.KeptState, err error) {
	err = r.ofBranches(entry, func(payload []byte) (err error) {
		state, err = segments.ParseKeptState(payload)
		return err
	})
	return state, err
}

// keptSegment is one that a kept state names; false when another program has moved it.
func (r *Reading) keptSegment(kept *Snapshot, named segments.DirectoryEntry, hash [16]byte) (there segments.Segment, stands bool, err error) {
	there, err = r.Of(kept).ReadHeader(named)
	if err == nil && there.ContentHash == hash {
		return there, true, nil
	}
	moved, err := r.isMoved(named, hash, there, err)
	if err == nil && !moved {
		err = fmt.Errorf("%w: the %s at offset %d is not the one that it names", volume.ErrCorrupt, named.Type, named.Offset)
	}
	return there, false, err
}

// EachKept calls see for each segment that a kept state names, of which the error says whether
// it is another than it should be. States that other programs have moved are left out, and such as
// cannot be read.
func (r *Reading) EachKept(see func(named segments.DirectoryEntry, there segments.Segment, err error) error) error {
	for _, entry := range r.snapshot.OfType(segments.TypeKeptState) {
		state, err := r.keptState(entry)
		if errors.Is(err, volume.ErrCorrupt) || err == nil && state.Offset != entry.Offset {
			continue
		}
		if err != nil {
			return err
		}
		kept := r.snapshotOf(state.Manifest, segments.Segment{Offset: entry.Offset}, r.snapshot.Size())
		for i, named := range state.Manifest.Directory {
			there, stands, err := r.keptSegment(kept, named, state.Hashes[i])
			if err == nil && !stands {
				break
			}
			if err := see(named, there, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// isMoved reports whether another program has moved what a kept state names, although that
// stands where it did: the newest manifest names something else in its place, or a whole
// segment is there, or reaches into it, that is another: not the same content by another type.
// Err is why its header cannot be read.
func (r *Reading) isMoved(named segments.DirectoryEntry, hash [16]byte, there segments.Segment, err error) (bool, error) {
	if err == nil {
		verdict, err := segments.VerifySegment(r, there)
		return verdict == segments.HashMatch, err
	}
	if !errors.Is(err, volume.ErrCorrupt) {
		return false, err
	}
	inPlace := func(other segments.DirectoryEntry) bool {
		same := other.Offset == named.Offset && other.PayloadLength == named.PayloadLength && other.Type == named.Type
		return !same && other.Offset < endOf(named) && named.Offset < endOf(other)
	}
	if slices.ContainsFunc(r.snapshot.Live(), inPlace) {
		return true, nil
	}
	err = r.Walk(func(other segments.Segment) error {
		same := other.Offset == named.Offset && other.ContentHash == hash
		if same || !inPlace(segments.DirectoryEntry{Offset: other.Offset, PayloadLength: other.PayloadLength, Type: other.Type}) {
			return nil
		}
		verdict, err := segments.VerifySegment(r, other)
		if err == nil && verdict == segments.HashMatch {
			err = errWhole
		}
		return err
	})
	if errors.Is(err, errWhole) {
		return true, nil
	}
	return false, err
}

// errWhole ends a walk at a whole segment.
var errWhole = errors.New("a whole segment")

// snapshotOf is a state of the file that a manifest tells of, which stands in a segment: one
// of the file's first bytes.
func (r *Reading) snapshotOf(manifest *segments.Manifest, segment segments.Segment, end int64) *Snapshot {
	found := &segments.State{Dialect: segments.DialectRuntime, Manifest: manifest, Segment: segment, End: end, Clean: true}
	return NewSnapshot(r.snapshot.source, found, r.snapshot.time)
}

// held is the state among those that the file still holds.
func (r *Reading) held(pin Pin) (*Snapshot, error) {
	charge := r.snapshot.source.memory.Charge()
	defer charge.Free()
	search := pinSearch{in: r, pin: pin, manifests: pastManifests{charge: &charge}}
	if err := r.Walk(search.add); err != nil {
		return nil, err
	}
	find := search.byFold
	if pin.Recorded {
		find = search.byManifest
	}
	offset, err := find()
	if err != nil {
		return nil, err
	}
	return r.pastAt(offset, &charge)
}

// pinSearch looks for a state in a whole file.
type pinSearch struct {
	in        *Reading
	pin       Pin
	manifests pastManifests // of the epoch that is recorded
	ends      Ends
}

// add notes a segment.
func (p *pinSearch) add(segment segments.Segment) error {
	if segment.Type != segments.TypeManifest {
		p.ends.Other(segment)
		return nil
	}
	epoch, err := EpochAt(p.in, segment)
	if err != nil {
		return err
	}
	p.ends.Manifest(segment, epoch)
	if !p.pin.Recorded || epoch != p.pin.Epoch {
		return nil
	}
	return p.manifests.add(pastManifest{segment, epoch})
}

// byManifest finds the manifest of the pinned hash.
func (p *pinSearch) byManifest() (offset int64, err error) {
	manifest, err := p.manifests.ofHash(p.in, p.pin.Hash, true, p.pin.Epoch)
	if err != nil {
		return 0, err
	}
	if manifest != nil {
		return manifest.Offset, nil
	}
	return 0, lineage.ErrNoState
}

// byFold finds the manifest before the end at which the file had the pinned fold.
func (p *pinSearch) byFold() (offset int64, err error) {
	if err := p.ends.Rest(p.in); err != nil {
		return 0, err
	}
	buffer := make([]byte, lineage.TailSize)
	for _, end := range slices.Backward(p.ends.Newest()) {
		if fold, err := p.ends.FoldAt(p.in, end, buffer); err != nil || fold == p.pin.Hash {
			return end.Manifest, err
		}
	}
	return 0, lineage.ErrNoState
}

// pastAt is the state whose manifest stands at an offset.
func (r *Reading) pastAt(offset int64, charge *memory.Charge) (*Snapshot, error) {
	var encoded [segments.HeaderSize]byte
	if err := volume.ReadFull(r, encoded[:], offset); err != nil {
		return nil, err
	}
	header, err := segments.ParseHeader(encoded[:])
	if err != nil {
		return nil, fmt.Errorf("%w: manifest at offset %d: %w", volume.ErrCorrupt, offset, err)
	}
	segment := segments.Segment{Header: header, Offset: offset}
	const perByte = 4 // as what was read of it, too
	if err := charge.Set(charge.Held() + perByte*int64(min(header.PayloadLength, segments.MaxPayload))); err != nil {
		return nil, err
	}
	payload, err := r.ReadSegment(EntryOf(segment), segments.MaxPayload)
	if err != nil {
		return nil, err
	}
	manifest, err := segments.ParseManifest(payload)
	if err != nil || isDamaged(header, payload) {
		return nil, fmt.Errorf("%w: the manifest at offset %d is damaged", volume.ErrCorrupt, offset)
	}
	return r.snapshotOf(manifest, segment, segment.End()), nil
}

// isDamaged reports whether a payload is not what its content hash says.
func isDamaged(header segments.Header, payload []byte) bool {
	verdict, _ := segments.VerifyPayload(header, bytes.NewReader(payload)) // which cannot fail to be read
	return verdict == segments.HashMismatch
}

package compact

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Branches is what a rewrite has to know of the branches of its store.
type Branches struct {
	// Pinned are the states that they show, each once.
	Pinned []Pinned
	// Listed are they themselves, as the store's own list has them from then on.
	Listed []segments.ListedBranch
}

// Pinned is a state of the store that a branch shows, and that a rewrite has to keep.
type Pinned struct {
	Hash lineage.Hash // SHAKE-256 of its manifest
	// Sources are what it shows. The last is the state itself, in the store's file.
	Sources rows.Sources
	// Alone is the state of a branch of which nobody knows what it inherits: its own rows
	// are kept as they are, whatever the new file has. Nil: the sources are known.
	Alone *state.Snapshot
}

// FreshMap is how a branch names its parent.
type FreshMap struct {
	Map    []byte       // payload of the copy-on-write map
	Hash   lineage.Hash // of the parent, as other programs know it
	Record []byte       // of the derivation, if the branch has none yet
}

// keptState is such a state in the new file: the rows there, and before those that came
// later the ones that the state had in their place.
type keptState struct {
	Pinned
	own  *state.Snapshot
	seen *state.Snapshot // the state with which it was compared last

	ids     *idset.Set // of the rows that were kept
	rows    []segments.DirectoryEntry
	pending []volume.NewSegment       // rows that are not written yet
	left    []segments.DirectoryEntry // segments of rows in the old file that are copied as they are
}

// keep finds out which states the new file has to keep, and compares those that are known
// already with what was committed since they were last compared: of each id whose row is
// another now, or gone, the row that the state shows is kept.
func (r *rewrite) keep(ctx context.Context, newest *state.Reading) error {
	if r.env.Branches == nil {
		return nil
	}
	branches, err := r.env.Branches(ctx, newest.Snapshot())
	if err != nil {
		return fmt.Errorf("find out which states branches show: %w", err)
	}
	r.listed = branches.Listed
	for _, pinned := range branches.Pinned {
		if !slices.ContainsFunc(r.kept, func(k *keptState) bool { return k.Hash == pinned.Hash }) {
			k, err := r.newKept(pinned)
			if err == nil {
				err = checkOwn(newest, k.own)
			}
			if errors.Is(err, volume.ErrCorrupt) && r.env.ForgetDamaged {
				continue
			}
			if err != nil {
				return err
			}
			r.kept = append(r.kept, k)
		}
	}
	keep := r.keepRows
	if r.flat != nil {
		keep = r.keepFlat
	}
	for _, k := range r.kept {
		if k.Alone != nil {
			if r.frozen {
				continue // nobody shall wait for that yet
			}
			if err := r.copyAlone(ctx, newest.Of(k.own), k); err != nil {
				return err
			}
			continue
		}
		if err := keep(ctx, k, newest); err != nil {
			return fmt.Errorf("keep what branches show of epoch %d: %w", k.own.Epoch(), err)
		}
	}
	return nil
}

// checkOwn looks whether vectors are damaged that a state had and the newest has not: of one whose
// count is damaged no row would be met. The others are looked at as they are copied.
func checkOwn(newest *state.Reading, own *state.Snapshot) error {
	live := map[int64]bool{}
	for _, entry := range newest.Snapshot().Vectors() {
		live[entry.Offset] = true
	}
	for _, entry := range own.Vectors() {
		if live[entry.Offset] {
			continue
		}
		if err := rows.CheckVectors(newest.Of(own), entry); err != nil {
			return fmt.Errorf("keep what branches show of epoch %d: %w", own.Epoch(), err)
		}
	}
	return nil
}

// newKept is a state that has to be kept from now on.
func (r *rewrite) newKept(pinned Pinned) (*keptState, error) {
	k := &keptState{Pinned: pinned, own: pinned.Alone, ids: idset.New()}
	if k.own == nil {
		all := pinned.Sources.Snapshots()
		k.own = all[len(all)-1]
	} else {
		if r.flat != nil {
			return nil, fmt.Errorf("%w: branches show epoch %d of it, and what it inherited then cannot be read", volume.ErrCorrupt, k.own.Epoch())
		}
		k.left = k.own.Vectors()
	}
	k.seen = k.own
	return k, nil
}

// keepRows compares a kept state with newest.
func (r *rewrite) keepRows(ctx context.Context, k *keptState, newest *state.Reading) error {
	charge := newest.Snapshot().Backing().Memory().Charge()
	defer charge.Free()
	grows := rows.NewGrowingSets(&charge, 0)
	touched, err := rows.Touched(ctx, k.seen, newest.Snapshot(), &grows)
	if err != nil {
		return err
	}
	touched.Unite(r.without)
	touched.Remove(k.ids)
	if touched.Len() == 0 {
		k.seen = newest.Snapshot()
		return nil
	}
	if err := charge.Set(charge.Held() + rows.HashedRow*int64(touched.Len())); err != nil {
		return err
	}
	now, err := rows.HashRows(ctx, rows.Of(newest.Snapshot()), touched.Without(r.without))
	if err != nil {
		return err
	}
	payload := rowPayload{rewrite: r, state: k, dimension: k.Sources.Dimension()}
	sound := map[rows.Segment]bool{}
	err = rows.EachRow(ctx, k.Sources, touched, func(in rows.Readings, segment rows.Segment, id uint64, row []byte) error {
		inherited := segment.Source < len(in)-1
		if now.Is(id, row) || inherited && !now.Has(id) {
			return nil
		}
		if !sound[segment] {
			if err := rows.CheckVectors(in.Of(segment), segment.Entry); err != nil {
				return err
			}
			sound[segment] = true
		}
		k.ids.Insert(id)
		return payload.add(ctx, row)
	})
	if err == nil {
		err = payload.flush()
	}
	k.seen = newest.Snapshot()
	return err
}

// rowPayload gathers rows that are kept.
type rowPayload struct {
	*rewrite
	state     *keptState
	dimension int
	rows      uint32
	body      []byte
}

// keptRows is how many bytes of rows a segment of kept ones has, about.
const keptRows = 8 << 20

func (p *rowPayload) add(ctx context.Context, row []byte) error {
	p.body = append(p.body, row...)
	if p.rows++; len(p.body) < keptRows {
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	if p.frozen {
		return nil
	}
	return p.writeKept(ctx, p.state)
}

func (p *rowPayload) flush() error {
	if p.rows == 0 {
		return nil
	}
	prefix := segments.EncodeVecPrefix(uint16(p.dimension), p.rows)
	p.state.pending = append(p.state.pending, volume.NewSegment{Type: segments.TypeVec, Payload: append(prefix[:], p.body...)})
	p.rows, p.body = 0, nil
	return nil
}

// writeKept writes the rows of a kept state that wait for it. No manifest names them.
func (r *rewrite) writeKept(ctx context.Context, k *keptState) error {
	for _, segment := range k.pending {
		written, err := r.file.Put(ctx, segment, r.stamp)
		if err != nil {
			return err
		}
		k.rows = append(k.rows, state.EntryOf(written))
	}
	k.pending = nil
	return nil
}

// copyAlone copies the rows of a branch's kept state of which nobody knows what it inherits.
func (r *rewrite) copyAlone(ctx context.Context, old *state.Reading, k *keptState) error {
	for ; len(k.left) > 0; k.left = k.left[1:] {
		err := rows.CheckVectors(old, k.left[0])
		var copied segments.DirectoryEntry
		if err == nil {
			copied, err = r.copySegment(ctx, old, k.left[0])
		}
		if err != nil {
			return fmt.Errorf("keep what branches show of epoch %d: %w", k.own.Epoch(), err)
		}
		k.rows = append(k.rows, copied)
	}
	return nil
}

// writeAllKept is writeKept for all of them.
func (r *rewrite) writeAllKept(ctx context.Context) error {
	for _, k := range r.kept {
		if err := r.writeKept(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// roomForKept is how many bytes the kept states will take, at most.
func (r *rewrite) roomForKept() (room int64) {
	for _, k := range r.kept {
		const perSegment = segments.HeaderSize + segments.DirectoryEntrySize + 16
		entries := len(r.vectors) + len(k.rows) + len(k.pending) + 4
		room += int64(k.own.Manifest().EncodedSize()) + int64(entries)*perSegment + 1<<10
		for _, segment := range k.pending {
			room += int64(len(segment.Payload))
		}
		for _, entry := range slices.Concat(k.left, r.branchSegments(k)) {
			room += segments.HeaderSize + int64(min(entry.PayloadLength, uint64(k.own.Size())))
		}
	}
	for _, branch := range r.listed {
		const perBranch = 64
		room += perBranch + int64(len(branch.Name))
	}
	return room
}

// branchSegments are those by which a kept state is one of a branch itself.
func (r *rewrite) branchSegments(k *keptState) (entries []segments.DirectoryEntry) {
	if r.flat != nil {
		return nil
	}
	for _, kind := range branchTypes {
		if entry, some := k.own.LastOf(kind); some {
			entries = append(entries, entry)
		}
	}
	return entries
}

// branchTypes are those of the segments that make a branch, the last of each counts.
var branchTypes = []segments.Type{segments.TypeCowMap, segments.TypeMembership}

// finishKept copies and writes what is left of the rows of kept states.
func (r *rewrite) finishKept(ctx context.Context, base *state.Reading) error {
	if err := r.writeAllKept(ctx); err != nil {
		return err
	}
	for _, k := range r.kept {
		if err := r.copyAlone(ctx, base.Of(k.own), k); err != nil {
			return err
		}
	}
	return nil
}

// nameKept writes the kept states, which the manifest names, and the list of branches.
func (r *rewrite) nameKept(ctx context.Context, base *state.Reading, manifest *segments.Manifest) error {
	vectors := slices.Clone(manifest.Directory)
	copied := map[int64]segments.DirectoryEntry{}
	for _, k := range r.kept {
		kept := segments.KeptState{Pinned: k.Hash, Manifest: new(*k.own.Manifest())}
		kept.Manifest.Directory = slices.Clone(k.rows)
		if k.Alone == nil {
			kept.Manifest.Directory = slices.Concat(vectors, k.rows)
			kept.Shared = len(vectors)
			kept.Manifest.TotalVectors = r.ids.Without(k.ids).Len() + k.ids.Len()
		}
		for _, entry := range r.branchSegments(k) {
			if _, done := copied[entry.Offset]; !done {
				at, err := r.copySegment(ctx, base, entry)
				if err == nil {
					err = volume.Retire(r.file.Bytes(), at) // others would take it for that of the new state
				}
				if err != nil {
					return err
				}
				copied[entry.Offset] = at
			}
			kept.Manifest.Directory = append(kept.Manifest.Directory, copied[entry.Offset])
		}
		for _, entry := range kept.Manifest.Directory {
			var encoded [segments.HeaderSize]byte
			if err := volume.ReadFull(r.file.Bytes(), encoded[:], entry.Offset); err != nil {
				return err
			}
			header, err := segments.ParseHeader(encoded[:])
			if err != nil {
				return err
			}
			kept.Hashes = append(kept.Hashes, header.ContentHash)
		}
		kept.Offset = r.file.Tail()
		if err := r.appendNamed(ctx, manifest, volume.NewSegment{Type: segments.TypeKeptState, Payload: kept.Encode()}); err != nil {
			return err
		}
	}
	if len(r.listed) == 0 {
		return nil
	}
	return r.appendNamed(ctx, manifest, volume.NewSegment{Type: segments.TypeBranches, Payload: segments.EncodeBranches(r.listed)})
}

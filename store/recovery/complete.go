package recovery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// CutManifest is the newest manifest of a file, of which only the end was cut off that follows
// from the rest. When that is put back, the store is what it was, to the byte: its id, its newest
// state as branches and children know it, and what it keeps for them.
type CutManifest struct {
	Offset  int64  `json:"offset"`
	Epoch   uint32 `json:"epoch"`
	Missing int    `json:"missing"` // bytes

	length int64  // of the file
	end    []byte // what is missing
}

// deepest bounds the generations that are tried for a manifest of which the depth is missing.
const deepest = 1024

// CutManifest finds it; nil when there is none, or when nothing proves what is missing. It
// changes nothing.
func (t *Tails) CutManifest(ctx context.Context) (found *CutManifest, err error) {
	if t.remnants == nil {
		return nil, nil
	}
	var start int64
	var told identities
	if t.env.Head != nil {
		newest, err := t.env.Head.Look(ctx)
		if err != nil {
			return nil, err
		}
		if newest.Dialect() != segments.DialectRuntime {
			return nil, nil
		}
		start = newest.State().Segment.End()
		if identity, some := newest.Identity(); some {
			told.known = append(told.known, identity)
		}
	}
	file, err := t.remnants.Raw(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Describe()
	if err != nil || stat.Size <= start {
		return nil, err
	}
	walk := tailWalk{file: volume.Watch(ctx, file), start: start, size: stat.Size}
	var last tailPart
	manifests := 0
	err = walk.parts(func(p tailPart) (err error) {
		last = p
		switch {
		case p.Kind == segments.RemnantBytes:
		case p.Type == segments.TypeManifest:
			manifests++
		case p.isWhole(segments.TypeKeptState) || p.isWhole(segments.TypeWitness) || p.isWhole(segments.TypeCowMap):
			err = walk.tells(p, &told)
		}
		return err
	})
	if err != nil || manifests != 1 || last.Kind != segments.RemnantCut || last.Type != segments.TypeManifest || last.Stop() != stat.Size {
		return nil, err
	}
	return walk.complete(last, told.all())
}

// mostTold is how many of each kind of them count, the newest: all are tried.
const mostTold = 4

// identities are who a store may be by what stands in its file.
type identities struct {
	known []lineage.Identity
	bases []*segments.CowMap // by which a branch knows its parent
}

// all are those that are known, and of a branch also with the hashes that its maps have of its
// parent, wherever these stand.
func (i *identities) all() []lineage.Identity {
	all := slices.Clone(lastTold(i.known))
	for _, identity := range lastTold(i.known) {
		for _, base := range lastTold(i.bases) {
			if identity.ParentID == base.BaseID {
				identity.ParentHash = base.BaseHash
				all = append(all, identity)
			}
		}
	}
	return all
}

// lastTold are the newest of those that were told.
func lastTold[T any](told []T) []T { return told[max(0, len(told)-mostTold):] }

// tells adds what a segment tells of who the store is. What cannot be understood tells
// nothing.
func (t tailWalk) tells(p tailPart, told *identities) error {
	if p.PayloadLength > segments.MaxPayload {
		return nil
	}
	payload, err := t.payload(p)
	if err != nil {
		return err
	}
	switch p.Type {
	case segments.TypeKeptState:
		if kept, err := segments.ParseKeptState(payload); err == nil && kept.Manifest.HasIdentity {
			told.known = append(told.known, kept.Manifest.Identity)
		}
	case segments.TypeCowMap:
		if base, err := segments.ParseCowMap(payload); err == nil {
			told.bases = append(told.bases, base)
		}
	case segments.TypeWitness:
		witness, err := segments.ParseWitness(payload)
		if err != nil || witness.Kind != segments.WitnessLineage {
			return nil
		}
		if record, err := lineage.ParseRecord(witness.Action); err == nil {
			told.known = append(told.known, lineage.Identity{FileID: record.FileID, ParentID: record.ParentID, ParentHash: record.ParentHash})
		}
	}
	return nil
}

// complete tries what the store may be, with the content hash of the manifest as the judge.
func (t tailWalk) complete(p tailPart, known []lineage.Identity) (*CutManifest, error) {
	begun, whole, err := t.cutManifest(p)
	if err != nil || !whole {
		return nil, err
	}
	present, err := t.payload(p)
	if err != nil {
		return nil, err
	}
	at := begun.EncodedSize() // of the identity
	counted := at - 8*len(begun.Deleted) - 4
	if len(present) < at || int(binary.LittleEndian.Uint32(present[counted:])) != len(begun.Deleted) {
		return nil, nil
	}
	empty := (&segments.Manifest{}).EncodedSize()
	for _, identity := range append(known, lineage.Identity{}) { // of a root nearly all is zero
		for depth := range uint32(deepest) {
			if identity.Depth != 0 && depth > 0 || identity.ParentID.IsZero() && depth > 0 {
				break
			}
			of := identity
			of.Depth += depth
			payload := append(bytes.Clone(present[:at]), (&segments.Manifest{Identity: of, HasIdentity: true}).Encode()[empty:]...)
			if uint64(len(payload)) != p.PayloadLength {
				return nil, nil
			}
			copy(payload, present)
			if verdict, _ := segments.VerifyPayload(p.Header, bytes.NewReader(payload)); verdict != segments.HashMatch {
				continue
			}
			manifest, err := segments.ParseManifest(payload)
			if err != nil || !manifest.HasIdentity {
				continue
			}
			return &CutManifest{
				Offset: p.Offset, Epoch: manifest.Epoch, length: t.size, end: payload[len(present):], Missing: len(payload) - len(present),
			}, nil
		}
	}
	return nil, nil
}

// Complete puts back what is missing of a manifest.
func (t *Tails) Complete(ctx context.Context, m *CutManifest) error {
	return t.remnants.Extend(ctx, m.length, m.end)
}

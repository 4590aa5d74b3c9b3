package recovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// recoveryPlan is what a recovery of one tail comes to, judged by one state of the
// store.
type recoveryPlan struct {
	Result
	tails   *Tails
	base    *state.Snapshot
	options Options

	file      volume.Bytes
	walk      tailWalk
	info      tailInfo
	copies    map[int64]bool
	dimension int // of the vectors; 0 while none is known

	kept     map[int64]bool          // what states that are kept for branches have alone, likewise
	named    map[int64]bool          // by the manifest that was cut, by places in the store's file; nil: it does not tell
	listed   *idset.Set              // ids in lists of deletions
	gone     *idset.Set              // ids that the tail says are deleted, of which it has no later vector
	whole    *idset.Set              // ids of vectors in whole segments
	cut      *idset.Set              // ids of vectors in segments that were cut
	skip     *idset.Set              // ids that are not to be brought back
	delete   *idset.Set              // ids that are to be deleted
	hidden   *idset.Set              // ids that a filter in the tail shows no more of a parent's
	hide     *idset.Set              // ids that a branch is to show no more of its parent's
	branches []segments.ListedBranch // that the store does not list
	others   []tailPart              // other segments that are to be brought back
}

// What people are told of doubts.
const (
	DoubtNewer    = "vectors whose ids the store has stored or deleted since"
	DoubtUndelete = "deletions of ids that the store has stored since"
	DoubtBoth     = "deletions of ids that came with the same commit"
	DoubtCut      = "vectors of a segment that was cut, so that its hash proves nothing"
	DoubtDamaged  = "segments whose content is not what their hash says"
	DoubtHalf     = "segments of which only the beginning is there"
	DoubtOther    = "segments of vectors of another dimension"
	DoubtDialect  = "segments of vectors of the wire dialect"
	DoubtImage    = "images beside which the store has others since"
	DoubtBranch   = "segments of a branch, which count as a whole"
	DoubtHidden   = "vectors of its parent's that the branch was to show no more, but the list of what was deleted is not there"
	DoubtKept     = "states that were kept for branches, which cannot be read in another place"
	DoubtFormer   = "states that were kept for branches, and do not say any more which of the vectors that came back are theirs alone: some may be as they were before, or deleted"
	DoubtForm     = "segments in a form that cannot be taken over"

	remedyOverwrite = "--overwrite takes them all the same, --drop lets them go"
	remedyCut       = "--cut takes them, --drop lets them go"
	remedyDrop      = "--drop lets them go"
)

// planRecovery judges a tail by the snapshot. The plan's file must be closed.
func (t *Tails) planRecovery(ctx context.Context, base *state.Snapshot, tail Tail, options Options) (plan *recoveryPlan, err error) {
	p := &recoveryPlan{
		Result: Result{Tail: tail, Doubts: []Doubt{}}, tails: t, base: base, options: options,
		listed: idset.New(), gone: idset.New(), whole: idset.New(), cut: idset.New(), skip: idset.New(), delete: idset.New(), hidden: idset.New(), hide: idset.New(), copies: map[int64]bool{}, kept: map[int64]bool{},
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.file.Close())
		}
	}()
	for _, step := range []func(context.Context) error{p.findManifest, p.findKept, p.collect, p.judge} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	p.Gone = len(p.Doubts) == 0
	return p, nil
}

// open opens the file in which the tail's bytes are, and finds out where, and what was
// noted of them.
func (p *recoveryPlan) open(ctx context.Context) (err error) {
	p.dimension = p.base.Dimension()
	if !p.Kept {
		if p.file, err = p.tails.torn.Raw(ctx); err != nil {
			return err
		}
		p.file = volume.Watch(ctx, p.file)
		p.info = tailInfo{Tail: p.Tail}
		p.walk = tailWalk{file: p.file, start: p.Offset, size: p.Offset + p.Bytes, dimension: p.dimension}
		if err := p.tails.compare(ctx, p.base.In(p.file).During(ctx), &p.info); err != nil {
			return errors.Join(err, p.file.Close())
		}
	} else {
		file, info, start, err := p.tails.openTail(ctx, p.base, p.File)
		if err != nil {
			return err
		}
		p.file, p.info = file, info
		if p.dimension == 0 {
			p.dimension = info.Dimension
		}
		p.walk = tailWalk{file: file, start: start, size: start + info.Bytes, shift: info.Offset - start, dimension: p.dimension}
	}
	for _, place := range p.info.Copies {
		p.copies[place] = true
	}
	return nil
}

// findManifest looks for the manifest of the lost commit, of which the beginning may
// be there: its directory tells which segments were part of it. Where there are remains
// of more than one, none speaks for all.
func (p *recoveryPlan) findManifest(context.Context) error {
	count := 0
	err := p.walk.parts(func(part tailPart) error {
		if part.Type != segments.TypeManifest || part.Kind == segments.RemnantBytes {
			return nil
		}
		count++
		begun, complete, err := p.walk.cutManifest(part)
		if err != nil || !complete {
			return err
		}
		p.named = map[int64]bool{}
		for _, entry := range begun.Directory {
			p.named[entry.Offset] = true
		}
		p.gone.Add(begun.Deleted)
		return nil
	})
	if count > 1 {
		p.named, p.gone = nil, idset.New()
	}
	return err
}

// findKept looks for states that were kept for branches: the vectors that they have alone were
// replaced or deleted since. The directory of a manifest tells, too, where there is one.
func (p *recoveryPlan) findKept(context.Context) error {
	if p.named != nil {
		return nil
	}
	return p.walk.parts(func(part tailPart) error {
		if part.Type != segments.TypeKeptState || part.Kind == segments.RemnantBytes {
			return nil
		}
		var kept *segments.KeptState
		if part.Kind == segments.RemnantWhole && isRaw(part) {
			payload, charge, err := p.payload(part)
			if err != nil {
				return err
			}
			defer charge.Free()
			kept, _ = segments.ParseKeptState(payload)
		}
		if kept == nil || kept.Shared < 0 {
			p.doubt(DoubtFormer, remedyDrop, 1)
			return nil
		}
		for _, entry := range kept.Manifest.Directory[kept.Shared:] {
			p.kept[entry.Offset+part.place-kept.Offset] = true
		}
		return nil
	})
}

// vectorsOf reports whether the vectors of a part can be those of the store.
func (p *recoveryPlan) vectorsOf(part tailPart) bool {
	return part.vectors.rows > 0 && part.vectors.dimension == p.dimension && !p.copies[part.place] && !p.kept[part.place] &&
		(p.named == nil || p.named[part.place]) && !segments.IsWireHash(part.Header)
}

// collect goes through the tail and gathers ids.
func (p *recoveryPlan) collect(ctx context.Context) error {
	deleted := p.gone // by the manifest that was cut, and so for certain
	p.gone = idset.New()
	recent := idset.New() // ids of vectors since the last manifest
	err := p.walk.parts(func(part tailPart) error {
		switch {
		case part.Kind == segments.RemnantBytes:
		case part.Type == segments.TypeManifest:
			recent = idset.New()
		case part.Kind == segments.RemnantCut && part.Type == segments.TypeCowMap && p.base.IsBranch():
			// It is made anew.
		case part.isHalf():
			p.doubt(DoubtHalf, remedyDrop, 1)
		case part.Type == segments.TypeIndex || part.Type == segments.TypeWitness || part.Type == segments.TypeInvalid:
			// An index is made anew, and the audit chain tells of this commit.
		case part.Type == segments.TypeProfile && len(p.base.OfType(segments.TypeProfile)) > 0:
		case part.vectors.rows > 0:
			return p.collectVectors(ctx, part, recent)
		case part.isWhole(segments.TypeVec) || part.Kind == segments.RemnantCut && part.Type == segments.TypeVec:
			// Not one whole row is in it.
		case part.Kind == segments.RemnantCut:
			p.doubt(DoubtHalf, remedyDrop, 1)
		case part.isWhole(segments.TypeJournal):
			return p.collectDeletions(part, recent)
		case p.base.IsBranch() && (part.isWhole(segments.TypeMembership) || part.isWhole(segments.TypeCowMap)):
			return p.collectOfBranch(ctx, part)
		case part.isWhole(segments.TypeBranches):
			return p.collectList(ctx, part)
		case part.Kind == segments.RemnantWhole:
			return p.collectOther(ctx, part)
		default:
			p.doubt(DoubtDamaged, remedyDrop, 1)
		}
		return nil
	})
	if unlisted := p.hidden.Without(p.listed); unlisted.Len() > 0 {
		p.doubt(DoubtHidden, remedyDrop, unlisted.Len(), firstOf(unlisted)...)
	}
	deleted.Remove(p.gone)
	p.gone.Unite(deleted)
	return err
}

func (p *recoveryPlan) collectVectors(ctx context.Context, part tailPart, recent *idset.Set) error {
	if p.dimension == 0 {
		p.dimension, p.walk.dimension = part.vectors.dimension, part.vectors.dimension
	}
	switch {
	case segments.IsWireHash(part.Header):
		p.doubt(DoubtDialect, remedyDrop, 1)
		return nil
	case part.vectors.dimension != p.dimension:
		p.doubt(DoubtOther, remedyDrop, 1)
		return nil
	case p.kept[part.place]:
		return nil // the state that was kept is told of
	case p.copies[part.place]:
		p.Present += part.vectors.rows
		return nil
	case !p.vectorsOf(part):
		p.LeftOut += part.vectors.rows
		return nil
	}
	ids := p.whole
	if part.vectors.cut {
		ids = p.cut
	}
	return part.vectors.each(ctx, func(some []uint64, _ []byte) error {
		ids.Add(some)
		if !part.vectors.cut {
			set := idset.Of(some)
			recent.Unite(set)
			p.gone.Remove(set)
		}
		return nil
	})
}

func (p *recoveryPlan) collectDeletions(part tailPart, recent *idset.Set) error {
	return p.walk.deletions(part, func(id uint64) {
		p.listed.Insert(id)
		if recent.Contains(id) {
			p.doubt(DoubtBoth, remedyDrop, 1, id)
			return
		}
		p.gone.Insert(id)
	})
}

// isRaw reports whether the payload of a part is what its segment says, in a form that can be
// read and written as it is.
func isRaw(part tailPart) bool {
	return part.Compression == segments.CompressionNone && part.PayloadLength <= segments.MaxPayload && part.Flags&segments.FlagEncrypted == 0
}

// payload reads that of a part, which is raw, for as long as the returned charge is not freed.
func (p *recoveryPlan) payload(part tailPart) ([]byte, *memory.Charge, error) {
	charge := p.tails.env.Memory.Charge()
	if err := charge.Set(int64(part.PayloadLength)); err != nil {
		return nil, nil, err
	}
	payload, err := p.walk.payload(part)
	if err != nil {
		charge.Free()
	}
	return payload, &charge, err
}

// maxOthers bounds how many other segments of a tail are brought back at once.
const maxOthers = 1 << 16

func (p *recoveryPlan) collectOther(ctx context.Context, part tailPart) error {
	there, err := p.hasSegment(ctx, part)
	if err != nil || there {
		return err
	}
	switch {
	case part.Type == segments.TypeCowMap || part.Type == segments.TypeMembership:
		p.doubt(DoubtBranch, remedyDrop, 1)
		return nil
	case part.Type == segments.TypeKeptState:
		p.doubt(DoubtKept, remedyDrop, 1)
		return nil
	case p.named != nil && !p.named[part.place] && compute.KindOf(part.Type) != nil:
		return nil // it was replaced by the same commit, or given up
	case !isRaw(part):
		p.doubt(DoubtForm, remedyDrop, 1)
		return nil
	case len(p.others) >= maxOthers:
		return fmt.Errorf("%w: more than %d other segments", volume.ErrTooLarge, maxOthers)
	}
	if compute.KindOf(part.Type) != nil && !p.options.Overwrite {
		mates, err := p.mates(ctx, part)
		if err != nil {
			return err
		}
		for _, mate := range mates {
			if !p.info.had(imageMark(mate.Header)) {
				p.doubt(DoubtImage, remedyOverwrite, 1)
				return nil
			}
		}
	}
	p.others = append(p.others, part)
	p.Others++
	return nil
}

// hasSegment reports whether the store has a segment of exactly these bytes.
func (p *recoveryPlan) hasSegment(ctx context.Context, part tailPart) (there bool, err error) {
	err = p.base.With(ctx, state.Judging, func(in *state.Reading) error {
		for _, entry := range p.base.OfType(part.Type) {
			if entry.PayloadLength != part.PayloadLength {
				continue
			}
			same := true
			compared := &comparer{file: p.walk.file, offset: part.PayloadOffset(), same: &same}
			if err := volume.CopyRange(compared, in, entry.Offset+segments.HeaderSize, int64(entry.PayloadLength)); err != nil {
				return err
			}
			if there = same; there {
				return nil
			}
		}
		return nil
	})
	return there, err
}

// mates are the images of the store whose place an image of the tail would take.
func (p *recoveryPlan) mates(ctx context.Context, part tailPart) (mates []segments.Segment, err error) {
	prefix := make([]byte, min(part.PayloadLength, compute.PrefixSize))
	if err := volume.ReadFull(p.walk.file, prefix, part.PayloadOffset()); err != nil {
		return nil, err
	}
	err = p.base.With(ctx, state.Judging, func(base *state.Reading) error {
		rivals, err := compute.Rivals(base, part.Type, prefix)
		for _, entry := range rivals {
			segment, failed := base.ReadHeader(entry)
			if failed != nil {
				return failed
			}
			mates = append(mates, segment)
		}
		return err
	})
	return mates, err
}

// idState is what is known of an id that both the tail and the store have or had.
type idState struct {
	now, before          uint64 // digests of its vectors in the store
	lastWhole, lastCut   uint64 // and of its last ones in the tail
	isNow, was, isGone   bool   // whether it has a vector now, had one, is deleted
	inWhole, inCut, same bool   // which the tail has; one of them is that of now
}

// unchanged reports whether the store has not stored or deleted the id since the tail was
// cut off, other than from this very tail.
func (s *idState) unchanged(known bool) bool {
	switch {
	case s.isNow && s.same:
		return true
	case known:
		return s.isNow == s.was && s.now == s.before
	}
	return !s.isNow && !s.isGone
}

// judge decides what becomes of each id. Those of which the store knows nothing, and
// the tail says one thing, are brought back as they are.
func (p *recoveryPlan) judge(ctx context.Context) error {
	states, common, err := p.states(ctx)
	if err != nil {
		return err
	}
	if err := p.judgeInherited(ctx); err != nil {
		return err
	}
	p.Recovered += p.whole.Len() - p.whole.Shared(common)
	fresh := idset.New() // in segments that were cut, alone
	fresh.Unite(p.cut)
	fresh.Remove(p.whole)
	fresh.Remove(common)
	switch {
	case fresh.Len() == 0:
	case p.options.Cut:
		p.Recovered += fresh.Len()
	default:
		p.doubt(DoubtCut, remedyCut, fresh.Len(), firstOf(fresh)...)
	}
	for _, id := range slices.Sorted(maps.Keys(states)) {
		p.judgeID(id, states[id])
	}
	return nil
}

// firstOf lists the lowest ids of a set.
func firstOf(set *idset.Set) []uint64 {
	ids := set.Ascending()
	return ids[:min(len(ids), doubtIDs)]
}

// judgeID decides what becomes of an id that the store knows, too.
func (p *recoveryPlan) judgeID(id uint64, s *idState) {
	last, some := s.lastWhole, s.inWhole
	if s.inCut && p.options.Cut {
		last, some = s.lastCut, true
	}
	free := s.unchanged(p.info.Before >= 0) || p.options.Overwrite
	if s.inCut && !p.options.Cut && !(s.isNow && s.now == s.lastCut) && !(some && last == s.lastCut) {
		p.doubt(DoubtCut, remedyCut, 1, id)
	}
	deleted := p.gone.Contains(id) && !(s.inCut && p.options.Cut)
	if deleted || !some || s.isNow && s.now == last || !free {
		p.skip.Insert(id)
	}
	switch {
	case deleted && !s.isNow:
	case deleted && free:
		p.Deleted++
		p.delete.Insert(id)
	case deleted:
		p.doubt(DoubtUndelete, remedyOverwrite, 1, id)
	case !some:
	case s.isNow && s.now == last:
		p.Present++
	case free:
		p.Recovered++
	default:
		p.doubt(DoubtNewer, remedyOverwrite, 1, id)
	}
}

// states finds out what the store and the tail have of the ids that both know, or
// knew when the tail was cut off, and of which the tail says more than one thing.
func (p *recoveryPlan) states(ctx context.Context) (map[uint64]*idState, *idset.Set, error) {
	all := idset.New()
	for _, set := range []*idset.Set{p.whole, p.cut, p.gone} {
		all.Unite(set)
	}
	var common *idset.Set
	err := p.tails.env.IDs.At(ctx, p.base, func(stored *idset.Set) error {
		common = all.Common(stored)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, both := range []*idset.Set{p.whole.Common(p.cut), p.whole.Common(p.gone), p.cut.Common(p.gone)} {
		common.Unite(both)
	}
	states := map[uint64]*idState{}
	for _, id := range common.Ascending() {
		states[id] = &idState{}
	}
	for _, before := range p.info.before {
		if !all.Contains(before.id) {
			continue
		}
		if common.Insert(before.id) {
			states[before.id] = &idState{}
		}
		states[before.id].before, states[before.id].was = before.digest, true
	}
	for _, id := range p.base.Manifest().Deleted {
		if s, known := states[id]; known {
			s.isGone = true
		}
	}
	err = p.base.With(ctx, state.Judging, func(in *state.Reading) error {
		digests, err := digestsOf(ctx, in, common)
		for _, now := range digests {
			states[now.id].now, states[now.id].isNow = now.digest, true
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = p.eachVector(ctx, true, func(cut bool, ids []uint64, rows []byte) error {
		width := len(rows) / len(ids)
		for i, id := range ids {
			s, known := states[id]
			if !known {
				continue
			}
			digest := xxh3.Hash(rows[i*width : (i+1)*width])
			s.same = s.same || s.isNow && digest == s.now
			if cut {
				s.lastCut, s.inCut = digest, true
			} else {
				s.lastWhole, s.inWhole = digest, true
			}
		}
		return nil
	})
	return states, common, err
}

// eachVector visits the vectors of the tail that can be those of the store, in order;
// those of segments that were cut only if they are asked for.
func (p *recoveryPlan) eachVector(ctx context.Context, cut bool, visit func(cut bool, ids []uint64, rows []byte) error) error {
	return p.walk.parts(func(part tailPart) error {
		if !p.vectorsOf(part) || part.vectors.cut && !cut {
			return nil
		}
		return part.vectors.each(ctx, func(ids []uint64, rows []byte) error { return visit(part.vectors.cut, ids, rows) })
	})
}

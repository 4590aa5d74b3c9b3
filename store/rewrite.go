package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// rewrite is a compaction under way: a new file beside the old one. It first
// copies what one snapshot holds, then, again and again, what was committed
// meanwhile, until so little is left that the writers can wait for it.
type rewrite struct {
	store   *Store
	session *log.Session
	file    *filelog.Rewrite
	pacer   *throttle.Pacer
	stamp   uint64
	ids     *idset.Set // of all rows in the new file
	memory  memory.Charge
	grows   rows.GrowingSets // with ids
	vectors []segments.DirectoryEntry
	moved   map[int64]segments.DirectoryEntry // other segments, by their offset in the old file
	adopted []segments.DirectoryEntry         // of them, those that no manifest named
	firstID uint64                            // of the rewritten vector segments
	ids0    uint64                            // of these, how many are taken
	base    *state.Snapshot                   // up to where the old file is copied
	first   *state.Snapshot                   // where the copying began
	also    *idset.Set                        // ids to be left out as if they had been deleted
	segment int                               // vector segments of first
}

func newRewrite(ctx context.Context, s *Store, session *log.Session, also *idset.Set, share throttle.Share) *rewrite {
	r := &rewrite{
		store: s, session: session, memory: s.options.Memory.Charge(), pacer: throttle.NewPacer(ctx, share), stamp: uint64(time.Now().UnixNano()),
		ids: idset.New(), also: also, moved: map[int64]segments.DirectoryEntry{},
	}
	r.grows = rows.NewGrowingSets(&r.memory, rewriteBytes)
	return r
}

// rewriteBytes is the memory for blocks that are read and written.
const rewriteBytes = (blockCount + 1) * blockSize

const (
	// catchUps bounds how often a rewrite runs after its writers before it makes
	// them wait.
	catchUps = 8
	// takeOvers bounds how often it lets them go on because they were too fast.
	takeOvers = 4
)

// errFellBehind means that writers would have to wait too long.
var errFellBehind = errors.New("writers were faster")

func (r *rewrite) run(ctx context.Context) (result CompactResult, err error) {
	r.base = r.session.Base()
	// The new vector segments get ids above all that exist, so that names stay in
	// the order of the file.
	r.firstID = r.session.Turn().TakeIDs(uint64(r.base.Size()/segments.MaxPayload) + 2)
	r.first, r.segment = r.base, len(r.base.Vectors())
	if err := r.memory.Await(ctx, rewriteBytes); err != nil {
		return CompactResult{}, err
	}
	defer r.memory.Free()
	r.file, err = r.session.Turn().Rewrite(filelog.RewriteOptions{
		Pace: r.pacer.File, Limits: r.store.follow, Progress: &r.store.progress,
	})
	if err != nil {
		return CompactResult{}, err
	}
	defer func() { err = errors.Join(err, r.file.Abort()) }()
	return r.fill(ctx)
}

func (r *rewrite) fill(ctx context.Context) (result CompactResult, err error) {
	r.store.progress.total.Store(r.base.Size())
	err = r.first.Backing().With(ctx, func(old volume.File) (err error) {
		paced := r.pacer.File(old)
		if err := r.copyOthers(paced, 0, r.base); err != nil {
			return err
		}
		if err := r.copyVectors(ctx, paced); err != nil {
			return err
		}
		for try := 1; ; try++ {
			if err := r.follow(ctx, paced); err != nil {
				return err
			}
			result, err = r.takeOver(ctx, old, try == takeOvers)
			if !errors.Is(err, errFellBehind) {
				return err
			}
		}
	})
	return result, err
}

// follow runs after the writers: it takes over what they commit, and takes along
// what they write, until little is left. All of it goes to the disk before anybody
// has to wait for it.
func (r *rewrite) follow(ctx context.Context, old volume.File) error {
	for round := range catchUps {
		newest := r.session.Base()
		if round > 0 && r.behind(newest)+r.file.Lacks() < r.store.follow.Little {
			break
		}
		if err := r.file.MakeRoom(r.behind(newest), r.roomForManifest(newest)); err != nil {
			return err
		}
		if err := r.catchUp(ctx, old, newest); err != nil {
			return err
		}
		if err := r.file.Carry(r.roomForManifest(newest)); err != nil {
			return err
		}
		if err := r.file.Sync(); err != nil {
			return err
		}
		if round > 0 {
			r.pacer.Hurry() // or it would never catch up with a load that goes on
		}
	}
	// Commits know the newest entry of the audit chain; nobody shall wait for a walk
	// that finds it.
	_, err := r.base.In(old).LastWitness()
	return err
}

// roomForManifest is how many bytes the rewrite will write behind the last commit,
// when newest is that: metadata, a membership filter, the witness entry and the
// manifest.
func (r *rewrite) roomForManifest(newest *state.Snapshot) int64 {
	const witnessAndHeaders = 1 << 10
	entries := len(r.vectors) + len(r.adopted) + 2
	room := int64(newest.Manifest().EncodedSize()) + int64(entries)*segments.DirectoryEntrySize + witnessAndHeaders
	for _, entry := range newest.Named() {
		if entry.Type != segments.TypeMeta && entry.Type != segments.TypeMembership {
			continue
		}
		room += 2*segments.HeaderSize + int64(min(entry.PayloadLength, uint64(newest.Size())))
	}
	return room
}

// copyOthers copies, in file order, what is no vector and no bookkeeping and was not
// copied before: what the manifest of base names, wherever it lies and whatever became
// of its header; and of what a walk from the offset from on finds besides each segment
// that the engine does not understand, and the audit chain. A segment that is named
// only now may lie before others that were named long ago: its place was taken first.
func (r *rewrite) copyOthers(old volume.File, from int64, base *state.Snapshot) error {
	named := map[int64]bool{}
	var waiting []segments.DirectoryEntry // named, in file order
	var total int64
	for _, entry := range base.Live() {
		named[entry.Offset] = true
		if r.lacks(entry) && kept(entry.Type) {
			waiting = append(waiting, entry)
			total = min(total, math.MaxInt64/2) + int64(min(entry.PayloadLength, math.MaxInt64/2))
		}
	}
	if total > base.Size() {
		return fmt.Errorf("%w: the manifest names %d bytes of segments in a file of %d", volume.ErrCorrupt, total, base.Size())
	}
	copyNamed := func(before int64) error {
		for len(waiting) > 0 && waiting[0].Offset < before {
			entry, err := r.copySegment(old, waiting[0])
			if err != nil {
				return err
			}
			r.moved[waiting[0].Offset] = entry
			waiting = waiting[1:]
		}
		return nil
	}
	err := base.In(old).WalkFrom(from, func(segment segments.Segment) error {
		if named[segment.Offset] || !kept(segment.Type) || embedded(segment.Type) {
			return nil
		}
		if err := copyNamed(segment.Offset); err != nil {
			return err
		}
		entry, err := r.copySegment(old, state.EntryOf(segment))
		if err == nil && segment.Type != segments.TypeWitness {
			r.adopted = append(r.adopted, entry)
		}
		return err
	})
	if err != nil {
		return err
	}
	return copyNamed(math.MaxInt64)
}

// kept says whether a rewrite copies segments of a type, which is all but those
// that it makes anew or that the next manifest makes needless.
func kept(kind segments.Type) bool {
	switch kind {
	case segments.TypeVec, segments.TypeIndex, segments.TypeJournal, segments.TypeManifest, segments.TypeMeta:
		return false
	}
	return true
}

// embedded tells the types of which the engine knows that a segment counts only
// where a manifest names it.
func embedded(kind segments.Type) bool {
	switch kind {
	case segments.TypeKernel, segments.TypeEBPF, segments.TypeWASM, segments.TypeDashboard,
		segments.TypeCowMap, segments.TypeMembership:
		return true
	}
	return false
}

// copySegment copies one segment byte for byte to the end of the new file.
func (r *rewrite) copySegment(old volume.File, segment segments.DirectoryEntry) (segments.DirectoryEntry, error) {
	length := segments.HeaderSize + int64(min(segment.PayloadLength, math.MaxInt64/2))
	at, err := r.file.Copy(old, segment.Offset, length)
	if err != nil {
		return segments.DirectoryEntry{}, fmt.Errorf("copy the %s at offset %d: %w", segment.Type, segment.Offset, err)
	}
	entry := segment
	entry.Offset = at
	r.store.progress.Done(length)
	return entry, nil
}

// lacks says whether a segment, other than of vectors, was not copied yet.
func (r *rewrite) lacks(entry segments.DirectoryEntry) bool {
	_, copied := r.moved[entry.Offset]
	return !copied
}

// newVectors lists the vector segments that newest has and base has not. They can
// lie anywhere: what is committed last may have been begun first.
func (r *rewrite) newVectors(newest *state.Snapshot) []segments.DirectoryEntry {
	known := map[int64]bool{}
	for _, entry := range r.base.Vectors() {
		known[entry.Offset] = true
	}
	return slices.DeleteFunc(newest.Vectors(), func(entry segments.DirectoryEntry) bool { return known[entry.Offset] })
}

// behind is how many bytes at most have to be copied to take over newest.
func (r *rewrite) behind(newest *state.Snapshot) int64 {
	if newest == r.base {
		return 0
	}
	end := r.base.Size()
	bytes := newest.Size() - end
	others := slices.DeleteFunc(newest.Named(), func(entry segments.DirectoryEntry) bool { return !kept(entry.Type) || !r.lacks(entry) })
	for _, entry := range slices.Concat(r.newVectors(newest), others) {
		if entry.Offset < end {
			bytes += segments.HeaderSize + int64(min(entry.PayloadLength, uint64(newest.Size())))
		}
	}
	return bytes
}

// catchUp copies what newest has and base has not.
func (r *rewrite) catchUp(ctx context.Context, old volume.File, newest *state.Snapshot) error {
	if newest == r.base {
		return nil
	}
	if err := r.copyOthers(old, r.base.Size(), newest); err != nil {
		return err
	}
	added := r.newVectors(newest)
	for _, entry := range added {
		if _, err := state.ReadHeader(old, entry); err != nil {
			return err
		}
		copied, err := r.copySegment(old, entry)
		if err != nil {
			return err
		}
		r.vectors = append(r.vectors, copied)
	}
	r.base = newest
	return rows.CollectIDs(ctx, newest.In(old), added, r.ids, &r.grows)
}

package compact

import (
	"context"
	"errors"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// rewrite is a compaction under way: a new file beside the old one. It first
// copies what one snapshot holds, then, again and again, what was committed
// meanwhile, until so little is left that the writers can wait for it.
type rewrite struct {
	env      Environment
	progress *progress
	session  *log.Session
	file     volume.Rewrite
	pacer    *throttle.Pacer
	stamp    uint64
	without  *idset.Set // ids to be left out as if they had been deleted
	flat     *Flat      // nil: a branch stays one

	start    *state.Snapshot // where the copying began
	base     *state.Snapshot // up to where the old file is copied
	replaced int             // vector segments of start

	ids      *idset.Set // of all rows in the new file
	memory   memory.Charge
	grows    rows.GrowingSets // with ids
	vectors  []segments.DirectoryEntry
	firstID  uint64                            // of the rewritten vector segments
	idsTaken uint64                            // of these, how many are taken
	moved    map[int64]segments.DirectoryEntry // other segments, by their offset in the old file
	adopted  []segments.DirectoryEntry         // of them, those that no manifest named
	retired  []segments.DirectoryEntry         // of them, those that were made dead in the new file
	dropped  dropped
	lost     uint32 // highest epoch of a state that is lost

	kept   []*keptState            // states that branches show
	listed []segments.ListedBranch // those branches
	frozen bool                    // writers wait
}

func newRewrite(ctx context.Context, c *Compactor, session *log.Session, without *idset.Set, share throttle.Share) *rewrite {
	base := session.Base()
	r := &rewrite{
		env: c.env, progress: &c.progress, session: session, pacer: throttle.NewPacer(ctx, share), stamp: uint64(time.Now().UnixNano()), without: without,
		start: base, base: base, replaced: len(base.Vectors()),
		ids: idset.New(), memory: base.Backing().Memory().Charge(), moved: map[int64]segments.DirectoryEntry{},
	}
	r.grows = rows.NewGrowingSets(&r.memory, rewriteBytes)
	r.dropped.memory = base.Backing().Memory().Charge()
	return r
}

// rewriteBytes is the memory for blocks that are read and written.
const rewriteBytes = (blockCount + 1) * blockSize

func (r *rewrite) run(ctx context.Context) (result Result, err error) {
	// The new vector segments get ids above all that exist, so that names stay in
	// the order of the file.
	r.firstID = r.session.TakeIDs(uint64(r.base.Size()/segments.MaxPayload) + 2)
	if r.env.Lost != nil {
		if r.lost, err = r.env.Lost(ctx); err != nil {
			return Result{}, err
		}
	}
	if err := r.memory.Await(ctx, rewriteBytes); err != nil {
		return Result{}, err
	}
	defer r.memory.Free()
	defer r.dropped.memory.Free()
	r.file, err = r.session.Rewrite(ctx, volume.RewriteOptions{Reads: r.pacer.Bytes, Writes: r.pacer.Scratch, Limits: r.env.Follow, Progress: r.progress})
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, r.file.Abort()) }()
	return r.fill(ctx)
}

// takeOvers bounds how often a rewrite lets its writers go on because they were too fast.
const takeOvers = 4

func (r *rewrite) fill(ctx context.Context) (result Result, err error) {
	r.progress.total.Store(r.base.Size())
	err = r.start.With(ctx, state.Judging, func(old *state.Reading) error {
		paced := old.Through(r.pacer.Bytes)
		if err := r.copyOthers(ctx, paced.Of(r.base), 0); err != nil {
			return err
		}
		if err := r.dropped.fold(paced.Of(r.base)); err != nil {
			return err
		}
		if err := r.withShown(ctx, paced.Of(r.base), func(in rows.Readings) error { return r.copyVectors(ctx, in) }); err != nil {
			return err
		}
		if err := errors.Join(r.keep(ctx, paced.Of(r.base)), r.writeAllKept(ctx)); err != nil {
			return err
		}
		result, err = r.followAndTakeOver(ctx, old, paced)
		return err
	})
	return result, err
}

// followAndTakeOver runs after the writers until it has taken over. Of the writers of this machine
// it lets some go first; to those of others it loses until it is its turn.
func (r *rewrite) followAndTakeOver(ctx context.Context, old, paced *state.Reading) (result Result, err error) {
	err = r.follow(ctx, paced)
	for try := 1; err == nil; {
		result, err = r.takeOver(ctx, old, try == takeOvers)
		switch {
		case errors.Is(err, errFellBehind):
			try++
			err = r.follow(ctx, paced)
		case errors.Is(err, volume.ErrMoved) && !errors.Is(err, errReplaced) && r.session.Failed() == nil:
			err = nil
		default:
			return result, err
		}
	}
	return Result{}, err
}

package compact

import (
	"context"
	"errors"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// Environment is what a compactor needs of whoever has it.
type Environment struct {
	// Log is the store's, in whose sessions it takes part.
	Log *log.Log
	// Head knows the newest state.
	Head *state.Head
	// IDs are told which ids are left.
	IDs *rows.IDTable
	// Branches tells what branches show of the store, as it is in a state; nil: there are
	// none.
	Branches func(context.Context, *state.Snapshot) (Branches, error)
	// ForgetDamaged lets what is damaged of the list of branches, and of states that were kept for
	// them, go.
	ForgetDamaged bool
	// Fresh is how a branch names its parent now; nil, or a map of nil, is as it does.
	Fresh func(context.Context, *state.Snapshot) (FreshMap, error)
	// Lost is the highest epoch of a state that is lost, which no other may have; nil: there
	// is none.
	Lost func(context.Context) (uint32, error)
	// ToldLost is told of the state after a rewrite, whose audit chain tells of these.
	ToldLost func(context.Context, *state.Snapshot)
	// Follow says how it runs after its writers; zero is as usual.
	Follow volume.FollowLimits
	// OnCompaction is told of each compaction that Consider began; it may be nil.
	OnCompaction func(Result, error)
}

// Compactor compacts one store. Its methods may be called from several goroutines.
type Compactor struct {
	env Environment

	compacting shared.Turn // held by the compaction that is under way
	progress   progress    // of that one
	background background
}

// usualFollow is how a compaction runs after its writers.
var usualFollow = volume.FollowLimits{Little: 4 << 20, Frozen: 64 << 20}

// New makes a compactor that has nothing to do yet. Stop ends what it does by itself.
func New(env Environment) *Compactor {
	if env.Follow == (volume.FollowLimits{}) {
		env.Follow = usualFollow
	}
	return &Compactor{env: env, compacting: shared.NewTurn()}
}

// Result tells what a compaction did.
type Result struct {
	SegmentsCompacted int   // vector segments that were rewritten
	BytesReclaimed    int64 // by which the file became shorter
	Epoch             uint32
}

// Compact rewrites the store at full speed: live vectors, the audit chain, named compute
// segments, and every segment of a type that the engine does not understand, byte for
// byte. Streams and readers go on meanwhile; what they commit is taken in, and then the
// new file takes the old one's place in one step. The vectors in without are left out as
// if they had been deleted before; nil is none.
func (c *Compactor) Compact(ctx context.Context, without *idset.Set) (Result, error) {
	return c.run(ctx, without, nil, throttle.FullSpeed)
}

// rewrites bounds how often one begins anew that does more than others, because another machine's
// came first.
const rewrites = 8

// run is Compact that keeps to a share of the disk's time.
func (c *Compactor) run(ctx context.Context, without *idset.Set, flat *Flat, share throttle.Share) (Result, error) {
	if err := c.compacting.Take(ctx); err != nil {
		return Result{}, err
	}
	c.progress.begin(share)
	defer func() {
		c.progress.end()
		c.compacting.Give()
	}()
	session, err := c.env.Log.Begin(ctx)
	if err != nil {
		return Result{}, err
	}
	release, err := c.env.Log.HoldMerges(ctx)
	if err != nil {
		return Result{}, errors.Join(err, session.End())
	}
	if without == nil {
		without = idset.New()
	}
	var result Result
	for try := 1; ; try++ {
		rewrite := newRewrite(ctx, c, session, without, share)
		rewrite.flat = flat
		if result, err = rewrite.run(ctx); !errors.Is(err, errReplaced) || share != throttle.FullSpeed || try == rewrites {
			break
		}
		if flat == nil && without.Len() == 0 { // what was asked for has been done, by another machine
			result, err = Result{Epoch: session.Base().Epoch()}, nil
			break
		}
	}
	release()
	return result, errors.Join(err, session.End())
}

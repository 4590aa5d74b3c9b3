package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Options says what becomes of the tails of a store.
type Options struct {
	// List changes nothing and tells what would be done.
	List bool
	// Drop lets the tails go instead of bringing them back.
	Drop bool
	// Cut also takes the whole rows of segments that were cut, though no hash says any
	// more that they are right.
	Cut bool
	// Overwrite takes what the tail has also where the store has stored or deleted the
	// same ids, or embedded such images, since.
	Overwrite bool
	// Only names the kept tails to look at; none means all, and what is in the file.
	Only []string
}

// Result tells what became of one tail.
type Result struct {
	Tail
	Recovered uint64 `json:"recovered"`          // vectors that were brought back
	Present   uint64 `json:"present"`            // vectors that the store has already, as they are
	Deleted   uint64 `json:"deleted"`            // vectors that were deleted again
	Others    uint64 `json:"other_segments"`     // other segments that were brought back
	Listed    uint64 `json:"branches,omitempty"` // branches that the store lists again
	// LeftOut counts vectors of which it is certain that they were never part of the
	// store.
	LeftOut uint64 `json:"left_out,omitempty"`
	// Doubts are what was not brought back, and why. While there are any the tail
	// stays.
	Doubts  []Doubt `json:"doubts"`
	Dropped bool    `json:"dropped"` // it was let go, as it was asked for
	Gone    bool    `json:"gone"`    // nothing is left of it to decide upon
	// Stays is why its file is there all the same.
	Stays       string `json:"stays,omitempty"`
	RecoveredAt uint32 `json:"recovered_in_epoch,omitempty"`
}

// Doubt is something in a tail that only people can decide upon.
type Doubt struct {
	Reason string   `json:"reason"`
	Count  uint64   `json:"count"`
	IDs    []uint64 `json:"ids,omitempty"` // the first of them
	Remedy string   `json:"remedy"`
}

// doubtIDs is how many ids of each doubt are listed.
const doubtIDs = 10

// doubt counts so many more things of a doubt, of which some may have ids.
func (r *Result) doubt(reason, remedy string, count uint64, ids ...uint64) {
	at := slices.IndexFunc(r.Doubts, func(d Doubt) bool { return d.Reason == reason })
	if at < 0 {
		at = len(r.Doubts)
		r.Doubts = append(r.Doubts, Doubt{Reason: reason, Remedy: remedy})
	}
	d := &r.Doubts[at]
	d.Count += count
	d.IDs = append(d.IDs, ids[:min(len(ids), doubtIDs-len(d.IDs))]...)
}

// Recover brings back what stands behind the newest manifest of a store, and what was
// kept of such beside it, in one commit for each tail. Nothing that is newer is
// overwritten unless that is asked for; what is doubtful is listed, and stays. A tail
// of which nothing is left to decide upon is removed when all of it is on the disk.
// An interruption loses nothing, and a second run does what is left.
func (t *Tails) Recover(ctx context.Context, options Options) ([]Result, error) {
	recoverTails := t.recoverTails
	if options.List {
		recoverTails = t.listRecoveries
	}
	return recoverTails(ctx, options)
}

// recoverTails works on kept tails alone: a session keeps what stands in the file
// before it writes anything.
func (t *Tails) recoverTails(ctx context.Context, options Options) (results []Result, err error) {
	session, err := t.env.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.End()) }()
	tails, err := t.chosenTails(ctx, options)
	if err != nil {
		return nil, err
	}
	var stay error
	for _, tail := range tails {
		settle := t.recoverTail
		if options.Drop {
			settle = t.dropTail
		}
		result, err := settle(ctx, session, tail, options)
		if err != nil {
			return results, errors.Join(stay, fmt.Errorf("%s: %w", tail.File, err))
		}
		if result.Gone {
			if err := t.removeTail(context.WithoutCancel(ctx), session, tail); err != nil {
				// What was done is done, and a second run finds nothing left to do.
				result.Gone, result.Stays = false, err.Error()
				stay = errors.Join(stay, fmt.Errorf("%s cannot be removed: %w", tail.File, err))
			}
		}
		results = append(results, result)
	}
	told, err := t.tellLost(ctx, session)
	if len(results) == 0 {
		results = told
	}
	return results, errors.Join(stay, err)
}

// tellLost has the store itself tell of a state that is lost, where nothing was brought back
// by a commit that does. Its result is that of a tail in which there was nothing else.
func (t *Tails) tellLost(ctx context.Context, session *log.Session) ([]Result, error) {
	base, lost := session.Base(), t.known.lostEpoch()
	if lost <= base.Epoch() {
		return nil, nil
	}
	epoch, err := session.Commit(ctx, log.Change{})
	if err != nil {
		return nil, err
	}
	return []Result{lostOnly(base.Epoch(), lost, epoch)}, nil
}

// lostOnly is what comes of a state of which nothing is left but that it is lost.
func lostOnly(behind, lost, told uint32) Result {
	return Result{Tail: Tail{Epoch: behind, LostEpoch: lost}, Doubts: []Doubt{}, RecoveredAt: told, Gone: true}
}

// chosenTails are the kept tails that the options are about.
func (t *Tails) chosenTails(ctx context.Context, options Options) ([]Tail, error) {
	if len(options.Only) > 0 {
		newest, err := t.env.Head.Look(ctx)
		if err != nil {
			return nil, err
		}
		chosen := make([]Tail, 0, len(options.Only))
		for _, name := range options.Only {
			tail, err := t.readTail(ctx, newest, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			tail.File, tail.Kept = name, true
			chosen = append(chosen, tail)
		}
		return chosen, nil
	}
	tails, err := t.Kept(ctx)
	if err != nil {
		return nil, err
	}
	for _, tail := range tails {
		if tail.Problem != "" && !options.Drop {
			return nil, fmt.Errorf("%s: %w: %s", tail.File, volume.ErrCorrupt, tail.Problem)
		}
	}
	return tails, nil
}

// listRecoveries tells what would be done, and changes nothing.
func (t *Tails) listRecoveries(ctx context.Context, options Options) ([]Result, error) {
	tails, err := t.chosenTails(ctx, options)
	if err != nil {
		return nil, err
	}
	if len(options.Only) == 0 {
		if tails, err = t.List(ctx); err != nil {
			return nil, err
		}
	}
	var results []Result
	for _, tail := range tails {
		err := t.withNewest(ctx, func(snapshot *state.Snapshot) error {
			plan, err := t.planRecovery(ctx, snapshot, tail, options)
			if err != nil {
				return err
			}
			results = append(results, plan.Result)
			return plan.file.Close()
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tail.File, err)
		}
	}
	if len(results) > 0 || len(options.Only) > 0 {
		return results, nil
	}
	seen := t.known.lastSeen() // by List
	if seen.snapshot == t.env.Head.Current() && seen.tail.LostEpoch > seen.tail.Epoch {
		results = append(results, lostOnly(seen.tail.Epoch, seen.tail.LostEpoch, 0))
	}
	return results, nil
}

// recoverTail brings a kept tail back.
func (t *Tails) recoverTail(ctx context.Context, session *log.Session, tail Tail, options Options) (result Result, err error) {
	newest := func(context.Context) (*state.Snapshot, error) { return session.Base(), nil }
	err = state.OnNewest(ctx, newest, func(base *state.Snapshot) (err error) {
		plan, err := t.planRecovery(ctx, base, tail, options)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, plan.file.Close()) }()
		err = plan.carryOut(ctx, session)
		result = plan.Result
		return err
	})
	return result, err
}

// dropTail lets a kept tail go. The audit chain tells; and a manifest that stands
// behind what could not be cut out of the file says that nobody wants it.
func (t *Tails) dropTail(ctx context.Context, session *log.Session, tail Tail, _ Options) (Result, error) {
	result := Result{Tail: tail, Doubts: []Doubt{}, Dropped: true, Gone: true}
	epoch, err := session.Commit(ctx, log.Change{Actions: []log.Action{log.Recover("dropped", tail.Vectors+tail.CutVectors, tail.Deletions, tail.Embedded)}})
	result.RecoveredAt = epoch
	return result, err
}

// Forget removes a kept tail whose store is gone.
func (t *Tails) Forget(ctx context.Context, tail Tail) error {
	t.known.forgetHighest()
	return t.remnants.RemoveRemnant(ctx, tail.File)
}

// removeTail removes a kept tail of which nothing is left to decide upon. It belongs to a
// commit that counts already, so nobody gives it up.
func (t *Tails) removeTail(ctx context.Context, session *log.Session, tail Tail) error {
	if err := session.Guard(ctx); err != nil {
		return err
	}
	return t.Forget(ctx, tail)
}

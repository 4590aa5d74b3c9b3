package store

import (
	"context"
	"os"
	"time"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/recovery"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Options says how a store is opened.
type Options struct {
	// Shelf is where the store is. It is open for as long as the store is, and there has to
	// be one.
	Shelf volume.Shelf
	// TurnWait is how long a first write waits for another writer before it
	// fails with ErrHeld; 0 means DefaultTurnWait, negative not at all.
	TurnWait time.Duration
	// ByName lets what is written go to whatever file has the store's name when the writer lock
	// is had, as long as it holds the store that was opened: another program may have compacted it
	// while the lock was waited for. It is for who may do with each such file what the system
	// lets him. Otherwise streams stay with the file that they were opened on.
	ByName bool
	// Memory bounds what the store holds in memory for its users, together with other
	// stores of the same budget; nil does not.
	Memory *memory.Budget
	// Owner is what whoever opens the store knows it by; Backing.Owner gives it back.
	Owner any
	// Parents finds the stores that branches show vectors of; nil: nobody does.
	Parents Parents
	// Searched says of a branch for which Parents gives none what is the matter with the path that
	// it has of its parent, where else there is none, and what helps; nil: it is looked for there alone.
	Searched func(ctx context.Context, path string) string
	// Branches finds the branches of the store; nil: those that it lists are all.
	Branches Branches
	// ForgetDamaged lets rewrites take what is damaged of what the store keeps for its branches for
	// nothing; otherwise they are refused.
	ForgetDamaged bool
	// Known is what an earlier Store of the same file knew of it; zero is nothing.
	Known Known
	// Durability is what a commit promises; the zero value is the strictest.
	Durability Durability
	// Checker checks content hashes as segments are read; nil: nobody does.
	Checker *state.Checker
	// OnDamage is told once of each segment that Checker finds damaged, from a
	// goroutine of its own and with no lock held, also after the store was closed.
	OnDamage func(state.DamagedSegment)
	// OnLateLoss is told when commits could not be made durable after they were
	// acknowledged, which DurableStrict never does.
	OnLateLoss func(error)
	// Background lets the store compact itself by the published policy.
	Background bool
	// OnCompaction is told of each compaction that the store itself began.
	OnCompaction func(CompactResult, error)
	// OnTail is told when what somebody wrote behind the newest manifest had to be cut
	// off, and was kept beside the store.
	OnTail func(recovery.Tail)
	// OnTailLeft is told when what is kept beside the store, at the bare name tail, could
	// not go along to moved, when the store got another name.
	OnTailLeft func(tail, moved string, err error)
	// TailNames lists, for Tails, the names of files in the store's folder of which some
	// may be kept tails, besides those that this Store itself has kept; nil: they are
	// looked for at each call.
	TailNames func() []string
	// OnCommit is called after each commit of this process, while the next one waits.
	OnCommit func(*state.Snapshot)
}

// source is what all files of the store are read by.
func (o Options) source() state.BackingOptions {
	return state.BackingOptions{Memory: o.Memory, Checker: o.Checker, OnDamage: o.OnDamage, Owner: o.Owner}
}

// DefaultTurnWait suits a person who waits at a prompt.
const DefaultTurnWait = 2 * time.Second

func (o Options) turnWait() time.Duration {
	if o.TurnWait == 0 {
		return DefaultTurnWait
	}
	return max(o.TurnWait, 0)
}

// CreateOptions fixes what a new store is.
type CreateOptions struct {
	// Dimension is the number of components of each vector, 1 to 65535, or 0 to
	// let the first vectors fix it.
	Dimension int
	Metric    segments.Metric
	// Perm is the new file's mode, nil for 0644, of which the process and the folder
	// may take some.
	Perm *os.FileMode
	// Shelf makes the store; nil for that of Options. It is the same one, but may
	// be reached with somebody else's rights.
	Shelf volume.Shelf
}

package log

import (
	"context"
	"sync"
	"time"

	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Environment is what a log needs of whoever has it.
type Environment struct {
	// File is where all is written, and Head is told of each new state.
	File volume.Log
	Head *state.Head
	// Writable refuses a state to which nobody may write.
	Writable func(context.Context, *state.Snapshot) error
	// Keep sees to it that nobody misses what stands in the file behind its newest
	// state, for that is cut off then. Nobody else can write meanwhile.
	Keep func(ctx context.Context, file volume.Bytes, base *state.Snapshot) error
	// Published tells others of a new state. The turn to commit is held meanwhile, and no
	// mutex.
	Published func(*state.Snapshot)
	// Hooks have their say in every commit, in this order.
	Hooks []Hook
	// Clock dates what is written.
	Clock func() time.Time
}

// Hook is what somebody wants to know of commits, and to say in them.
type Hook interface {
	// Draft looks at a commit before anything of it is written, and may change its
	// manifest and add small segments to it. What it looks for ends with ctx. When the
	// commit counts, and before anybody is told of it, committed is called; it may be nil.
	Draft(ctx context.Context, draft *Draft) (committed Committed, err error)
}

// Committed is told of the new state that a commit has made. What it looks for ends with
// ctx, and must not be missed then: the commit counts.
type Committed func(ctx context.Context, after *state.Snapshot)

// Log is a store's way to change its file. At most one session exists at a time; all
// writers of this process share it.
type Log struct {
	env Environment

	lead    shared.Turn    // held by the commit, or the rewrite, that is under way; guards the next two
	apart   map[int64]bool // offsets of segments that cannot be merged
	apartIn *state.Backing // the file they are in

	mu      sync.Mutex // guards what follows and the shared parts of a session
	session *Session
	busy    chan struct{} // closed when the session's start, end or a rewrite is over
	alone   chan struct{} // closed when who wants, or has, a session alone is done
	queue   []*request    // commits that wait for their turn
	leading bool          // a commit is under way
	merging int           // merges are off while above zero
}

// New makes a log that has no session yet.
func New(env Environment) *Log { return &Log{env: env, lead: shared.NewTurn()} }

// Frozen reports whether writers have to wait for a rewrite.
func (l *Log) Frozen() bool {
	l.mu.Lock()
	s := l.session
	l.mu.Unlock()
	return s != nil && s.turn.Frozen()
}

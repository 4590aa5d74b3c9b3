package ingest

import (
	"context"
	"errors"
	"sync"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
)

// Environment is what vectors need of the store that they go into.
type Environment struct {
	// Head knows the newest state.
	Head *state.Head
	// IDs are those that are stored.
	IDs *rows.IDTable
	// Memory bounds what is held on the way.
	Memory *memory.Budget
	// Streams are those into the store that are open.
	Streams *stream.Register
	// Begin joins the session of the store's log.
	Begin func(context.Context) (*log.Session, error)
	// Kept is the highest id of what was cut off and may be brought back.
	Kept func(context.Context) (highest uint64, some bool, err error)
	// Inherited are those of some ids that a branch shows of its parent's vectors and does
	// not store; nil, or none, for a store that is no branch.
	Inherited func(ctx context.Context, branch *state.Snapshot, ids *idset.Set) (*idset.Set, error)
	// Compact rewrites the store without the vectors of some ids.
	Compact func(ctx context.Context, without *idset.Set) error
}

// Vectors is what is known of a store's vectors as long as a session lasts, and what they
// want of its commits.
type Vectors struct {
	env Environment

	drafted *draft // of the commit under way; the log's turn to commit guards it

	mu        sync.Mutex // guards what follows
	numbering *numbering // of the newest session
}

// New lets vectors into a store, and out of it. Its hooks have to be the log's.
func New(env Environment) *Vectors { return &Vectors{env: env} }

// Commit is Session.Commit for a change that may delete. A deleted id that no manifest
// may name is let go by a compaction first.
func (v *Vectors) Commit(ctx context.Context, session *log.Session, c log.Change) (uint32, error) {
	epoch, err := session.Commit(ctx, c)
	if !errors.Is(err, volume.ErrUnsafeManifest) {
		return epoch, err
	}
	content, _ := c.Content.(vectorChange)
	if err := v.env.Compact(ctx, idset.Of(content.deleted)); err != nil {
		return 0, err
	}
	c.Content = vectorChange{added: content.added, hidden: content.hidden}
	return session.Commit(ctx, c)
}

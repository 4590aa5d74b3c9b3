package recovery

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Environment is what the tails of a store need of whoever has the store.
type Environment struct {
	// File is where the store's bytes stand, and Head knows its newest state.
	File volume.Log
	Head *state.Head
	// IDs tells which ids the store has.
	IDs *rows.IDTable
	// Begin starts a session of the store's log, and Appender an append to it.
	Begin    func(context.Context) (*log.Session, error)
	Appender func() *ingest.Appender
	// Inherited are those of some ids that a branch shows of its parent's vectors and does
	// not store.
	Inherited func(ctx context.Context, branch *state.Snapshot, ids *idset.Set) (*idset.Set, error)
	// List has the store list branches that it does not list.
	List func(context.Context, []segments.ListedBranch) error
	// Memory bounds what is held to compare a tail with the store.
	Memory *memory.Budget
	// OnTail is told of each tail that was kept; nil is not.
	OnTail func(Tail)
	// Names lists the names of files in the store's folder of which some may be kept tails,
	// besides those that were kept here; nil: they are looked for at each call.
	Names func() []string
}

// Tails are those of one store.
type Tails struct {
	env      Environment
	torn     volume.Torn     // nil where nothing can stand behind the newest manifest
	remnants volume.Remnants // nil where nothing is kept of that
	known    table
}

// New makes the Tails of a store.
func New(env Environment) *Tails {
	torn, _ := env.File.(volume.Torn)
	remnants, _ := env.File.(volume.Remnants)
	return &Tails{env: env, torn: torn, remnants: remnants}
}

// errNeverTorn is why there can be no tail.
var errNeverTorn = fmt.Errorf("%w: where the store stands nothing can be brought back: %s", volume.ErrInput, elsewhere)

// elsewhere is what is to be done about a tail where none can be kept.
const elsewhere = "get the object as a file with the program that has put it there, bring back what is in it with rvffs recover, and put it there again"

// withNewest is state.OnNewest for the committed state.
func (t *Tails) withNewest(ctx context.Context, use func(*state.Snapshot) error) error {
	return state.OnNewest(ctx, t.env.Head.Look, use)
}

// Renamed tells that the store has another name.
func (t *Tails) Renamed() { t.known.forgetNames() }

// WentAlong tells that a kept tail has this bare name now.
func (t *Tails) WentAlong(name string) { t.known.addName(name) }

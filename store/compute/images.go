package compute

import (
	"context"

	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
)

// Environment is what the images of a store need of whoever has the store.
type Environment struct {
	// Name is the store's, for errors.
	Name func() string
	// Log changes the file.
	Log *log.Log
	// Commit is that of a session of the log, which first does what has to be done before
	// any manifest can be written.
	Commit func(context.Context, *log.Session, log.Change) (uint32, error)
	// Snapshot is the newest state.
	Snapshot func(context.Context) (*state.Snapshot, error)
	// Writable refuses a state to which nobody may write.
	Writable func(context.Context, *state.Snapshot) error
	// Memory bounds what is held for users.
	Memory *memory.Budget
	// Spool makes a file for what waits to be embedded, of which nothing stays when it is
	// closed.
	Spool func(context.Context) (volume.Spool, error)
	// Streams know who is about to embed something.
	Streams *stream.Register
}

// Images are the compute segments of one store: what they hold is found, and embedded.
type Images struct{ env Environment }

// New makes the Images of a store.
func New(env Environment) *Images { return &Images{env} }

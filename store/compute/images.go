package compute

import (
	"context"
	"io"

	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/stream"
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
	Spool func() (Spool, error)
	// Streams know who is about to embed something.
	Streams *stream.Register
}

// Spool is a file that has no name: it is gone when it is closed.
type Spool interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	io.Closer
}

// Images are the compute segments of one store: what they hold is found, and embedded.
type Images struct{ env Environment }

// New makes the Images of a store.
func New(env Environment) *Images { return &Images{env} }

package volume

import "io"

// Bytes are those of a store, or what was kept of them, held open. Reads may go on side by
// side.
type Bytes interface {
	io.ReaderAt
	io.Closer
	// Describe tells about where they are, as it is now.
	Describe() (FileInfo, error)
}

// Spool is a place for bytes that come in any order. It is gone when it is closed.
type Spool interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// SetLength cuts off what is behind, or puts zeros there.
	SetLength(bytes int64) error
}

// Scratch is room for bytes that nobody else sees. What was not written reads as zeros.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// StartWriteback asks that bytes go to their place soon, without waiting. It is a hint
	// and promises nothing.
	StartWriteback(offset, length int64)
}

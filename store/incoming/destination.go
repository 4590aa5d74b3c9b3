package incoming

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"rvffs/store/volume"
)

// Destination is where the files of a folder go.
type Destination interface {
	// Name is what users call it, for errors.
	Name() string
	// Admit says that a file of a name may be written, or refuses it before it is. A
	// temporary name says nothing of what becomes of the file.
	Admit(ctx context.Context, name string, temporary bool) error
	// Keep gives a way to let later operations be done for the one who asks now.
	Keep(ctx context.Context) func(context.Context) context.Context
	// Spool makes room for the bytes of a file until it is taken in.
	Spool(ctx context.Context) (volume.Spool, error)
	// Take takes a file in as a whole, or fails and has changed nothing. The result is for
	// the receipt. ErrNothing says that the file has nothing to take in yet, and waits.
	Take(ctx context.Context, file *Whole) (result []byte, err error)
	// Stands reports whether what was taken in under a name is there still. What is not
	// has no receipt any more.
	Stands(name string) bool
}

// ErrNothing says of a file that it holds nothing yet, as one with nothing but the header of
// a table: somebody may append the rows.
var ErrNothing = errors.New("the file holds nothing yet")

// Whole is a file all of which has come.
type Whole struct {
	io.ReaderAt
	// Spool is where the bytes are, nil for a few that are in memory.
	Spool      volume.Spool
	Name       string
	Size       int64
	Attributes Attributes
	sum        hash.Hash
}

// pieceSize is how many bytes are passed on at a time.
const pieceSize = 1 << 20

// Pour gives the bytes in order.
func (w *Whole) Pour(ctx context.Context, write func(p []byte) error) error {
	w.sum = sha256.New()
	piece := make([]byte, min(pieceSize, w.Size))
	for offset := int64(0); offset < w.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := w.ReadAt(piece[:min(int64(len(piece)), w.Size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the file ends after %d of %d bytes: %w", offset, w.Size, io.ErrUnexpectedEOF)
		}
		w.sum.Write(piece[:n])
		if err := write(piece[:n]); err != nil {
			return err
		}
		offset += int64(n)
	}
	return nil
}

// hash is that of all bytes.
func (w *Whole) hash(ctx context.Context) ([]byte, error) {
	if w.sum == nil {
		if err := w.Pour(ctx, func([]byte) error { return nil }); err != nil {
			return nil, err
		}
	}
	return w.sum.Sum(nil), nil
}

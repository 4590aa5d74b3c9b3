package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// wholeStore is the word for a store's own bytes among the formats of its vectors.
const wholeStore = "rvf"

// exportFormat is what export writes: the vectors in a format, or the whole store.
type exportFormat struct {
	vectors vecio.FileFormat
	whole   bool
}

func parseExportFormat(word string) (format exportFormat, err error) {
	if word == wholeStore {
		return exportFormat{whole: true}, nil
	}
	format.vectors, err = vecio.ParseFileFormat(word)
	return format, err
}

// exportWhole writes a store as it is at this moment, with all that is in its file: where a
// store can be made, in a bucket, as a new one; else like any output.
func exportWhole(command *cobra.Command, file string, s *store.Store, output string) (err error) {
	view := s.Current().Raw()
	if _, inBucket := siteOf(output).(bucketSite); !inBucket {
		if err := isAnotherStore(command.Context(), output, s); err != nil {
			return err
		}
		return writeView(command, file, view, binary, output)
	}
	reader, err := view.Open(command.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	return makeWhole(command, output, state.ReaderAt(command.Context(), reader), view.Size())
}

// makeWhole makes a store in a bucket of the bytes of one.
func makeWhole(command *cobra.Command, file string, from io.ReaderAt, size int64) error {
	counted := &countedReader{from: from}
	stop := showProgress(command.ErrOrStderr(), func() (int64, int64) { return counted.read.Load(), size })
	defer stop()
	options, done := withBranchParents(file, store.Options{}, toRead)
	err := onShelf(file, true, func(shelf volume.Shelf, name string) error {
		options.Shelf = shelf
		return store.Restore(command.Context(), name, counted, size, 0o666, shelf, options)
	})
	return errors.Join(err, done())
}

// isAnotherStore fails if another store than one stands where a file is to be written, which
// would be lost.
func isAnotherStore(ctx context.Context, output string, s *store.Store) error {
	info, err := os.Stat(output)
	if output == "-" || errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	other := false
	err = withOptions(ctx, output, toRead, store.Options{}, func(there *store.Store) error {
		other = there.FileID() != s.FileID()
		return nil
	})
	switch {
	case errors.Is(err, volume.ErrNotStore):
		return nil
	case err != nil:
		return fmt.Errorf("%s may be another store, which would be lost: give the output another name: %w", output, err)
	case other:
		return fmt.Errorf("%s is another store, which would be lost: give the output another name", output)
	}
	return nil
}

// countedReader counts what is read.
type countedReader struct {
	from io.ReaderAt
	read atomic.Int64
}

// ReadAt implements io.ReaderAt.
func (c *countedReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.from.ReadAt(p, at)
	c.read.Add(int64(n))
	return n, err
}

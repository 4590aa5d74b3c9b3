package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// backing is one physical store file, shared by all snapshots of it. Its
// descriptor is open while somebody needs it and reopened by name afterwards.
// Compaction and replacement by another program make a new backing; the old one
// lives on in its readers.
type backing struct {
	files FileSystem
	info  FileInfo // device and inode identify the file

	integrity integrityTable

	mu    sync.Mutex
	path  string
	file  File
	users int
	gone  bool // the bytes at path are no longer those of this file
}

// adoptBacking wraps an open file; the caller is its first user.
func adoptBacking(files FileSystem, path string, file File, info FileInfo) *backing {
	return &backing{files: files, path: path, info: info, file: file, users: 1}
}

// openSame opens the file at path, which must be the one that info describes.
func openSame(files FileSystem, path string, info FileInfo) (File, error) {
	file, err := files.Open(path, false)
	if err != nil {
		return nil, err
	}
	found, err := file.Stat()
	if err == nil && !sameFile(found, info) {
		err = fmt.Errorf("%w: the store file was replaced", ErrStale)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// reopen is openSame for a file that gets a backing of its own.
func reopen(files FileSystem, path string, info FileInfo) (*backing, error) {
	file, err := openSame(files, path, info)
	if err != nil {
		return nil, err
	}
	return adoptBacking(files, path, file, info), nil
}

// acquire returns the open file and counts the caller as a user. ErrStale means
// that the name now belongs to another file and no descriptor was left.
func (b *backing) acquire() (File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.users > 0 {
		b.users++
		return b.file, nil
	}
	if b.gone {
		return nil, fmt.Errorf("%w: the store file was replaced", ErrStale)
	}
	file, err := openSame(b.files, b.path, b.info)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the store file was removed", ErrStale)
	}
	if err != nil {
		return nil, err
	}
	b.file, b.users = file, 1
	return file, nil
}

// release ends one use.
func (b *backing) release() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users--
	if b.users > 0 {
		return nil
	}
	file := b.file
	b.file = nil
	return file.Close()
}

// retire is release by the store itself, when another file took the place of
// this one: who holds it reads on, but nobody opens it anew.
func (b *backing) retire() error {
	b.mu.Lock()
	b.gone = true
	b.mu.Unlock()
	return b.release()
}

// moved tells that the file has a new name.
func (b *backing) moved(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.path = path
}

// with runs use while the file is held open.
func (b *backing) with(use func(File) error) error {
	file, err := b.acquire()
	if err != nil {
		return err
	}
	return errors.Join(use(file), b.release())
}

// readFull reads exactly len(p) bytes; a file that ends before is corrupt, for
// its manifest promised them.
func readFull(file io.ReaderAt, p []byte, offset int64) error {
	n, err := file.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d of %d bytes at offset %d: the file is shorter than its manifest says", ErrCorrupt, n, len(p), offset)
	}
	return fmt.Errorf("read %d bytes at offset %d: %w", len(p), offset, err)
}

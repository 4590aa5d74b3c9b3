package catalog

import (
	"io"
	"os"

	"rvffs/store"
)

// directory is a folder of the backing directory that is held open. What is in it is
// reached from there, whatever becomes of its own name and of those above it.
type directory interface {
	store.FileSystem
	io.Closer
	// Folder opens a folder below.
	Folder(name string) (directory, error)
	// OpenFolder opens a folder below, or this one as ".", for listing.
	OpenFolder(name string) (listing, error)
	Hold(name string) (*store.HeldFile, error)
	// As is the same directory as it is to somebody else, and ends with this one.
	As(caller store.Caller) directory
	// Access and AccessList are those of store.DirectoryFiles.
	AccessList(name string, handedDown bool) (store.AccessList, store.FileInfo, error)
	Access(caller store.Caller, name string, want store.Permission) (store.FileInfo, error)
	Mkdir(name string, perm os.FileMode) error
	Rmdir(name string) error
}

// listing is a folder that is being listed.
type listing interface {
	io.Closer
	Info() (store.FileInfo, error)
	Entries() ([]store.FolderEntry, error)
	Stat(base string) (store.FileInfo, error)
	Readlink(base string) (string, error)
	Peek(base string) (peeked, store.FileInfo, error)
}

// peeked is a file that is open for a moment.
type peeked interface {
	io.ReaderAt
	io.Closer
}

// onDisk is a directory of the file system.
type onDisk struct{ *store.DirectoryFiles }

func (d onDisk) As(caller store.Caller) directory { return onDisk{d.DirectoryFiles.As(caller)} }

func (d onDisk) Folder(name string) (directory, error) {
	folder, err := d.DirectoryFiles.Folder(name)
	if err != nil {
		return nil, err
	}
	return onDisk{folder}, nil
}

func (d onDisk) OpenFolder(name string) (listing, error) {
	folder, err := d.DirectoryFiles.OpenFolder(name)
	if err != nil {
		return nil, err
	}
	return listedOnDisk{folder}, nil
}

type listedOnDisk struct{ *store.FolderFiles }

func (l listedOnDisk) Peek(base string) (peeked, store.FileInfo, error) {
	file, info, err := l.FolderFiles.Peek(base)
	if err != nil {
		return nil, info, err
	}
	return file, info, nil
}

package catalog

import (
	"io"
	"os"

	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// heldFolder is a folder of the backing heldFolder that is held open. What is in it is
// reached from there, whatever becomes of its own name and of those above it.
type heldFolder interface {
	volume.FileSystem
	io.Closer
	// Folder opens a folder below.
	Folder(name string) (heldFolder, error)
	// OpenFolder opens a folder below, or this one as ".", for listing.
	OpenFolder(name string) (listing, error)
	Hold(name string) (*directory.HeldFile, error)
	// As is the same directory as it is to somebody else, and ends with this one.
	As(caller directory.Caller) heldFolder
	// Access and AccessList are those of directory.Files.
	AccessList(name string, handedDown bool) (directory.AccessList, volume.FileInfo, error)
	Access(caller directory.Caller, name string, want directory.Permission) (volume.FileInfo, error)
	Mkdir(name string, perm os.FileMode) error
	Rmdir(name string) error
}

// listing is a folder that is being listed.
type listing interface {
	io.Closer
	Info() (volume.FileInfo, error)
	Entries() ([]directory.FolderEntry, error)
	Stat(base string) (volume.FileInfo, error)
	Readlink(base string) (string, error)
	Peek(base string) (peeked, volume.FileInfo, error)
}

// peeked is a file that is open for a moment.
type peeked interface {
	io.ReaderAt
	io.Closer
}

// onDisk is a folder of the file system.
type onDisk struct{ *directory.Files }

func (d onDisk) As(caller directory.Caller) heldFolder { return onDisk{d.Files.As(caller)} }

func (d onDisk) Folder(name string) (heldFolder, error) {
	folder, err := d.Files.Folder(name)
	if err != nil {
		return nil, err
	}
	return onDisk{folder}, nil
}

func (d onDisk) OpenFolder(name string) (listing, error) {
	folder, err := d.Files.OpenFolder(name)
	if err != nil {
		return nil, err
	}
	return listedOnDisk{folder}, nil
}

type listedOnDisk struct{ *directory.FolderFiles }

func (l listedOnDisk) Peek(base string) (peeked, volume.FileInfo, error) {
	file, info, err := l.FolderFiles.Peek(base)
	if err != nil {
		return nil, info, err
	}
	return file, info, nil
}

package volume

import (
	"context"
	"io"
	"io/fs"
	"os"
	"time"
)

// Volume is a place that holds stores, in folders: a directory of the operating system,
// or a bucket below a prefix. It is its own topmost folder.
type Volume interface {
	Folder
	// Name is what users call the place.
	Name() string
	// ShelfOf reaches the stores of a folder that is opened when it is needed.
	ShelfOf(holder Holder) Shelf
	// Space tells how much room there is.
	Space(ctx context.Context) (Space, error)
}

// Folder is a folder of a volume that is held open: what is in it is reached from there,
// whatever becomes of its own name and of those above it.
//
// Names are separated by slashes, lead down and nowhere else, and "." is the folder
// itself. Nothing is reached through a link, and nothing is replaced that stands at a
// name. A volume that waits for another machine gives up when ctx ends; a call to this
// one's system cannot be given up. Errors are those of package io/fs and of this one, or error numbers of the
// system (syscall.Errno).
type Folder interface {
	io.Closer
	// As is the same folder as it is to somebody else: what names are used for succeeds
	// if it would for the caller, and what is made is the caller's. It ends with this
	// one.
	As(caller Caller) Folder
	// Open holds a folder below.
	Open(ctx context.Context, name string) (Folder, error)
	// Shelf reaches the stores in it, as long as it is open.
	Shelf() Shelf
	// List begins to read a folder, with ctx for all that the listing is asked.
	List(ctx context.Context, name string) (Listing, error)
	// Describe tells about a file, a folder or a link.
	Describe(ctx context.Context, name string) (FileInfo, error)
	// Allow is Describe for a file or a folder that one may reach and do with what is
	// wanted. The error is the one that whoever this folder is for would get there.
	Allow(ctx context.Context, name string, want Permission) (FileInfo, error)
	// AccessList is the access control list of a file or a folder, or the one that a
	// folder hands down to what is made in it, nil without; and says whose it is.
	AccessList(ctx context.Context, name string, handedDown bool) (AccessList, FileInfo, error)
	// Hold takes hold of a file or a folder whose attributes are to change.
	Hold(ctx context.Context, name string) (Held, error)
	// MakeFolder makes a folder.
	MakeFolder(ctx context.Context, name string, perm os.FileMode) error
	// RemoveFolder removes one that holds nothing.
	RemoveFolder(ctx context.Context, name string) error
	// Move gives a file or a folder another name. It fails with fs.ErrExist where that
	// is taken.
	Move(ctx context.Context, from, to string) error
	// Settle returns when it is certain to last what was made, moved and removed in the
	// folder that a name stands in.
	Settle(ctx context.Context, name string) error
	// Sweep removes a file that nobody works on any more, of a name that the engine
	// gives to what it works on, and reports whether it did.
	Sweep(ctx context.Context, name string) bool
}

// Holder lends a folder whenever it is needed, wherever that is by then.
type Holder interface {
	Hold(ctx context.Context) (Folder, error)
	// Release ends one Hold.
	Release() error
}

// Listing is a folder that is being read.
type Listing interface {
	io.Closer
	// Folder tells about the folder itself.
	Folder() (FileInfo, error)
	// Entries gives what is in it, in no order. It may be called once.
	Entries() ([]FolderEntry, error)
	// Describe tells about an entry.
	Describe(name string) (FileInfo, error)
	// Target is where a link leads, as it says.
	Target(name string) (string, error)
	// Peek opens a file for a moment: to read a little of its end.
	Peek(name string) (Peeked, FileInfo, error)
}

// Notes are what some listings keep for those who peek at files, where that takes time.
type Notes interface {
	// Recall gives what Note was told of a file that has not changed since, by whichever
	// process.
	Recall(name string) (note Note, info FileInfo, known bool)
	Note(name string, note Note)
}

// Note is what somebody has found in a file: short, and the same as long as the file is.
type Note struct {
	Born  int64 // as Peeked says
	Found []byte
}

// Peeked is a file that is open for a moment.
type Peeked interface {
	// Born is when it was made, or the first of the files of which it has taken the place,
	// in nanoseconds since 1970; 0 where that is not known.
	Born() int64
	io.ReaderAt
	io.Closer
}

// FolderEntry is one name of a folder.
type FolderEntry struct {
	Name string
	Type fs.FileMode // the type bits alone
}

// Held is a file or a folder itself, whatever becomes of its names: what is found out
// about it and what is then changed are certainly of the same one.
type Held interface {
	io.Closer
	// Info tells about it as it was found.
	Info() FileInfo
	// Change changes its attributes, with the rights of who took hold of it.
	Change(ctx context.Context, change AttributeChange) error
}

// AttributeChange says which attributes of a file or folder change, and how.
type AttributeChange struct {
	Mode               *os.FileMode // permission bits, setuid, setgid and sticky bit; nil: as it is
	UID, GID           int          // -1: as it is
	Accessed, Modified time.Time    // zero: as it is; Now
}

// Now stands for the present moment where a time is asked for. Whoever may write
// to a file may set it, other times only the file's owner.
var Now = time.Unix(0, 1<<62)

// Space is how much room there is. Blocks are of so many bytes, files those that can be
// made.
type Space struct {
	BlockSize, FragmentSize uint32 // bytes
	Blocks, Free, Available uint64 // blocks; available is what is free for everybody
	Files, FreeFiles        uint64
	LongestName             uint32 // bytes
}

package filelog

import (
	"bytes"
	"io"
	"maps"
	"os"

	"rvffs/store/volume"
)

// FileSystem is the way by which the engine reaches files. Paths are slash
// separated and relative to whatever the implementation takes as its root.
// Errors are those of package os, so that errors.Is with fs.ErrNotExist,
// fs.ErrExist and syscall.Errno works on them.
type FileSystem interface {
	// Open opens an existing file, for writing too when write is set. It never
	// creates, truncates or waits.
	Open(path string, write bool) (File, error)
	// Create makes a new file for reading and writing; it fails when the name exists.
	Create(path string, perm os.FileMode) (File, error)
	// Stat tells about the file behind path and does not follow a final symlink.
	Stat(path string) (volume.FileInfo, error)
	// Rename moves a file and replaces what stands at newPath.
	Rename(oldPath, newPath string) error
	// Replace moves the file at fresh to name and removes the one that stands there,
	// in one step for all who look. It fails with ErrStale, and changes nothing, when
	// that is not the one that old describes.
	Replace(fresh, name string, old volume.FileInfo) error
	// RenameNew moves a file; it fails when newPath exists. It is one step for all who
	// look, or, where that cannot be had, two: see RenameReserved.
	RenameNew(oldPath, newPath string) error
	// Reserves reports whether RenameNew takes two steps in the folder of path.
	Reserves(path string) bool
	// Remove deletes one name.
	Remove(path string) error
	// SyncDirectory makes the names in the folder of path durable.
	SyncDirectory(path string) error
	// Siblings lists the bare names in the folder of path, in no order.
	Siblings(path string) ([]string, error)
}

// File is one open file. Calls may be made from several goroutines.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Describe tells about the open file.
	Describe() (volume.FileInfo, error)
	// Truncate sets the length in bytes.
	Truncate(size int64) error
	// SyncData returns when all bytes written before the call, and the length,
	// are on the disk (fdatasync).
	SyncData() error
	// StartWriteback asks that the bytes go to the disk soon, without waiting.
	// It is a hint and promises nothing.
	StartWriteback(offset, length int64)
	// Attributes tells to whom the file belongs and what they noted on it.
	Attributes() (FileAttributes, error)
	// SetAttributes makes the file's attributes these.
	SetAttributes(attributes FileAttributes) error
	// TryLock takes an exclusive advisory lock that ends with the process or
	// with Close; false means that somebody else holds it. The error is
	// errors.ErrUnsupported where there are no such locks.
	TryLock() (bool, error)
}

// FileAttributes are what a new file must have to take another's place, besides
// bytes: owner, group, mode, access control lists and other extended attributes.
type FileAttributes struct {
	UID, GID uint32
	Mode     os.FileMode // permissions, setuid, setgid and sticky bit
	// Extended are the extended attributes, by name: all POSIX access control lists
	// and what begins with "user.", and of the others those that the process may see
	// and set. Hashes and signatures of the content (security.ima, security.evm) and
	// capabilities are not among them. Nil stands for those that the file has.
	Extended map[string][]byte
	// Born is when the first file was made of those that have taken each other's place, in
	// nanoseconds since 1970; 0 where that is not known. Nobody sees it.
	Born int64
}

// MaxExtended bounds, in bytes, the extended attributes of a file that is rewritten.
const MaxExtended = 4 << 20

// Equal reports whether two files with these attributes look alike to everybody.
func (a FileAttributes) Equal(b FileAttributes) bool {
	return a.UID == b.UID && a.GID == b.GID && a.Mode == b.Mode && maps.EqualFunc(a.Extended, b.Extended, bytes.Equal)
}

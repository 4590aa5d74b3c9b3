package catalog

import (
	"context"
	"os"
	"time"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// Kind says what a name in the tree stands for.
type Kind uint8

// The kinds of names.
const (
	KindFolder Kind = iota // a plain folder of the backing directory
	KindStore              // a store, shown as a folder
	KindLink               // a symlink to where a store or folder really stands
)

// Entry is one name in a folder or a store. The field that belongs to its kind is
// set, the others are nil.
type Entry struct {
	Name   string
	Kind   Kind
	Folder *Folder
	Store  *Store
	Link   *Link
	// Private says that not everybody finds this under the name: each caller must ask
	// anew. Aside says that the store stands where its file lies for such callers only
	// as cannot enter its parent's folder.
	Private, Aside bool
}

// Container is where names live: a *Folder or a *Store.
type Container interface {
	// Number is the inode number of the folder.
	Number() uint64
	List(ctx context.Context) ([]Entry, error)
	Lookup(ctx context.Context, name string) (Entry, error)
	// Remove removes a folder or a store that holds nothing.
	Remove(ctx context.Context, name string) error
	// Move gives the entry name of this container a new name in to; it fails
	// with volume.ErrExists when that is taken, and with volume.ErrCrossParent when
	// a store would get another parent.
	Move(ctx context.Context, name string, to Container, newName string) error
}

var (
	_ Container = (*Folder)(nil)
	_ Container = (*Store)(nil)
)

// Attributes are the metadata of the file or folder behind an entry.
type Attributes struct {
	Mode     os.FileMode // permission bits, and a folder's sticky, setuid and setgid bits
	UID, GID uint32
	Modified time.Time
	Size     int64 // bytes of the file
	info     volume.FileInfo
}

// AttributesOf are the attributes of the file that info describes.
func AttributesOf(info volume.FileInfo) Attributes {
	return Attributes{
		Mode: info.Mode & (os.ModePerm | os.ModeSticky | os.ModeSetgid | os.ModeSetuid), UID: info.UID, GID: info.GID,
		Modified: info.Modified, Size: info.Size, info: info,
	}
}

// Of reports whether the attributes are of the file that a snapshot is of.
func (a Attributes) Of(file state.Origin) bool { return file.Holds(a.info) }

// Link is a symlink.
type Link struct {
	number     uint64
	target     string
	attributes Attributes
}

// Number is the link's inode number.
func (l *Link) Number() uint64 { return l.number }

// Target is the path that the link names. Those that the tree itself makes are
// relative to the folder that they stand in.
func (l *Link) Target() string { return l.target }

// Attributes are those of a link, and for one that the tree made, owner and time of
// the folder that it stands in. The kernel follows a link in a folder like /tmp only
// for its owner, or if it belongs to the folder's.
func (l *Link) Attributes() Attributes { return l.attributes }

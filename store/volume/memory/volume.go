package memory

import (
	"context"
	"os"
	"syscall"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// folder is a folder that is held open.
type folder struct {
	filesIn
	open bool // to be closed; not the view of somebody else
}

// root is the topmost one.
type root struct{ *folder }

var (
	_ volume.Volume  = root{}
	_ volume.Listing = (*listing)(nil)
	_ volume.Held    = (*held)(nil)
)

// Volume are the files as a place of stores.
func (m *Files) Volume() volume.Volume {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return root{m.hold(m.top)}
}

// hold opens a folder. The caller holds mu.
func (m *Files) hold(node *Node) *folder {
	m.used++
	return &folder{filesIn{files: m, folder: node}, true}
}

// letGo counts what is closed.
func (m *Files) letGo() error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.used--
	return nil
}

// Name implements volume.Volume.
func (root) Name() string { return "memory" }

// ShelfOf implements volume.Volume.
func (root) ShelfOf(holder volume.Holder) volume.Shelf { return filelog.ShelfOf(holder) }

// Space implements volume.Volume.
func (r root) Space(context.Context) (volume.Space, error) {
	const blocks, files = 1 << 20, 1 << 16
	r.files.Mu.Lock()
	defer r.files.Mu.Unlock()
	err := r.files.refuse("space", ".")
	return volume.Space{
		BlockSize: 4096, FragmentSize: 4096, Blocks: blocks, Free: blocks / 2, Available: blocks / 2,
		Files: files, FreeFiles: files / 2, LongestName: 255,
	}, err
}

// Close implements volume.Folder.
func (f *folder) Close() error {
	if !f.open {
		return os.ErrClosed
	}
	f.open = false
	return f.files.letGo()
}

// As implements volume.Folder.
func (f *folder) As(caller volume.Caller) volume.Folder {
	return &folder{filesIn: filesIn{files: f.files, folder: f.filesIn.folder, caller: caller}}
}

// Open implements volume.Folder.
func (f *folder) Open(_ context.Context, name string) (volume.Folder, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.thereAs("open folder", name, (*Node).aFolder)
	if err != nil {
		return nil, err
	}
	return f.files.hold(at.node), nil
}

// thereAs is there for something of a kind. The caller holds mu.
func (f *folder) thereAs(operation, name string, kind func(*Node) error) (spot, error) {
	at, err := f.there(operation, name)
	if err != nil {
		return spot{}, err
	}
	if err := kind(at.node); err != nil {
		return spot{}, failure(operation, name, err)
	}
	return at, nil
}

func (n *Node) aFolder() error {
	switch {
	case n.Target != "":
		return syscall.ELOOP
	case !n.Folder:
		return syscall.ENOTDIR
	}
	return nil
}

func (n *Node) noLink() error {
	if n.Target != "" {
		return syscall.ELOOP
	}
	return nil
}

// Shelf implements volume.Folder.
func (f *folder) Shelf() volume.Shelf { return filelog.Shelf{Files: f.filesIn} }

// List implements volume.Folder.
func (f *folder) List(_ context.Context, name string) (volume.Listing, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.thereAs("open folder", name, (*Node).aFolder)
	if err != nil {
		return nil, err
	}
	if err := f.may(at.node, volume.Read); err != nil {
		return nil, failure("open folder", name, err)
	}
	f.files.used++
	return &listing{filesIn{files: f.files, folder: at.node}}, nil
}

// Describe implements volume.Folder.
func (f *folder) Describe(_ context.Context, name string) (volume.FileInfo, error) {
	return f.look(name)
}

// look is describe for who asks a folder.
func (f filesIn) look(name string) (volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("describe", name); err != nil {
		return volume.FileInfo{}, err
	}
	return f.describe(name)
}

// Allow implements volume.Folder.
func (f *folder) Allow(_ context.Context, name string, want volume.Permission) (volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.thereAs("allow", name, (*Node).noLink)
	if err != nil {
		return volume.FileInfo{}, err
	}
	if err := f.may(at.node, want); err != nil {
		return volume.FileInfo{}, failure("allow", name, err)
	}
	return f.files.info(at.node), nil
}

// AccessList implements volume.Folder.
func (f *folder) AccessList(_ context.Context, name string, handedDown bool) (volume.AccessList, volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.thereAs("access list", name, (*Node).noLink)
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	which := 0
	if handedDown {
		which = 1
	}
	return at.node.Lists[which], f.files.info(at.node), nil
}

// Hold implements volume.Folder.
func (f *folder) Hold(_ context.Context, name string) (volume.Held, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.thereAs("hold", name, (*Node).noLink)
	if err != nil {
		return nil, err
	}
	f.files.used++
	return &held{f.filesIn, at.node, f.files.info(at.node)}, nil
}

// MakeFolder implements volume.Folder.
func (f *folder) MakeFolder(_ context.Context, name string, perm os.FileMode) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.vacant("make folder", name)
	if err != nil {
		return err
	}
	attributes := f.born(at.folder, perm)
	attributes.Mode |= at.folder.Attributes.Mode & os.ModeSetgid
	node := f.files.make(Node{Folder: true, Attributes: attributes})
	f.files.place(at, node)
	f.files.note(fileChange{Kind: didMakeFolder, node: node.Number, name: at.full})
	return nil
}

// RemoveFolder implements volume.Folder.
func (f *folder) RemoveFolder(_ context.Context, name string) error {
	return f.takeAway("remove folder", name, func(at spot) error {
		if err := at.node.aFolder(); err != nil {
			return err
		}
		if len(f.files.entries(spot{full: at.full})) > 0 {
			return syscall.ENOTEMPTY
		}
		return nil
	})
}

// Move implements volume.Folder.
func (f *folder) Move(_ context.Context, from, to string) error { return f.RenameNew(from, to) }

// Settle implements volume.Folder.
func (f *folder) Settle(_ context.Context, name string) error { return f.SyncDirectory(name) }

// litterAge is how long a file on which nobody works is left alone.
const litterAge = time.Minute

// Sweep implements volume.Folder.
func (f *folder) Sweep(ctx context.Context, name string) bool {
	if removed, decided := filelog.Sweep(ctx, f.filesIn, name); decided {
		return removed
	}
	return f.takeAway("remove", name, func(at spot) error {
		if at.node.Folder || at.node.locked || time.Since(at.node.modified) < litterAge {
			return syscall.EBUSY
		}
		return nil
	}) == nil
}

// listing is a folder that is being read.
type listing struct{ filesIn }

// Close implements volume.Listing.
func (l *listing) Close() error { return l.files.letGo() }

// Folder implements volume.Listing.
func (l *listing) Folder() (volume.FileInfo, error) { return l.look(".") }

// Entries implements volume.Listing.
func (l *listing) Entries() ([]volume.FolderEntry, error) {
	l.files.Mu.Lock()
	defer l.files.Mu.Unlock()
	if err := l.files.refuse("list", "."); err != nil {
		return nil, err
	}
	full, known := l.path()
	if !known {
		return nil, nil
	}
	return l.files.entries(spot{full: full}), nil
}

// Describe implements volume.Listing.
func (l *listing) Describe(name string) (volume.FileInfo, error) { return l.look(name) }

// Target implements volume.Listing.
func (l *listing) Target(name string) (string, error) {
	l.files.Mu.Lock()
	defer l.files.Mu.Unlock()
	at, err := l.there("read link", name)
	if err == nil && at.node.Target == "" {
		err = failure("read link", name, syscall.EINVAL)
	}
	if err != nil {
		return "", err
	}
	return at.node.Target, nil
}

// peeked is an open file of which it is not known when it was made.
type peeked struct{ filelog.File }

func (peeked) Born() int64 { return 0 }

// Peek implements volume.Listing.
func (l *listing) Peek(name string) (volume.Peeked, volume.FileInfo, error) {
	file, err := l.Open(name, false)
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	info, err := file.Describe()
	if err == nil && filelog.Reserved(info, file, func() bool { return l.files.Plain }) {
		err = failure("look at", name, volume.ErrReserved)
	}
	if err != nil {
		_ = file.Close()
		return nil, volume.FileInfo{}, err
	}
	return peeked{file}, info, nil
}

// held is a file or folder whose attributes are to change.
type held struct {
	filesIn
	node *Node
	info volume.FileInfo
}

// Close implements volume.Held.
func (h *held) Close() error { return h.files.letGo() }

// Info implements volume.Held.
func (h *held) Info() volume.FileInfo { return h.info }

// Change implements volume.Held, with the rules of POSIX in short: only the trusted give
// things away, and only the owner says who may do what.
func (h *held) Change(_ context.Context, change volume.AttributeChange) error {
	h.files.Mu.Lock()
	defer h.files.Mu.Unlock()
	if err := h.files.refuse("set attributes", "file"); err != nil {
		return err
	}
	gives := change.UID >= 0 && uint32(change.UID) != h.node.Attributes.UID || change.GID >= 0 && !h.caller.Member(uint32(change.GID))
	sets := change.Mode != nil || change.UID >= 0 || change.GID >= 0 || ofOwner(change.Accessed) || ofOwner(change.Modified)
	if gives && !h.caller.Trusted() || sets && !h.owns(h.node) {
		return failure("change", "file", syscall.EPERM)
	}
	if !sets {
		if err := h.may(h.node, volume.Write); err != nil && !h.owns(h.node) {
			return failure("change", "file", err)
		}
	}
	if change.UID >= 0 {
		h.node.Attributes.UID = uint32(change.UID)
	}
	if change.GID >= 0 {
		h.node.Attributes.GID = uint32(change.GID)
	}
	if change.Mode != nil {
		h.node.Attributes.Mode = *change.Mode
	}
	switch {
	case change.Modified.Equal(volume.Now):
		h.node.modified = time.Now()
	case !change.Modified.IsZero():
		h.node.modified = change.Modified
	}
	return nil
}

// ofOwner reports whether a time is one that only the owner may set.
func ofOwner(t time.Time) bool { return !t.IsZero() && !t.Equal(volume.Now) }

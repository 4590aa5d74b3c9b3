package fs

import (
	"context"
	"strings"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

const (
	// attributePrefix begins the names of a store's extended attributes.
	attributePrefix     = "user.rvf."
	attributeDerivation = attributePrefix + "derivation_type"
)

// storeNode is the folder of a store.
type storeNode struct {
	fixedFolder
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer      = (*storeNode)(nil)
	_ nodefs.NodeSetattrer      = (*storeNode)(nil)
	_ nodefs.NodeLookuper       = (*storeNode)(nil)
	_ nodefs.NodeOpendirHandler = (*storeNode)(nil)
	_ nodefs.NodeMkdirer        = (*storeNode)(nil)
	_ nodefs.NodeCreater        = (*storeNode)(nil)
	_ nodefs.NodeRmdirer        = (*storeNode)(nil)
	_ nodefs.NodeRenamer        = (*storeNode)(nil)
	_ nodefs.NodeGetxattrer     = (*storeNode)(nil)
	_ nodefs.NodeListxattrer    = (*storeNode)(nil)
	_ nodefs.NodeSetxattrer     = (*storeNode)(nil)
	_ nodefs.NodeRemovexattrer  = (*storeNode)(nil)
)

// storeFile is how one of the names is shown that every readable store has.
type storeFile struct {
	view  viewSource  // of a view
	views viewFolder  // of a folder of views
	text  textSource  // of a text about the present moment
	inlet *inlet      // of a file that is written to
	node  storeLookup // of a name with a kind of node of its own
}

// storeLookup answers a lookup of a name in a readable store's folder.
type storeLookup func(context.Context, *storeNode, *fuse.EntryOut) (*nodefs.Inode, syscall.Errno)

// textSource gives a text with the snapshot of the file that it is about.
type textSource func(context.Context, *catalog.Store) ([]byte, *state.Snapshot, error)

// viewSource gives a view with the state that it shows.
type viewSource func(context.Context, *catalog.Store) (state.View, viewState, error)

// storeFiles says how the names are shown.
var storeFiles = withImages(map[string]storeFile{
	catalog.NameAppendLog:   {node: lookupAppendLog},
	catalog.NameControl:     {inlet: &ctlInlet},
	catalog.NameIdentityBin: {view: ofSnapshot(func(s *state.Snapshot, _ context.Context) (state.View, error) { return s.IdentityBinary() })},
	catalog.NameIdentity:    {view: identityJSON},
	catalog.NameIncoming:    {node: lookupIncoming},
	catalog.NameLineage:     {node: lookupLineage},
	catalog.NameManifestBin: {view: ofSnapshot(func(s *state.Snapshot, _ context.Context) (state.View, error) { return s.ManifestBinary() })},
	catalog.NameManifest:    {view: ofSnapshot((*state.Snapshot).ManifestJSON)},
	catalog.NameNeighbors:   {node: lookupNeighbors},
	catalog.NameQuery:       {node: lookupQuery},
	catalog.NameRaw:         {view: ofSnapshot(func(s *state.Snapshot, _ context.Context) (state.View, error) { return s.Raw(), nil })},
	catalog.NameSegments:    {views: (*state.Snapshot).Segments},
	catalog.NameStatus:      {text: func(ctx context.Context, s *catalog.Store) ([]byte, *state.Snapshot, error) { return s.StatusJSON(ctx) }},
	catalog.NameVectors:     {node: lookupVectors},
	catalog.NameAppend:      {inlet: new(appendInlet(catalog.NameAppend, vecio.Auto))},
	catalog.NameDelete:      {inlet: new(deleteInlet(catalog.NameDelete, vecio.AutoIDs))},
	catalog.NameWitness:     {view: ofSnapshot((*state.Snapshot).Witness)},
})

// withImages adds the folders of images of all kinds.
func withImages(files map[string]storeFile) map[string]storeFile {
	for _, kind := range compute.Kinds {
		files[kind.Folder] = storeFile{views: treeOf(kind.Files)}
	}
	return files
}

// shownNames are the names of a readable store, in the order of listings.
var shownNames = catalog.ShownNames()

// ofSnapshot is the source of a view that depends on the snapshot alone.
func ofSnapshot(pick func(*state.Snapshot, context.Context) (state.View, error)) viewSource {
	return func(ctx context.Context, s *catalog.Store) (state.View, viewState, error) {
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			return nil, viewState{}, err
		}
		view, err := pick(snapshot, ctx)
		return view, stateOf(snapshot), err
	}
}

// identityJSON is a view with generations of its own: what it says about the
// lineage may change when another store does, and with the one who asks.
func identityJSON(ctx context.Context, s *catalog.Store) (state.View, viewState, error) {
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, viewState{}, err
	}
	identity, err := s.Identity(ctx)
	state := stateOf(snapshot)
	state.generation, state.private = identity.Generation, identity.Private
	return identity.View, state, err
}

func (n *storeNode) attributes(ctx context.Context) (attributes, syscall.Errno) {
	backing, err := n.store.Attributes(ctx)
	if err != nil {
		return attributes{}, n.tree.errno(n.store.Path(), "stat", err)
	}
	return ownedBy(backing, n.rights), 0
}

// Getattr gives owner, mode and time of the store file.
func (n *storeNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.attributes(ctx)
	return described.answer(errno, nameTimeout, out)
}

// Setattr acts on the store file, which is never executable.
func (n *storeNode) Setattr(ctx context.Context, handle nodefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.tree.readOnly {
		return syscall.EROFS
	}
	if err := setAttributes(ctx, n.store, in); err != nil {
		return n.tree.errno(n.store.Path(), "change attributes", err)
	}
	n.tree.expiry.now()
	return n.Getattr(ctx, handle, out)
}

// Lookup finds one of the store's own names, or a derived store. A store that
// cannot be read as one shows nothing but why.
func (n *storeNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	found, errno := n.lookup(ctx, name, out)
	if errno == syscall.ENOENT {
		errno = n.orStale(ctx, errno)
	}
	return found, errno
}

// orStale is the error number for what failed in the folder: ESTALE when the store is gone,
// for then the kernel asks anew what stands at each name on the way. It has others looked up
// anew, too.
func (n *storeNode) orStale(ctx context.Context, errno syscall.Errno) syscall.Errno {
	if !n.store.Vanished(ctx) {
		return errno
	}
	n.tree.expiry.now()
	return syscall.ESTALE
}

func (n *storeNode) lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if file, known := storeFiles[name]; known {
		return n.lookupFile(ctx, name, file, out)
	}
	if name == catalog.NameError && n.store.Problem(ctx) != nil {
		return n.lookupText(ctx, name, n.store.ErrorText(ctx), viewState{}, out)
	}
	if suffix, found := strings.CutPrefix(name, catalog.NameAppend); found {
		if format, known := vecio.FormatOfSuffix(suffix); known {
			return n.lookupInlet(ctx, appendInlet(name, format), out)
		}
	}
	if suffix, found := strings.CutPrefix(name, catalog.NameDelete); found {
		if format, known := vecio.IDFormatOfSuffix(suffix); known {
			return n.lookupInlet(ctx, deleteInlet(name, format), out)
		}
	}
	entry, err := n.store.Lookup(ctx, name)
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "look up a name", err)
	}
	return n.tree.lookupEntry(ctx, n.EmbeddedInode(), entry, out)
}

// lookupFile answers a lookup of one of the store's own names.
func (n *storeNode) lookupFile(ctx context.Context, name string, file storeFile, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	switch {
	case file.view != nil:
		view, state, err := file.view(ctx, n.store)
		if err != nil {
			return nil, n.hidden(ctx, name, err)
		}
		return n.tree.lookupView(ctx, n.EmbeddedInode(), n.store, name, view, state, out)
	case file.views != nil:
		if _, err := n.store.Snapshot(ctx); err != nil {
			return nil, n.hidden(ctx, name, err)
		}
		return n.tree.lookupViewFolder(ctx, n.EmbeddedInode(), n.store, name, nil, file.views, out)
	case file.text != nil:
		content, snapshot, err := file.text(ctx, n.store)
		if err != nil {
			return nil, n.hidden(ctx, name, err)
		}
		return n.lookupText(ctx, name, content, stateOf(snapshot), out)
	case file.node != nil:
		if _, err := n.store.Snapshot(ctx); err != nil {
			return nil, n.hidden(ctx, name, err)
		}
		return file.node(ctx, n, out)
	}
	return n.lookupInlet(ctx, *file.inlet, out)
}

// hidden is the error number for a name that cannot be shown: none of them is
// there in a store that cannot be read.
func (n *storeNode) hidden(ctx context.Context, name string, err error) syscall.Errno {
	if n.store.Problem(ctx) != nil {
		return syscall.ENOENT
	}
	return n.tree.errno(n.store.Path(), "show "+name, err)
}

func (n *storeNode) lookupInlet(ctx context.Context, to inlet, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if _, err := n.store.Snapshot(ctx); err != nil {
		return nil, n.hidden(ctx, to.name, err)
	}
	return n.tree.lookupInlet(ctx, n.EmbeddedInode(), n.store, to, out)
}

// lookupText answers a lookup with a text about the file of a state; the zero state is
// that of a file that is no store.
func (n *storeNode) lookupText(ctx context.Context, name string, content []byte, state viewState, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	return n.tree.lookupLive(ctx, n.EmbeddedInode(), n.store.NumberOf(name), content, fileOwner{n.store, state}, out)
}

// OpendirHandle lists the store's own names and the stores derived from it.
func (n *storeNode) OpendirHandle(ctx context.Context, _ uint32) (nodefs.FileHandle, uint32, syscall.Errno) {
	if err := n.store.Allow(ctx, volume.Read); err != nil {
		return nil, 0, n.tree.errno(n.store.Path(), "list", err)
	}
	handle, errno := n.tree.openListing(ctx, n.EmbeddedInode(), func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		if n.store.Problem(ctx) != nil {
			return []fuse.DirEntry{{Name: catalog.NameError, Mode: fuse.S_IFREG, Ino: n.store.NumberOf(catalog.NameError)}}, 0
		}
		children, err := n.store.List(ctx)
		if err != nil {
			return nil, n.tree.errno(n.store.Path(), "list", err)
		}
		entries := make([]fuse.DirEntry, 0, len(shownNames)+len(children))
		for _, own := range shownNames {
			if !n.tree.views.lists(own.Name) {
				continue
			}
			entry := fuse.DirEntry{Name: own.Name, Mode: fuse.S_IFREG, Ino: n.store.NumberOf(own.Name)}
			if own.Folder {
				entry.Mode = fuse.S_IFDIR
			}
			entries = append(entries, entry)
		}
		return appendEntries(entries, children), 0
	})
	return handle, 0, errno
}

// Mkdir derives a store. The whole child is on the disk before it returns.
func (n *storeNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	if n.tree.readOnly {
		return nil, n.tree.refusal()
	}
	if errno := n.tree.refuseCopy(ctx, name, aboutStore(n.store)); errno != 0 {
		return nil, errno
	}
	patient := n.tree.outlast(ctx, untilKilled)
	defer patient.end()
	child, err := n.store.Derive(patient, name, newMode(patient, n.store.Folder(), mode).Perm())
	if err != nil {
		return nil, n.tree.errno(n.store.Path(), "derive", err)
	}
	return n.tree.lookupEntry(ctx, n.EmbeddedInode(), catalog.Entry{Name: name, Kind: catalog.KindStore, Store: child}, out)
}

// Rmdir removes a derived store that holds nothing.
func (n *storeNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if n.tree.readOnly || catalog.IsOwnName(name) {
		return n.tree.refusal()
	}
	patient := n.tree.outlast(ctx, untilKilled)
	defer patient.end()
	if err := n.store.Remove(patient, name); err != nil {
		return n.tree.errno(n.store.Path(), "rmdir", err)
	}
	return 0
}

// Rename renames the file of a derived store.
func (n *storeNode) Rename(ctx context.Context, name string, to nodefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if catalog.IsOwnName(name) {
		return n.tree.refusal()
	}
	return n.tree.rename(ctx, n.store, name, to, newName, flags, func(err error) syscall.Errno {
		return n.tree.errno(n.store.Path(), operationRename, err)
	})
}

// Getxattr gives a fact of the store. Other names are answered without touching
// it: `ls -l` asks for several in every folder.
func (n *storeNode) Getxattr(ctx context.Context, name string, buffer []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, attributePrefix) {
		return n.node.Getxattr(ctx, name, buffer)
	}
	if err := n.store.Allow(ctx, volume.Read); err != nil {
		return 0, n.tree.errno(n.store.Path(), "read an attribute", err)
	}
	value, known := n.store.Xattr(ctx, name)
	if !known {
		return 0, syscall.ENODATA
	}
	return copyAttribute(buffer, []byte(value))
}

// Listxattr lists the facts that the store gives.
func (n *storeNode) Listxattr(ctx context.Context, buffer []byte) (uint32, syscall.Errno) {
	var names []byte
	for _, name := range n.store.Xattrs(ctx) {
		names = append(append(names, name...), 0)
	}
	return copyAttribute(buffer, names)
}

// copyAttribute fills the caller's buffer, or tells how long it must be.
func copyAttribute(buffer, content []byte) (uint32, syscall.Errno) {
	if len(buffer) < len(content) {
		return uint32(len(content)), syscall.ERANGE
	}
	return uint32(copy(buffer, content)), 0
}

// Setxattr sets the derivation type of a child that is still empty. The other
// facts are what they are.
func (n *storeNode) Setxattr(ctx context.Context, name string, value []byte, flags uint32) syscall.Errno {
	switch {
	case n.tree.readOnly:
		return syscall.EROFS
	case name == attributeDerivation && flags&unix.XATTR_CREATE != 0:
		return syscall.EEXIST
	case name == attributeDerivation:
		patient := n.tree.outlast(ctx, untilKilled)
		defer patient.end()
		if err := n.store.SetDerivationType(patient, string(value)); err != nil {
			return n.tree.errno(n.store.Path(), "set the derivation type", err)
		}
		return 0
	case strings.HasPrefix(name, attributePrefix):
		return syscall.EPERM
	}
	return syscall.ENOTSUP
}

// Removexattr removes no fact.
func (n *storeNode) Removexattr(_ context.Context, name string) syscall.Errno {
	if strings.HasPrefix(name, attributePrefix) {
		return n.tree.refusal()
	}
	return syscall.ENOTSUP
}

package fs

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"syscall"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

// byIDNode is the folder whose files show one vector each, named by its id. There
// may be any number of them, so they can be opened and are not listed.
type byIDNode struct {
	unlisted
	store *catalog.Store
}

var (
	_ nodefs.NodeGetattrer      = (*byIDNode)(nil)
	_ nodefs.NodeLookuper       = (*byIDNode)(nil)
	_ nodefs.NodeOpendirHandler = (*byIDNode)(nil)
)

const byIDPath = catalog.NameVectors + "/" + byIDName

// vectorSuffixes are the forms in which one vector is shown.
var vectorSuffixes = map[string]vecio.FileFormat{".json": vecio.FileJSONL, ".f32": vecio.FileF32}

func (t *tree) lookupByID(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	child := &byIDNode{unlisted: unlisted{fixedFolder{t.storeFolder(s)}}, store: s}
	return t.lookupSnapshotFolder(ctx, parent, child, s, byIDPath, out)
}

// Getattr describes the folder.
func (n *byIDNode) Getattr(ctx context.Context, _ nodefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	described, errno := n.tree.snapshotFolder(ctx, n.store, byIDPath)
	return described.answer(errno, nameTimeout, out)
}

// Lookup finds a vector by its id, which must be written as numbers are.
func (n *byIDNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	id, format, valid := parseVectorName(name)
	if !valid {
		return nil, syscall.ENOENT
	}
	return n.tree.lookupVector(ctx, n.EmbeddedInode(), n.store, id, format, out)
}

// parseVectorName takes a name such as 12.json apart. There is one for each id and
// form: no signs, no zeros before the number.
func parseVectorName(name string) (id uint64, format vecio.FileFormat, valid bool) {
	dot := strings.IndexByte(name, '.')
	if dot < 0 {
		return 0, 0, false
	}
	format, known := vectorSuffixes[name[dot:]]
	id, valid = parseID(name[:dot])
	return id, format, known && valid
}

// parseID reads an id as it is written in names.
func parseID(digits string) (id uint64, valid bool) {
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil && strconv.FormatUint(id, 10) == digits
}

// lookupVector answers a lookup of a file about the vector with an id.
func (t *tree) lookupVector(ctx context.Context, parent *nodefs.Inode, s *catalog.Store, id uint64, format vecio.FileFormat, out *fuse.EntryOut) (*nodefs.Inode, syscall.Errno) {
	view, snapshot, err := s.VectorByID(ctx, id, format)
	if err != nil {
		return nil, t.errno(s.Path(), "show a vector", err)
	}
	return t.lookupViewAs(ctx, parent, s, byIDPath, strconv.FormatUint(id, 10), view, vectorIdentity(s, snapshot, id, format), stateOf(snapshot), out)
}

// vectorIdentity tells the file about a vector apart from all others. Numbers recur
// among far more vectors than there are numbers; generations do not.
func vectorIdentity(s *catalog.Store, snapshot *state.Snapshot, id uint64, format vecio.FileFormat) nodefs.StableAttr {
	content := binary.LittleEndian.AppendUint64(nil, snapshot.Generation())
	content = binary.LittleEndian.AppendUint64(content, id)
	index := 2 * id
	if format == vecio.FileF32 {
		index++
	}
	return nodefs.StableAttr{Mode: fuse.S_IFREG, Ino: s.VectorNumber(index), Gen: generationOf(append(content, byte(format)))}
}

package memory

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// filesIn are the files in a folder as somebody reaches them.
type filesIn struct {
	files  *Files
	folder *Node
	caller volume.Caller
	// implied has all folders be there that are named.
	implied bool
}

// spot is where a name leads: a folder, the path there, and what stands at it, if
// anything does.
type spot struct {
	folder *Node
	full   string
	node   *Node
}

func failure(operation, name string, err error) error {
	return &os.PathError{Op: operation, Path: name, Err: err}
}

// path is where the folder stands; not known of one that was removed. The caller holds mu.
func (f filesIn) path() (full string, known bool) {
	if f.folder == f.files.top {
		return ".", true
	}
	for name, node := range f.files.Names {
		if node == f.folder {
			return name, true
		}
	}
	return "", false
}

// may fails unless the caller may do with something what is wanted. The caller holds mu.
func (f filesIn) may(node *Node, want volume.Permission) error {
	info := f.files.info(node)
	allowed := f.caller.PermittedByMode(info, want)
	if list := node.Lists[0]; f.caller.UID != 0 && list.Valid() {
		allowed = list.Permits(f.caller, info, want)
	}
	if !allowed && !f.caller.Trusted() {
		return syscall.EACCES
	}
	return nil
}

// find walks to a name. The caller holds mu.
func (f filesIn) find(name string) (spot, error) { return f.walk(name, false) }

// walk is find for what is a folder or may be something else.
func (f filesIn) walk(name string, folder bool) (spot, error) {
	at := spot{folder: f.folder, node: f.folder}
	full, known := f.path()
	at.full = full
	if f.implied {
		name = path.Clean(name)
	}
	if name == "." {
		return at, nil
	}
	if !known {
		return spot{}, fs.ErrNotExist
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return spot{}, syscall.EINVAL
		case at.node == nil:
			return spot{}, fs.ErrNotExist
		case at.node.Target != "":
			return spot{}, syscall.ELOOP
		case !at.node.Folder:
			return spot{}, syscall.ENOTDIR
		}
		if err := f.may(at.node, volume.Search); err != nil {
			return spot{}, err
		}
		at.folder, at.full = at.node, path.Join(at.full, part)
		at.node = f.files.Names[at.full]
		if at.node == nil && f.implied && (len(at.full) < len(name) || folder) {
			at.node = &Node{Folder: true}
		}
	}
	return at, nil
}

// there is find for an operation on something that must be there, and may fail. The
// caller holds mu.
func (f filesIn) there(operation, name string) (spot, error) {
	if err := f.files.refuse(operation, name); err != nil {
		return spot{}, err
	}
	at, err := f.find(name)
	if err == nil && at.node == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return spot{}, failure(operation, name, err)
	}
	return at, nil
}

// vacant is find for an operation that makes something. The caller holds mu.
func (f filesIn) vacant(operation, name string) (spot, error) {
	if err := f.files.refuse(operation, name); err != nil {
		return spot{}, err
	}
	at, err := f.find(name)
	switch {
	case err != nil:
	case at.node != nil:
		err = fs.ErrExist
	default:
		err = f.may(at.folder, volume.Write|volume.Search)
	}
	if err != nil {
		return spot{}, failure(operation, name, err)
	}
	return at, nil
}

// mayTakeAway fails unless the caller may take a name away: in a folder with the sticky
// bit that is for who owns the folder, or what stands at the name. The caller holds mu.
func (f filesIn) mayTakeAway(at spot) error {
	if at.node == f.folder {
		return syscall.EINVAL
	}
	if err := f.may(at.folder, volume.Write|volume.Search); err != nil {
		return err
	}
	sticky := at.folder.Attributes.Mode&os.ModeSticky != 0
	if sticky && !f.owns(at.folder) && !f.owns(at.node) {
		return syscall.EPERM
	}
	return nil
}

func (f filesIn) owns(node *Node) bool {
	return f.caller.Trusted() || f.caller.UID == node.Attributes.UID
}

// place puts a new node at a spot. The caller holds mu.
func (m *Files) place(at spot, node *Node) {
	m.Names[at.full] = node
	at.folder.modified = time.Now()
}

// born are the attributes of what the caller makes in a folder.
func (f filesIn) born(in *Node, perm os.FileMode) filelog.FileAttributes {
	attributes := filelog.FileAttributes{UID: f.caller.UID, GID: f.caller.GID, Mode: perm}
	if in.Attributes.Mode&os.ModeSetgid != 0 {
		attributes.GID = in.Attributes.GID
	}
	return attributes
}

// Open implements filelog.FileSystem.
func (f filesIn) Open(name string, write bool) (filelog.File, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.there("open", name)
	if err != nil {
		return nil, err
	}
	want := volume.Read
	if write {
		want |= volume.Write
	}
	switch {
	case at.node.Target != "":
		err = syscall.ELOOP
	case at.node.Folder && write:
		err = syscall.EISDIR
	case at.node.Folder:
		err = volume.ErrNotRegular
	default:
		err = f.may(at.node, want)
	}
	if err != nil {
		return nil, failure("open", name, err)
	}
	f.files.used++
	return &file{files: f.files, node: at.node}, nil
}

// Create implements filelog.FileSystem.
func (f filesIn) Create(name string, perm os.FileMode) (filelog.File, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.vacant("create", name)
	if err != nil {
		return nil, err
	}
	node := f.files.make(Node{Attributes: f.born(at.folder, perm)})
	f.files.place(at, node)
	f.files.note(fileChange{Kind: DidCreate, node: node.Number, name: at.full})
	f.files.used++
	return &file{files: f.files, node: node}, nil
}

// Stat implements filelog.FileSystem.
func (f filesIn) Stat(name string) (volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.files.FailLooks {
		if err := f.files.refuse("describe", name); err != nil {
			return volume.FileInfo{}, err
		}
	}
	return f.describe(name)
}

// describe tells about what is at a name. The caller holds mu.
func (f filesIn) describe(name string) (volume.FileInfo, error) {
	at, err := f.find(name)
	if err == nil && at.node == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return volume.FileInfo{}, failure("describe", name, err)
	}
	return f.files.info(at.node), nil
}

// Link gives a file a second name.
func (f filesIn) Link(oldName, newName string) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	from, err := f.there("link", oldName)
	if err != nil {
		return err
	}
	to, err := f.vacantAlso("link", newName)
	if err != nil {
		return err
	}
	if from.node.Folder {
		return failure("link", oldName, syscall.EPERM)
	}
	f.files.place(to, from.node)
	f.files.note(fileChange{Kind: didLink, name: from.full, name2: to.full})
	return nil
}

// vacantAlso is vacant for the second name of an operation. The caller holds mu.
func (f filesIn) vacantAlso(operation, name string) (spot, error) {
	fail := f.files.Fail
	f.files.Fail = nil
	defer func() { f.files.Fail = fail }()
	return f.vacant(operation, name)
}

// Rename implements filelog.FileSystem.
func (f filesIn) Rename(oldName, newName string) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	from, err := f.there("rename", oldName)
	if err == nil {
		err = f.mayTakeAway(from)
	}
	if err != nil {
		return err
	}
	to, err := f.find(newName)
	if err == nil {
		err = f.may(to.folder, volume.Write|volume.Search)
	}
	if err != nil {
		return failure("rename", newName, err)
	}
	if f.files.Plain && to.node != nil {
		delete(f.files.Names, to.full)
		f.files.note(fileChange{Kind: didRemove, name: to.full})
	}
	f.move(from, to)
	return nil
}

// move gives what stands at a spot another one. The caller holds mu.
func (f filesIn) move(from, to spot) {
	f.files.rekey(from.full, to.full)
	from.folder.modified = time.Now()
	to.folder.modified = time.Now()
	f.files.note(fileChange{Kind: didRename, name: from.full, name2: to.full})
}

// Replace exchanges the names and then removes the old file's, so that a crash may
// come in between.
func (f filesIn) Replace(fresh, name string, old volume.FileInfo) error {
	if f.files.Plain {
		return filelog.ReplaceInSteps(f, fresh, name, old)
	}
	if err := f.exchange(fresh, name, old); err != nil {
		return err
	}
	_ = f.Remove(fresh)
	return nil
}

func (f filesIn) exchange(fresh, name string, old volume.FileInfo) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	mine, err := f.there("rename", fresh)
	if err != nil {
		return err
	}
	its, err := f.find(name)
	switch {
	case err != nil:
	case its.node == nil:
		err = fs.ErrNotExist
	case !volume.SameFile(f.files.info(its.node), old):
		err = volume.ErrOtherFile
	default:
		f.files.Names[mine.full], f.files.Names[its.full] = its.node, mine.node
		f.files.note(fileChange{Kind: didExchange, name: mine.full, name2: its.full})
		return nil
	}
	return failure("rename", name, err)
}

// RenameNew implements filelog.FileSystem.
func (f filesIn) RenameNew(oldName, newName string) error {
	if f.files.Plain && !f.isFolder(oldName) {
		return filelog.RenameReserved(f, oldName, newName)
	}
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	from, err := f.there("rename", oldName)
	if err != nil {
		return err
	}
	if err := f.mayTakeAway(from); err != nil {
		return failure("rename", oldName, err)
	}
	to, err := f.vacantAlso("rename", newName)
	if err != nil {
		return err
	}
	if from.node.Folder && strings.HasPrefix(to.full, from.full+"/") {
		return failure("rename", newName, syscall.EINVAL)
	}
	f.move(from, to)
	return nil
}

func (f filesIn) isFolder(name string) bool {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.find(name)
	return err == nil && at.node != nil && at.node.Folder
}

// Reserves implements filelog.FileSystem.
func (f filesIn) Reserves(string) bool { return f.files.Plain }

// Remove implements filelog.FileSystem.
func (f filesIn) Remove(name string) error {
	return f.takeAway("remove", name, func(at spot) error {
		if at.node.Folder {
			return syscall.EISDIR
		}
		return nil
	})
}

// takeAway removes a name, if nothing speaks against it.
func (f filesIn) takeAway(operation, name string, against func(spot) error) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	at, err := f.there(operation, name)
	if err != nil {
		return err
	}
	if err = f.mayTakeAway(at); err == nil {
		err = against(at)
	}
	if err != nil {
		return failure(operation, name, err)
	}
	delete(f.files.Names, at.full)
	at.folder.modified = time.Now()
	f.files.note(fileChange{Kind: didRemove, name: at.full})
	return nil
}

// SyncDirectory implements filelog.FileSystem.
func (f filesIn) SyncDirectory(name string) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("sync directory", name); err != nil {
		return err
	}
	f.files.note(fileChange{Kind: didSyncDirectory})
	return nil
}

// Siblings implements filelog.FileSystem.
func (f filesIn) Siblings(name string) ([]string, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("list", name); err != nil {
		return nil, err
	}
	at, err := f.walk(path.Dir(name), true)
	if err == nil && at.node == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, failure("list", name, err)
	}
	var names []string
	for _, entry := range f.files.entries(at) {
		names = append(names, entry.Name)
	}
	return names, nil
}

// entries are the names in a folder. The caller holds mu.
func (m *Files) entries(at spot) []volume.FolderEntry {
	var entries []volume.FolderEntry
	for name, node := range m.Names {
		if path.Dir(name) == at.full {
			entries = append(entries, volume.FolderEntry{Name: path.Base(name), Type: m.info(node).Mode.Type()})
		}
	}
	return entries
}

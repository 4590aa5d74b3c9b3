package memory

import (
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Files are the files of a volume in memory: those in its topmost folder and, by paths,
// those in others, which need not have been made. All changes are kept in a log.
type Files struct {
	Mu    sync.Mutex
	Names map[string]*Node // by path
	Log   []fileChange
	// Fail is asked before every open, read and change, and all that is asked of a
	// folder; with FailLooks also before each look at a file. Nil never fails.
	Fail      func(operation string) error
	FailLooks bool
	// Plain is whether they can neither be renamed without replacing nor exchange their
	// names, and of a crash in a rename over another file neither may be left.
	Plain bool

	top   *Node
	nodes uint64
	used  int // what is open
}

// Node is one file, folder or link, whatever its names.
type Node struct {
	Number  uint64
	Content []byte
	Folder  bool
	Target  string // of a link

	Attributes filelog.FileAttributes
	Lists      [2]volume.AccessList // its own, and the one that it hands down

	modified time.Time
	locked   bool
}

// ShortWrite is a failure of a write that took some bytes: all but the divisor's
// part, and never all.
type ShortWrite struct {
	Divisor int
	Err     error
}

func (s *ShortWrite) Error() string { return s.Err.Error() }
func (s *ShortWrite) Unwrap() error { return s.Err }

// New is a place without files.
func New() *Files {
	return &Files{Names: map[string]*Node{}, top: &Node{Folder: true, Attributes: filelog.FileAttributes{Mode: 0o755}, modified: time.Now()}}
}

var _ filelog.FileSystem = (*Files)(nil)

// whole are the files as this process reaches them.
func (m *Files) whole() filesIn { return filesIn{files: m, folder: m.top, implied: true} }

func (m *Files) note(c fileChange) { m.Log = append(m.Log, c) }

// refuse asks whether an operation is to fail. The caller holds mu.
func (m *Files) refuse(operation, name string) error {
	if m.Fail == nil {
		return nil
	}
	if err := m.Fail(operation); err != nil {
		return &os.PathError{Op: operation, Path: name, Err: err}
	}
	return nil
}

// make is a new node. The caller holds mu.
func (m *Files) make(node Node) *Node {
	m.nodes++
	node.Number, node.modified = m.nodes, time.Now()
	return &node
}

// info describes a node. The caller holds mu.
func (m *Files) info(node *Node) volume.FileInfo {
	links := uint64(0)
	for _, other := range m.Names {
		if other == node {
			links++
		}
	}
	mode := node.Attributes.Mode
	switch {
	case node.Folder:
		mode |= os.ModeDir
	case node.Target != "":
		mode |= os.ModeSymlink
	}
	return volume.FileInfo{
		Size: int64(len(node.Content)), Modified: node.modified, Identity: volume.NewIdentity(1, node.Number), Names: links,
		Mode: mode, UID: node.Attributes.UID, GID: node.Attributes.GID,
	}
}

// rekey gives what stands at a path another one, and with a folder all that is in it. The
// caller holds mu.
func (m *Files) rekey(from, to string) {
	node, known := m.Names[from]
	if !known {
		return
	}
	delete(m.Names, from)
	m.Names[to] = node
	if !node.Folder {
		return
	}
	for name, below := range m.Names {
		if len(name) > len(from) && name[:len(from)+1] == from+"/" {
			delete(m.Names, name)
			m.Names[to+name[len(from):]] = below
		}
	}
}

// Open implements filelog.FileSystem.
func (m *Files) Open(name string, write bool) (filelog.File, error) {
	return m.whole().Open(name, write)
}

// Create implements filelog.FileSystem.
func (m *Files) Create(name string, perm os.FileMode) (filelog.File, error) {
	return m.whole().Create(name, perm)
}

// Stat implements filelog.FileSystem.
func (m *Files) Stat(name string) (volume.FileInfo, error) { return m.whole().Stat(name) }

// Link gives a file a second name.
func (m *Files) Link(oldName, newName string) error { return m.whole().Link(oldName, newName) }

// Rename implements filelog.FileSystem.
func (m *Files) Rename(oldName, newName string) error { return m.whole().Rename(oldName, newName) }

// Replace implements filelog.FileSystem.
func (m *Files) Replace(fresh, name string, old volume.FileInfo) error {
	return m.whole().Replace(fresh, name, old)
}

// RenameNew implements filelog.FileSystem.
func (m *Files) RenameNew(oldName, newName string) error {
	return m.whole().RenameNew(oldName, newName)
}

// Reserves implements filelog.FileSystem.
func (m *Files) Reserves(string) bool { return m.Plain }

// Remove implements filelog.FileSystem.
func (m *Files) Remove(name string) error { return m.whole().Remove(name) }

// SyncDirectory implements filelog.FileSystem.
func (m *Files) SyncDirectory(name string) error { return m.whole().SyncDirectory(name) }

// Siblings implements filelog.FileSystem.
func (m *Files) Siblings(name string) ([]string, error) { return m.whole().Siblings(name) }

// Changes is the length of the log.
func (m *Files) Changes() int {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return len(m.Log)
}

// Content is what the file of a name holds, nil for none.
func (m *Files) Content(name string) []byte {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if node, known := m.Names[name]; known {
		return node.Content
	}
	return nil
}

// Age dates a file or a folder back.
func (m *Files) Age(name string, by time.Duration) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	node := m.Names[path.Clean(name)]
	if name == "." {
		node = m.top
	}
	node.modified = node.modified.Add(-by)
}

// PutLink makes a symbolic link.
func (m *Files) PutLink(target, name string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	at, err := m.whole().vacant("link", name)
	if err != nil {
		return err
	}
	m.place(at, m.make(Node{Target: target, Attributes: filelog.FileAttributes{Mode: os.ModePerm}}))
	return nil
}

// Clone is a place with the same files, none of which is open there.
func (m *Files) Clone() *Files {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	clone := New()
	clone.nodes, clone.Plain = m.nodes, m.Plain
	copies := map[*Node]*Node{}
	for name, node := range m.Names {
		if copies[node] == nil {
			copies[node] = node.clone()
		}
		clone.Names[name] = copies[node]
	}
	clone.top = m.top.clone()
	return clone
}

func (n *Node) clone() *Node {
	clone := *n
	clone.Content, clone.locked = slices.Clone(n.Content), false
	return &clone
}

// Used is how many files, folders and listings are open.
func (m *Files) Used() int {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return m.used
}

package memory

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"rvffs/store/volume"
)

// Files is a FileSystem that keeps a log of every change, from which the
// states can be built that a crash may leave on a disk.
type Files struct {
	Mu    sync.Mutex
	Names map[string]*Node
	Log   []fileChange
	nodes uint64
	Fail  func(operation string) error // asked before every open, read and change; nil: never fails
}

// Node is one file, whatever its names.
type Node struct {
	Number   uint64
	Content  []byte
	modified time.Time
	locked   bool

	Attributes volume.FileAttributes
}

// FileChange is one entry of the log.
type fileChange struct {
	Kind   changeKind
	node   uint64
	name   string
	name2  string
	offset int64 // of a write; the size of a truncation
	Data   []byte
}

type changeKind uint8

const (
	DidCreate changeKind = iota
	DidWrite
	DidTruncate
	DidSync
	didLink
	didRename
	didExchange
	didRemove
	didSyncDirectory
	didFailSync // the system forgets that what was written is not on the disk
)

// ShortWrite is a failure of a write that took some bytes: all but the divisor's
// part, and never all.
type ShortWrite struct {
	Divisor int
	Err     error
}

func (s *ShortWrite) Error() string { return s.Err.Error() }
func (s *ShortWrite) Unwrap() error { return s.Err }

// New is a place without files.
func New() *Files { return &Files{Names: map[string]*Node{}} }

func (m *Files) note(c fileChange) { m.Log = append(m.Log, c) }

func (m *Files) refuse(operation, name string) error {
	if m.Fail == nil {
		return nil
	}
	if err := m.Fail(operation); err != nil {
		return &os.PathError{Op: operation, Path: name, Err: err}
	}
	return nil
}

func missing(operation, name string) error {
	return &os.PathError{Op: operation, Path: name, Err: fs.ErrNotExist}
}

// Open implements volume.FileSystem.
func (m *Files) Open(name string, _ bool) (volume.File, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.refuse("open", name); err != nil {
		return nil, err
	}
	node, known := m.Names[path.Clean(name)]
	if !known {
		return nil, missing("open", name)
	}
	return &file{files: m, node: node}, nil
}

// Create implements volume.FileSystem.
func (m *Files) Create(name string, _ os.FileMode) (volume.File, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	name = path.Clean(name)
	if err := m.refuse("create", name); err != nil {
		return nil, err
	}
	if _, taken := m.Names[name]; taken {
		return nil, &os.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	m.nodes++
	node := &Node{Number: m.nodes, modified: time.Now()}
	m.Names[name] = node
	m.note(fileChange{Kind: DidCreate, node: node.Number, name: name})
	return &file{files: m, node: node}, nil
}

// Stat implements volume.FileSystem.
func (m *Files) Stat(name string) (volume.FileInfo, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	node, known := m.Names[path.Clean(name)]
	if !known {
		return volume.FileInfo{}, missing("stat", name)
	}
	return m.info(node), nil
}

// info describes a file; the caller holds mu.
func (m *Files) info(node *Node) volume.FileInfo {
	links := uint64(0)
	for _, other := range m.Names {
		if other == node {
			links++
		}
	}
	return volume.FileInfo{Size: int64(len(node.Content)), Modified: node.modified, Identity: volume.NewIdentity(1, node.Number), Links: links, Mode: 0o644, UID: node.Attributes.UID}
}

// Link implements volume.FileSystem.
func (m *Files) Link(oldName, newName string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	oldName, newName = path.Clean(oldName), path.Clean(newName)
	if err := m.refuse("link", newName); err != nil {
		return err
	}
	node, known := m.Names[oldName]
	if !known {
		return missing("link", oldName)
	}
	if _, taken := m.Names[newName]; taken {
		return &os.LinkError{Op: "link", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	m.Names[newName] = node
	m.note(fileChange{Kind: didLink, name: oldName, name2: newName})
	return nil
}

// Rename implements volume.FileSystem.
func (m *Files) Rename(oldName, newName string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	oldName, newName = path.Clean(oldName), path.Clean(newName)
	if err := m.refuse("rename", newName); err != nil {
		return err
	}
	node, known := m.Names[oldName]
	if !known {
		return missing("rename", oldName)
	}
	delete(m.Names, oldName)
	m.Names[newName] = node
	m.note(fileChange{Kind: didRename, name: oldName, name2: newName})
	return nil
}

// Replace exchanges the names and then removes the old file's, so that a crash may
// come in between.
func (m *Files) Replace(fresh, name string, old volume.FileInfo) error {
	m.Mu.Lock()
	fresh, name = path.Clean(fresh), path.Clean(name)
	err := m.refuse("rename", name)
	mine, known := m.Names[fresh]
	its, there := m.Names[name]
	switch {
	case err != nil:
	case !known || !there:
		err = missing("rename", name)
	case !volume.SameFile(m.info(its), old):
		err = volume.ErrOtherFile
	default:
		m.Names[fresh], m.Names[name] = its, mine
		m.note(fileChange{Kind: didExchange, name: fresh, name2: name})
	}
	m.Mu.Unlock()
	if err != nil {
		return err
	}
	_ = m.Remove(fresh)
	return nil
}

// RenameNew implements volume.FileSystem.
func (m *Files) RenameNew(oldName, newName string) error {
	m.Mu.Lock()
	_, taken := m.Names[path.Clean(newName)]
	m.Mu.Unlock()
	if taken {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	return m.Rename(oldName, newName)
}

// Remove implements volume.FileSystem.
func (m *Files) Remove(name string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	name = path.Clean(name)
	if err := m.refuse("remove", name); err != nil {
		return err
	}
	if _, known := m.Names[name]; !known {
		return missing("remove", name)
	}
	delete(m.Names, name)
	m.note(fileChange{Kind: didRemove, name: name})
	return nil
}

// SyncDirectory implements volume.FileSystem.
func (m *Files) SyncDirectory(name string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.refuse("sync directory", name); err != nil {
		return err
	}
	m.note(fileChange{Kind: didSyncDirectory})
	return nil
}

// Siblings implements volume.FileSystem.
func (m *Files) Siblings(name string) ([]string, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.refuse("list", name); err != nil {
		return nil, err
	}
	var names []string
	for other := range m.Names {
		if path.Dir(other) == path.Dir(path.Clean(name)) {
			names = append(names, path.Base(other))
		}
	}
	return names, nil
}

// Changes is the length of the log.
func (m *Files) Changes() int {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	return len(m.Log)
}

type file struct {
	files *Files
	node  *Node
	locks bool
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("read", "file"); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.Content)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.Content[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("write", "file"); err != nil {
		var short *ShortWrite
		if !errors.As(err, &short) {
			return 0, err
		}
		p = p[:len(p)-max(1, len(p)/short.Divisor)]
		f.node.Write(p, offset)
		f.files.note(fileChange{Kind: DidWrite, node: f.node.Number, offset: offset, Data: slices.Clone(p)})
		return len(p), err
	}
	f.node.Write(p, offset)
	f.files.note(fileChange{Kind: DidWrite, node: f.node.Number, offset: offset, Data: slices.Clone(p)})
	return len(p), nil
}

func (n *Node) Write(p []byte, offset int64) {
	n.resize(max(int64(len(n.Content)), offset+int64(len(p))))
	copy(n.Content[offset:], p)
	n.modified = time.Now()
}

func (n *Node) resize(size int64) {
	if size <= int64(len(n.Content)) {
		n.Content = n.Content[:size]
		return
	}
	n.Content = append(n.Content, make([]byte, size-int64(len(n.Content)))...)
}

func (f *file) Truncate(size int64) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("truncate", "file"); err != nil {
		return err
	}
	f.node.resize(size)
	f.node.modified = time.Now()
	f.files.note(fileChange{Kind: DidTruncate, node: f.node.Number, offset: size})
	return nil
}

func (f *file) SyncData() error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("sync", "file"); err != nil {
		f.files.note(fileChange{Kind: didFailSync, node: f.node.Number})
		return err
	}
	f.files.note(fileChange{Kind: DidSync, node: f.node.Number})
	return nil
}

func (f *file) Stat() (volume.FileInfo, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	return f.files.info(f.node), nil
}

func (f *file) TryLock() (bool, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.node.locked && !f.locks {
		return false, nil
	}
	f.node.locked, f.locks = true, true
	return true, nil
}

func (f *file) Close() error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if f.locks {
		f.node.locked = false
	}
	return nil
}

func (f *file) Attributes() (volume.FileAttributes, error) {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	return f.node.Attributes, nil
}

func (f *file) SetAttributes(attributes volume.FileAttributes) error {
	f.files.Mu.Lock()
	defer f.files.Mu.Unlock()
	if err := f.files.refuse("set attributes", "file"); err != nil {
		return err
	}
	f.node.Attributes = attributes
	return nil
}

func (f *file) StartWriteback(int64, int64) {}

// Crash is one way in which a machine may stop.
type Crash struct {
	After int              // log entries that had happened
	Torn  int              // bytes of the last one, a write, that reached the disk; -1: all
	Lost  func(i int) bool // which changes that no sync had made certain are gone; nil: none
}

// State builds what is on the disk after a crash.
func (m *Files) State(c Crash) *Files {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	certain := map[uint64]int{} // by node: changes before this entry are on the disk
	names := 0
	forgotten := map[int]bool{} // writes that no later sync makes certain
	for i, entry := range m.Log[:c.After] {
		switch entry.Kind {
		case didFailSync:
			for j := certain[entry.node]; j < i; j++ {
				if m.Log[j].Kind == DidWrite && m.Log[j].node == entry.node {
					forgotten[j] = true
				}
			}
		case DidSync:
			certain[entry.node] = i
		case didSyncDirectory:
			names = i
		}
	}
	after := New()
	nodes := map[uint64]*Node{}
	for i, entry := range m.Log[:c.After] {
		isName := entry.Kind == DidCreate || entry.Kind == didLink || entry.Kind == didRename || entry.Kind == didExchange || entry.Kind == didRemove
		if c.Lost != nil && (isName && i >= names || !isName && i >= certain[entry.node] || forgotten[i]) && c.Lost(i) {
			if entry.Kind == DidCreate {
				nodes[entry.node] = &Node{Number: entry.node}
			}
			continue
		}
		switch entry.Kind {
		case DidCreate:
			node := &Node{Number: entry.node}
			nodes[entry.node], after.Names[entry.name] = node, node
		case DidWrite:
			data := entry.Data
			if i == c.After-1 && c.Torn >= 0 {
				data = data[:c.Torn]
			}
			nodes[entry.node].Write(data, entry.offset)
		case DidTruncate:
			nodes[entry.node].resize(entry.offset)
		case didLink:
			if node, known := after.Names[entry.name]; known {
				after.Names[entry.name2] = node
			}
		case didRename:
			if node, known := after.Names[entry.name]; known {
				delete(after.Names, entry.name)
				after.Names[entry.name2] = node
			}
		case didExchange:
			mine, known := after.Names[entry.name]
			its, there := after.Names[entry.name2]
			if known && there {
				after.Names[entry.name], after.Names[entry.name2] = its, mine
			}
		case didRemove:
			delete(after.Names, entry.name)
		}
	}
	after.nodes = m.nodes
	return after
}

// Crashes visits the ways in which the machine may have stopped since the log had so
// many entries, or every so manieth of them.
func (m *Files) Crashes(from, every int, visit func(what string, c Crash)) {
	random := rand.New(rand.NewPCG(7, uint64(len(m.Log))))
	built := 0
	check := func(what string, c Crash) {
		if built++; built%every == 0 {
			visit(what, c)
		}
	}
	for after := from; after <= len(m.Log); after++ {
		check("all writes arrived", Crash{After: after, Torn: -1})
		last := m.Log[after-1]
		if last.Kind == DidWrite {
			step := 512
			if len(last.Data) <= 1024 {
				step = 1
			}
			for torn := 0; torn < len(last.Data); torn += step {
				check("the last write is torn", Crash{After: after, Torn: torn})
			}
		}
		check("nothing unsynced arrived", Crash{After: after, Torn: -1, Lost: func(int) bool { return true }})
		for missing := max(0, after-12); missing < after; missing++ {
			check("one unsynced write is missing", Crash{After: after, Torn: -1, Lost: func(i int) bool { return i == missing && m.Log[i].Kind == DidWrite }})
		}
		for range 8 {
			mask := random.Uint64()
			check("some unsynced writes are missing", Crash{After: after, Torn: -1, Lost: func(i int) bool {
				kind := m.Log[i].Kind
				return (kind == DidWrite || kind == DidTruncate) && mask>>(i%64)&1 != 0
			}})
		}
	}
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

// Age dates a file back.
func (m *Files) Age(name string, by time.Duration) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	node := m.Names[name]
	node.modified = node.modified.Add(-by)
}

// Restate begins a log with the files as they are, all of it on the disk.
func (m *Files) Restate() {
	m.Log = nil
	for _, name := range slices.Sorted(maps.Keys(m.Names)) {
		node := m.Names[name]
		m.note(fileChange{Kind: DidCreate, node: node.Number, name: name})
		m.note(fileChange{Kind: DidWrite, node: node.Number, Data: slices.Clone(node.Content)})
		m.note(fileChange{Kind: DidSync, node: node.Number})
	}
	m.note(fileChange{Kind: didSyncDirectory})
}

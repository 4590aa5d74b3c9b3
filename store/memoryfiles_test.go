package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"testing"
	"time"
)

// memoryFiles is a FileSystem that keeps a log of every change, from which the
// states can be built that a crash may leave on a disk.
type memoryFiles struct {
	mu    sync.Mutex
	names map[string]*memoryNode
	log   []fileChange
	nodes uint64
	fail  func(operation string) error // asked before every open, read and change; nil: never fails
}

// memoryNode is one file, whatever its names.
type memoryNode struct {
	number   uint64
	content  []byte
	modified time.Time
	locked   bool

	attributes FileAttributes
}

// fileChange is one entry of the log.
type fileChange struct {
	kind   changeKind
	node   uint64
	name   string
	name2  string
	offset int64 // of a write; the size of a truncation
	data   []byte
}

type changeKind uint8

const (
	didCreate changeKind = iota
	didWrite
	didTruncate
	didSync
	didLink
	didRename
	didExchange
	didRemove
	didSyncDirectory
	didFailSync // the system forgets that what was written is not on the disk
)

// shortWrite is a failure of a write that took some bytes: all but the divisor's
// part, and never all.
type shortWrite struct {
	divisor int
	err     error
}

func (s *shortWrite) Error() string { return s.err.Error() }
func (s *shortWrite) Unwrap() error { return s.err }

func newMemoryFiles() *memoryFiles { return &memoryFiles{names: map[string]*memoryNode{}} }

func (m *memoryFiles) note(c fileChange) { m.log = append(m.log, c) }

func (m *memoryFiles) refuse(operation, name string) error {
	if m.fail == nil {
		return nil
	}
	if err := m.fail(operation); err != nil {
		return &os.PathError{Op: operation, Path: name, Err: err}
	}
	return nil
}

func missing(operation, name string) error {
	return &os.PathError{Op: operation, Path: name, Err: fs.ErrNotExist}
}

func (m *memoryFiles) Open(name string, _ bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refuse("open", name); err != nil {
		return nil, err
	}
	node, known := m.names[path.Clean(name)]
	if !known {
		return nil, missing("open", name)
	}
	return &memoryFile{files: m, node: node}, nil
}

func (m *memoryFiles) Create(name string, _ os.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if err := m.refuse("create", name); err != nil {
		return nil, err
	}
	if _, taken := m.names[name]; taken {
		return nil, &os.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	m.nodes++
	node := &memoryNode{number: m.nodes, modified: time.Now()}
	m.names[name] = node
	m.note(fileChange{kind: didCreate, node: node.number, name: name})
	return &memoryFile{files: m, node: node}, nil
}

func (m *memoryFiles) Stat(name string) (FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, known := m.names[path.Clean(name)]
	if !known {
		return FileInfo{}, missing("stat", name)
	}
	return m.info(node), nil
}

// info describes a file; the caller holds mu.
func (m *memoryFiles) info(node *memoryNode) FileInfo {
	links := uint64(0)
	for _, other := range m.names {
		if other == node {
			links++
		}
	}
	return FileInfo{Size: int64(len(node.content)), Modified: node.modified, Device: 1, Inode: node.number, Links: links, Mode: 0o644, UID: node.attributes.UID}
}

func (m *memoryFiles) Link(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldName, newName = path.Clean(oldName), path.Clean(newName)
	if err := m.refuse("link", newName); err != nil {
		return err
	}
	node, known := m.names[oldName]
	if !known {
		return missing("link", oldName)
	}
	if _, taken := m.names[newName]; taken {
		return &os.LinkError{Op: "link", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	m.names[newName] = node
	m.note(fileChange{kind: didLink, name: oldName, name2: newName})
	return nil
}

func (m *memoryFiles) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldName, newName = path.Clean(oldName), path.Clean(newName)
	if err := m.refuse("rename", newName); err != nil {
		return err
	}
	node, known := m.names[oldName]
	if !known {
		return missing("rename", oldName)
	}
	delete(m.names, oldName)
	m.names[newName] = node
	m.note(fileChange{kind: didRename, name: oldName, name2: newName})
	return nil
}

// Replace exchanges the names and then removes the old file's, so that a crash may
// come in between.
func (m *memoryFiles) Replace(fresh, name string, old FileInfo) error {
	m.mu.Lock()
	fresh, name = path.Clean(fresh), path.Clean(name)
	err := m.refuse("rename", name)
	mine, known := m.names[fresh]
	its, there := m.names[name]
	switch {
	case err != nil:
	case !known || !there:
		err = missing("rename", name)
	case !sameFile(m.info(its), old):
		err = errOtherFile
	default:
		m.names[fresh], m.names[name] = its, mine
		m.note(fileChange{kind: didExchange, name: fresh, name2: name})
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	_ = m.Remove(fresh)
	return nil
}

func (m *memoryFiles) RenameNew(oldName, newName string) error {
	m.mu.Lock()
	_, taken := m.names[path.Clean(newName)]
	m.mu.Unlock()
	if taken {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	return m.Rename(oldName, newName)
}

func (m *memoryFiles) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if err := m.refuse("remove", name); err != nil {
		return err
	}
	if _, known := m.names[name]; !known {
		return missing("remove", name)
	}
	delete(m.names, name)
	m.note(fileChange{kind: didRemove, name: name})
	return nil
}

func (m *memoryFiles) SyncDirectory(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refuse("sync directory", name); err != nil {
		return err
	}
	m.note(fileChange{kind: didSyncDirectory})
	return nil
}

func (m *memoryFiles) Siblings(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refuse("list", name); err != nil {
		return nil, err
	}
	var names []string
	for other := range m.names {
		if path.Dir(other) == path.Dir(path.Clean(name)) {
			names = append(names, path.Base(other))
		}
	}
	return names, nil
}

// changes is the length of the log.
func (m *memoryFiles) changes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.log)
}

type memoryFile struct {
	files *memoryFiles
	node  *memoryNode
	locks bool
}

func (f *memoryFile) ReadAt(p []byte, offset int64) (int, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if err := f.files.refuse("read", "file"); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.content)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.content[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(p []byte, offset int64) (int, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if err := f.files.refuse("write", "file"); err != nil {
		var short *shortWrite
		if !errors.As(err, &short) {
			return 0, err
		}
		p = p[:len(p)-max(1, len(p)/short.divisor)]
		f.node.write(p, offset)
		f.files.note(fileChange{kind: didWrite, node: f.node.number, offset: offset, data: slices.Clone(p)})
		return len(p), err
	}
	f.node.write(p, offset)
	f.files.note(fileChange{kind: didWrite, node: f.node.number, offset: offset, data: slices.Clone(p)})
	return len(p), nil
}

func (n *memoryNode) write(p []byte, offset int64) {
	n.resize(max(int64(len(n.content)), offset+int64(len(p))))
	copy(n.content[offset:], p)
	n.modified = time.Now()
}

func (n *memoryNode) resize(size int64) {
	if size <= int64(len(n.content)) {
		n.content = n.content[:size]
		return
	}
	n.content = append(n.content, make([]byte, size-int64(len(n.content)))...)
}

func (f *memoryFile) Truncate(size int64) error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if err := f.files.refuse("truncate", "file"); err != nil {
		return err
	}
	f.node.resize(size)
	f.node.modified = time.Now()
	f.files.note(fileChange{kind: didTruncate, node: f.node.number, offset: size})
	return nil
}

func (f *memoryFile) SyncData() error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if err := f.files.refuse("sync", "file"); err != nil {
		f.files.note(fileChange{kind: didFailSync, node: f.node.number})
		return err
	}
	f.files.note(fileChange{kind: didSync, node: f.node.number})
	return nil
}

func (f *memoryFile) Stat() (FileInfo, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	return f.files.info(f.node), nil
}

func (f *memoryFile) TryLock() (bool, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if f.node.locked && !f.locks {
		return false, nil
	}
	f.node.locked, f.locks = true, true
	return true, nil
}

func (f *memoryFile) Close() error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if f.locks {
		f.node.locked = false
	}
	return nil
}

func (f *memoryFile) Attributes() (FileAttributes, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	return f.node.attributes, nil
}

func (f *memoryFile) SetAttributes(attributes FileAttributes) error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	if err := f.files.refuse("set attributes", "file"); err != nil {
		return err
	}
	f.node.attributes = attributes
	return nil
}

func (f *memoryFile) StartWriteback(int64, int64) {}

// crash is one way in which a machine may stop.
type crash struct {
	after int              // log entries that had happened
	torn  int              // bytes of the last one, a write, that reached the disk; -1: all
	lost  func(i int) bool // which changes that no sync had made certain are gone; nil: none
}

// state builds what is on the disk after a crash.
func (m *memoryFiles) state(c crash) *memoryFiles {
	m.mu.Lock()
	defer m.mu.Unlock()
	certain := map[uint64]int{} // by node: changes before this entry are on the disk
	names := 0
	forgotten := map[int]bool{} // writes that no later sync makes certain
	for i, entry := range m.log[:c.after] {
		switch entry.kind {
		case didFailSync:
			for j := certain[entry.node]; j < i; j++ {
				if m.log[j].kind == didWrite && m.log[j].node == entry.node {
					forgotten[j] = true
				}
			}
		case didSync:
			certain[entry.node] = i
		case didSyncDirectory:
			names = i
		}
	}
	after := newMemoryFiles()
	nodes := map[uint64]*memoryNode{}
	for i, entry := range m.log[:c.after] {
		isName := entry.kind == didCreate || entry.kind == didLink || entry.kind == didRename || entry.kind == didExchange || entry.kind == didRemove
		if c.lost != nil && (isName && i >= names || !isName && i >= certain[entry.node] || forgotten[i]) && c.lost(i) {
			if entry.kind == didCreate {
				nodes[entry.node] = &memoryNode{number: entry.node}
			}
			continue
		}
		switch entry.kind {
		case didCreate:
			node := &memoryNode{number: entry.node}
			nodes[entry.node], after.names[entry.name] = node, node
		case didWrite:
			data := entry.data
			if i == c.after-1 && c.torn >= 0 {
				data = data[:c.torn]
			}
			nodes[entry.node].write(data, entry.offset)
		case didTruncate:
			nodes[entry.node].resize(entry.offset)
		case didLink:
			if node, known := after.names[entry.name]; known {
				after.names[entry.name2] = node
			}
		case didRename:
			if node, known := after.names[entry.name]; known {
				delete(after.names, entry.name)
				after.names[entry.name2] = node
			}
		case didExchange:
			mine, known := after.names[entry.name]
			its, there := after.names[entry.name2]
			if known && there {
				after.names[entry.name], after.names[entry.name2] = its, mine
			}
		case didRemove:
			delete(after.names, entry.name)
		}
	}
	after.nodes = m.nodes
	return after
}

func TestMemoryFilesLoseOnlyWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	files := newMemoryFiles()
	file, err := files.Create("a", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { _, err := file.WriteAt([]byte("one"), 0); return err },
		file.SyncData,
		func() error { return files.SyncDirectory("a") },
		func() error { _, err := file.WriteAt([]byte("two"), 3); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	all := func(int) bool { return true }
	for _, c := range []struct {
		crash crash
		want  string
	}{
		{crash{after: 5, torn: -1}, "onetwo"},
		{crash{after: 5, torn: 1}, "onet"},
		{crash{after: 5, torn: -1, lost: all}, "one"},
		{crash{after: 2, torn: -1, lost: all}, ""},
	} {
		got := ""
		if node, known := files.state(c.crash).names["a"]; known {
			got = string(node.content)
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.crash, got, c.want)
		}
	}
}

package memory

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// fileChange is one entry of the log.
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
	didMakeFolder
	didFailSync // the system forgets that what was written is not on the disk
)

// Crash is one way in which a machine may stop.
type Crash struct {
	After int              // log entries that had happened
	Torn  int              // bytes of the last one, a write, that reached the disk; -1: all
	Lost  func(i int) bool // which changes that no sync had made certain are gone; nil: none
}

// ofNames reports whether a change is one of names, which Settle makes certain.
func (k changeKind) ofNames() bool {
	switch k {
	case DidCreate, didMakeFolder, didLink, didRename, didExchange, didRemove:
		return true
	}
	return false
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
		isName := entry.Kind.ofNames()
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
		case didMakeFolder:
			after.Names[entry.name] = &Node{Number: entry.node, Folder: true}
		case didLink:
			if node, known := after.Names[entry.name]; known {
				after.Names[entry.name2] = node
			}
		case didRename:
			after.rekey(entry.name, entry.name2)
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
	after.nodes, after.Plain = m.nodes, m.Plain
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

// Restate begins a log with the files as they are, all of it on the disk.
func (m *Files) Restate() {
	m.Log = nil
	for _, name := range slices.Sorted(maps.Keys(m.Names)) {
		node := m.Names[name]
		if node.Folder {
			m.note(fileChange{Kind: didMakeFolder, node: node.Number, name: name})
			continue
		}
		m.note(fileChange{Kind: DidCreate, node: node.Number, name: name})
		m.note(fileChange{Kind: DidWrite, node: node.Number, Data: slices.Clone(node.Content)})
		m.note(fileChange{Kind: DidSync, node: node.Number})
	}
	m.note(fileChange{Kind: didSyncDirectory})
}

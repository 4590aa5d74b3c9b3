package store

import (
	"slices"
	"sync"
)

// tailTable is what is known of the tails of one store.
type tailTable struct {
	mu   sync.Mutex // guards what follows; never held over I/O
	seen tailSeen
	kept *highestKept // nil while unknown
	own  []string     // bare names of the tails that this process has kept
}

// lastSeen is what stood behind the manifest when somebody looked last.
func (t *tailTable) lastSeen() tailSeen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

func (t *tailTable) noteSeen(seen tailSeen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = seen
}

// highest is the highest id of what is kept; nil while that is unknown.
func (t *tailTable) highest() *highestKept {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept
}

func (t *tailTable) noteHighest(known *highestKept) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = known
}

// forgetHighest has the highest id looked for again.
func (t *tailTable) forgetHighest() { t.noteHighest(nil) }

// keptNames are the bare names of the tails that this process has kept.
func (t *tailTable) keptNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.own)
}

func (t *tailTable) addName(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = append(t.own, name)
}

// forgetNames is for a store whose file has another name.
func (t *tailTable) forgetNames() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = nil
}

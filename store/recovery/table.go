package recovery

import (
	"slices"
	"sync"
)

// table is what is known of the tails of one store.
type table struct {
	mu   sync.Mutex // guards what follows; never held over I/O
	seen tailSeen
	kept *highestKept // nil while unknown
	lost uint32       // highest epoch of the states that are lost; see Tail
	own  []string     // bare names of the tails that this process has kept
}

// lastSeen is what stood behind the manifest when somebody looked last.
func (t *table) lastSeen() tailSeen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

func (t *table) noteSeen(seen tailSeen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = seen
}

// highest is the highest id of what is kept; nil while that is unknown.
func (t *table) highest() *highestKept {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept
}

func (t *table) noteHighest(known *highestKept) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = known
}

// forgetHighest has the highest id looked for again.
func (t *table) forgetHighest() { t.noteHighest(nil) }

// lostEpoch is the highest epoch of a state that is known to be lost; 0 for none.
func (t *table) lostEpoch() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

func (t *table) noteLost(epoch uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = max(t.lost, epoch)
}

// tell notes that the store tells of all states that are lost and before an epoch; it reports
// whether there are any, and none is behind that.
func (t *table) tell(epoch uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == 0 || t.lost >= epoch {
		return false
	}
	t.lost = 0
	return true
}

// keptNames are the bare names of the tails that this process has kept.
func (t *table) keptNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.own)
}

func (t *table) addName(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = append(t.own, name)
}

// forgetNames is for a store whose file has another name.
func (t *table) forgetNames() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = nil
}

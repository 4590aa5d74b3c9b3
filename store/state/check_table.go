package state

import (
	"slices"
	"sync"

	"rvffs/segments"
)

// DamagedSegment is a segment whose bytes are no longer those that were written.
type DamagedSegment struct {
	SegmentID uint64 `json:"segment_id"`
	Offset    int64  `json:"offset"` // of the header, in the file
	Type      string `json:"type"`
	Reason    string `json:"reason"`
}

// MaxFindings bounds how many findings of one kind are kept.
const MaxFindings = 1000

// checkTable is what is known of the content hashes of one file.
type checkTable struct {
	attachments

	mu      sync.Mutex // guards what follows; never held over I/O
	newest  checkIndex
	running map[any]chan struct{} // checks under way, closed at their end
	wrong   []DamagedSegment      // the first of the damaged

	// audited is up to where in the file the audit chain's entries were checked that
	// no manifest names any more, auditQueued whether more are about to be.
	audited     int64
	auditQueued bool
	auditDamage checkIndex // those that are damaged
}

// index makes the index of a snapshot's segments.
func (t *checkTable) index(s *Snapshot) checkIndex {
	entries := s.Live()
	t.mu.Lock()
	defer t.mu.Unlock()
	index := newCheckIndex(entries, s.Size(), t.newest)
	if index.last() >= t.newest.last() {
		t.newest = index
	}
	return index
}

// claim begins the check of what key stands for. When another one is under way it
// returns what is closed at its end.
func (t *checkTable) claim(key any) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if under, running := t.running[key]; running {
		return under
	}
	if t.running == nil {
		t.running = map[any]chan struct{}{}
	}
	t.running[key] = make(chan struct{})
	return nil
}

// leave ends a check.
func (t *checkTable) leave(key any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.running[key])
	delete(t.running, key)
}

// accuse notes a segment that is damaged.
func (t *checkTable) accuse(segment *checkedSegment, reason string) DamagedSegment {
	found := DamagedSegment{SegmentID: segment.SegmentID, Offset: segment.Offset, Type: segment.Type.String(), Reason: reason}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) < MaxFindings {
		t.wrong = append(t.wrong, found)
	}
	segment.state.Store(uint32(damaged))
	return found
}

// clean reports whether nothing was found wrong.
func (t *checkTable) clean() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.wrong) == 0
}

// reason tells what is wrong with the segment at an offset.
func (t *checkTable) reason(entry segments.DirectoryEntry) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, known := range t.wrong {
		if known.Offset == entry.Offset {
			return known.Reason
		}
	}
	return wrongHash
}

// wrongHash is what is wrong with most damaged segments.
const wrongHash = "the payload is not what its content hash says"

// auditOf is up to where the audit chain was checked, and what of it is damaged.
func (t *checkTable) auditOf() (int64, checkIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.audited, t.auditDamage
}

// queueAudit reports whether the audit chain up to size is to be checked, and nobody
// has seen to that yet.
func (t *checkTable) queueAudit(size int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := t.audited < size && !t.auditQueued
	t.auditQueued = t.auditQueued || due
	return due
}

// auditedTo notes how far the audit chain was checked, and what more is damaged.
func (t *checkTable) auditedTo(end int64, more checkIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.audited = max(t.audited, end)
	t.auditDamage = slices.Concat(t.auditDamage, more)
}

// leaveAudit lets the check of the audit chain be queued again.
func (t *checkTable) leaveAudit() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.auditQueued = false
}

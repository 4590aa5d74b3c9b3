package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Dropped is the record that a rewrite of a store keeps of the states that the new file
// holds no more, so that children derived from them can still be judged. It is the action
// of an entry of the audit chain, and it only adds to those before it.
//
// In a file it is the magic number and the version, then two tables: the manifests, and
// the ends that the file had. A table is the number of its lines as a uvarint, the epochs
// of all lines, and 8 bytes of hash for each. The epochs are runs of consecutive ones: a
// uvarint with the length of each run, and a varint with how far its first epoch is from
// the one after the run before.
type Dropped struct {
	Manifests []DroppedState // each by the SHAKE-256 of its payload
	Ends      []DroppedState // of the newest of them, each by the fold up to an end of the file
}

// DroppedState is one line of such a record.
type DroppedState struct {
	Epoch uint32
	Short Short
}

// Lost is the record of states from one epoch to another whose manifests were damaged, so
// that nobody knows their hashes.
func Lost(from, to uint32) Dropped {
	var d Dropped
	for epoch := from; epoch <= to; epoch++ {
		d.Manifests = append(d.Manifests, DroppedState{Epoch: epoch})
	}
	return d
}

// IsLost reports whether the hash of the state is not known: its manifest was damaged.
func (s DroppedState) IsLost() bool { return s.Short == Short{} }

// Short are the first bytes of a hash that a parent may be recorded by.
type Short [8]byte

// ShortOf shortens a hash. A fold spreads what it is made of over few of its bytes, and so
// a hash of it is what is shortened.
func ShortOf(method HashMethod, hash Hash) Short {
	if method == HashFoldTail {
		hash = ShakeOf(hash[:])
	}
	return Short(hash[:len(Short{})])
}

const (
	droppedMagic   = "RVDS"
	droppedVersion = 1

	// MaxDropped is how many manifests one record tells of. Who drops more writes more
	// records.
	MaxDropped = 1 << 18
	// MaxDroppedEnds is how many ends one record tells of: each costs 64 KiB of reading.
	MaxDroppedEnds = 4096
	// MaxDroppedSize is the length in bytes of the longest record there is: a line takes
	// its hash, a run of one and the way to any other epoch.
	MaxDroppedSize = len(droppedMagic) + 1 + 2*binary.MaxVarintLen32 + (MaxDropped+MaxDroppedEnds)*(len(Short{})+1+binary.MaxVarintLen32)
)

// ErrDropped says that bytes are no record of dropped states.
var ErrDropped = errors.New("no record of dropped states")

// AppendBinary implements encoding.BinaryAppender. It fails with ErrDropped if there are
// more lines than a record has room for.
func (d Dropped) AppendBinary(b []byte) ([]byte, error) {
	if len(d.Manifests) > MaxDropped || len(d.Ends) > MaxDroppedEnds {
		return nil, fmt.Errorf("%w: %d manifests and %d ends are too many", ErrDropped, len(d.Manifests), len(d.Ends))
	}
	b = append(append(b, droppedMagic...), droppedVersion)
	return appendStates(appendStates(b, d.Manifests), d.Ends), nil
}

func appendStates(b []byte, states []DroppedState) []byte {
	b = binary.AppendUvarint(b, uint64(len(states)))
	next := int64(0)
	for from := 0; from < len(states); {
		to := from + 1
		for to < len(states) && int64(states[to].Epoch) == int64(states[to-1].Epoch)+1 {
			to++
		}
		b = binary.AppendUvarint(b, uint64(to-from))
		b = binary.AppendVarint(b, int64(states[from].Epoch)-next)
		next = int64(states[to-1].Epoch) + 1
		from = to
	}
	for _, state := range states {
		b = append(b, state.Short[:]...)
	}
	return b
}

// ParseDropped reads a record. What it allocates is less than three times as long as b.
// The error wraps ErrDropped.
func ParseDropped(b []byte) (Dropped, error) {
	if !IsDropped(b) {
		return Dropped{}, ErrDropped
	}
	rest := b[len(droppedMagic)+1:]
	var d Dropped
	var err error
	if d.Manifests, rest, err = parseStates(rest, MaxDropped); err != nil {
		return Dropped{}, err
	}
	if d.Ends, rest, err = parseStates(rest, MaxDroppedEnds); err != nil {
		return Dropped{}, err
	}
	if len(rest) > 0 {
		return Dropped{}, fmt.Errorf("%w: %d bytes behind it", ErrDropped, len(rest))
	}
	return d, nil
}

// IsDropped reports whether bytes begin as a record does that ParseDropped knows.
func IsDropped(b []byte) bool {
	return len(b) > len(droppedMagic) && string(b[:len(droppedMagic)]) == droppedMagic && b[len(droppedMagic)] == droppedVersion
}

func parseStates(b []byte, most uint64) (states []DroppedState, rest []byte, err error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > min(most, uint64(len(b)-n)/uint64(len(Short{}))) {
		return nil, nil, fmt.Errorf("%w: a table without an end", ErrDropped)
	}
	b = b[n:]
	if count > 0 {
		states = make([]DroppedState, 0, count)
	}
	next := int64(0)
	for uint64(len(states)) < count {
		run, n := binary.Uvarint(b)
		if n <= 0 || run == 0 || run > count-uint64(len(states)) {
			return nil, nil, fmt.Errorf("%w: a run of %d epochs", ErrDropped, run)
		}
		distance, m := binary.Varint(b[n:])
		if m <= 0 || distance < -next || distance > math.MaxUint32-next || next+distance+int64(run) > 1+math.MaxUint32 {
			return nil, nil, fmt.Errorf("%w: epochs that cannot be", ErrDropped)
		}
		b, next = b[n+m:], next+distance
		for range run {
			states = append(states, DroppedState{Epoch: uint32(next)})
			next++
		}
	}
	if uint64(len(b)) < count*uint64(len(Short{})) {
		return nil, nil, fmt.Errorf("%w: it ends within its hashes", ErrDropped)
	}
	for i := range states {
		states[i].Short, b = Short(b[:len(Short{})]), b[len(Short{}):]
	}
	return states, b, nil
}

// String says how much the record tells of.
func (d Dropped) String() string {
	if len(d.Manifests) == 0 {
		return fmt.Sprintf("drop:states=0,ends=%d", len(d.Ends))
	}
	first, last := d.Manifests[0].Epoch, d.Manifests[0].Epoch
	for _, state := range d.Manifests {
		first, last = min(first, state.Epoch), max(last, state.Epoch)
	}
	return fmt.Sprintf("drop:states=%d,first_epoch=%d,last_epoch=%d,ends=%d", len(d.Manifests), first, last, len(d.Ends))
}

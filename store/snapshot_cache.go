package store

import (
	"sync"
	"sync/atomic"

	"rvffs/lineage"
)

// snapshotCache keeps what was computed from a snapshot, for it cannot change.
type snapshotCache struct {
	total       atomic.Pointer[uint64]       // distinct ids stored
	lastWitness atomic.Pointer[lineage.Hash] // of the audit chain's newest entry
	manifest    once[View]
	witness     once[View]
	segments    once[[]NamedView]
	kernel      once[[]NamedView]
	ebpf        once[[]NamedView]
	wasm        once[[]NamedView]
	dashboard   once[[]NamedView]
	frozen      once[bool]   // a branch that must not change
	deleted     once[uint64] // different ids in the deleted list
	live        patientOnce[*liveRows]
}

// once remembers the first success of a computation; failures are tried again.
type once[T any] struct {
	mu    sync.Mutex
	done  bool
	value T
}

func (o *once[T]) get(compute func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return o.value, nil
	}
	value, err := compute()
	if err == nil {
		o.value, o.done = value, true
	}
	return value, err
}

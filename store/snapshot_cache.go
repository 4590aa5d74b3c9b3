package store

import (
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
	live        once[*liveRows]
}

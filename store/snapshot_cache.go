package store

import (
	"sync/atomic"

	"rvffs/lineage"
)

// snapshotCache keeps what was computed from a snapshot, for it cannot change.
type snapshotCache struct {
	total       atomic.Pointer[uint64]       // distinct ids stored
	lastWitness atomic.Pointer[lineage.Hash] // of the audit chain's newest entry
	checks      atomic.Pointer[snapshotChecks]
	manifest    once[View]
	witness     once[View]
	segments    once[ViewFolder]
	kernel      once[*ViewTree]
	ebpf        once[*ViewTree]
	wasm        once[*ViewTree]
	dashboard   once[*ViewTree]
	frozen      once[bool]   // a branch that must not change
	deleted     once[*idSet] // ids in the deleted list
	live        once[*liveRows]
}

package state

import (
	"sync/atomic"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/shared"
)

// snapshotCache keeps what was computed from a snapshot, for it cannot change.
type snapshotCache struct {
	attachments
	total       atomic.Pointer[uint64]       // distinct ids stored, once somebody has counted them
	lastWitness atomic.Pointer[lineage.Hash] // of the audit chain's newest entry
	checks      atomic.Pointer[snapshotChecks]
	manifest    memory.Cached[[]byte] // manifest.json
	witness     memory.Cached[[]byte] // witness.jsonl
	segments    shared.Once[ViewFolder]
	cowMap      shared.Once[*segments.CowMap]
	deleted     shared.Once[*idset.Set]                // ids in the deleted list
	frozen      shared.Once[bool]                      // whether nobody may change the store
	byName      shared.Once[[]segments.DirectoryEntry] // segments that count because the manifest names them
	shown       atomic.Pointer[[]*Snapshot]
	displaced   atomic.Bool
}

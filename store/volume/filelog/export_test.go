package filelog

import (
	"time"

	"rvffs/store/volume"
)

// What tests of locks look into.
const (
	LockSize    = lockSize
	LockFilling = lockFilling
)

var (
	ReadLock    = readLock
	RemoveStale = removeStale
)

// LockFile is the content of a lock file.
func LockFile(process int, host string, since time.Time) []byte {
	return lockRecord{process: process, host: host, time: since}.encode()
}

// Extents are those that are neither committed nor given back.
func (s *Session) Extents() []*Extent { return s.extents }

// OpenFile is the file, open for writing.
func (s *Session) OpenFile() File { return s.openFile() }

// Uncommitted are the extents that somebody still wants.
func (s *Session) Uncommitted() []*Extent { return s.uncommitted() }

// Headed reports whether the extent has its header.
func (e *Extent) Headed() bool { return e.headed.Load() }

// Offset is where the header stands.
func (e *Extent) Offset() int64 { return e.offset }

// ID is that of the segment.
func (e *Extent) ID() uint64 { return e.id }

// Stable is how many bytes of the payload will not change.
func (e *Extent) Stable() int64 { return e.stable() }

// ManifestReach is how many bytes of a manifest's start may lie before a border.
const ManifestReach = manifestReach

// Name is that of the new file, until it takes the store's.
func (r *Rewrite) Name() string { return r.name }

// Spec is what the segment is going to be.
func (e *Extent) Spec() volume.ExtentSpec { return e.spec }

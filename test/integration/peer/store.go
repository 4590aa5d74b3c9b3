package peer

import (
	"encoding/binary"
	"math"
)

// Store is a store that the reference runtime has open.
type Store struct {
	process *Process
	number  int
}

// Create makes a new store and leaves it open for writing. metric is "l2",
// "inner_product" or "cosine".
func (p *Process) Create(path string, dimension int, metric string) (*Store, error) {
	return p.keep("create", map[string]any{"path": path, "dimension": dimension, "metric": metric})
}

// Open opens a store for reading and writing and takes its lock.
func (p *Process) Open(path string) (*Store, error) {
	return p.keep("open", map[string]any{"path": path})
}

// OpenReadonly opens a store without looking at its lock.
func (p *Process) OpenReadonly(path string) (*Store, error) {
	return p.keep("openReadonly", map[string]any{"path": path})
}

// keep runs an operation whose result is the number of an open store.
func (p *Process) keep(operation string, request map[string]any) (*Store, error) {
	store := &Store{process: p}
	if err := p.call(operation, request, &store.number); err != nil {
		return nil, err
	}
	return store, nil
}

// call runs an operation on this store.
func (s *Store) call(operation string, request map[string]any, result any) error {
	if request == nil {
		request = map[string]any{}
	}
	request["store"] = s.number
	return s.process.call(operation, request, result)
}

// Derive makes an empty child of the store and leaves it open for writing.
func (s *Store) Derive(path string) (*Store, error) {
	return s.process.keep("derive", map[string]any{"store": s.number, "path": path})
}

// Branch makes a child at a path that shows the store's vectors as its own, and
// returns it open.
func (s *Store) Branch(path string) (*Store, error) {
	return s.process.keep("branch", map[string]any{"store": s.number, "path": path})
}

// Freeze marks a branch as one that must not change.
func (s *Store) Freeze() error { return s.call("freeze", nil, nil) }

// Close closes the store and gives its lock back.
func (s *Store) Close() error { return s.call("close", nil, nil) }

// IngestResult is what the runtime reports of a batch: rows taken, rows
// refused and the epoch of the commit.
type IngestResult struct {
	Accepted, Rejected int
	Epoch              uint32
}

// Ingest commits a batch: vectors holds one row an id, row after row.
func (s *Store) Ingest(ids []uint64, vectors []float32) (IngestResult, error) {
	var result IngestResult
	err := s.call("ingest", map[string]any{"ids": ids, "vectors": encode(vectors)}, &result)
	return result, err
}

// DeleteResult is what the runtime reports of a deletion.
type DeleteResult struct {
	Deleted int
	Epoch   uint32
}

// Delete commits the deletion of the ids; those not stored are not counted.
func (s *Store) Delete(ids []uint64) (DeleteResult, error) {
	var result DeleteResult
	err := s.call("delete", map[string]any{"ids": ids}, &result)
	return result, err
}

// CompactResult is what the runtime reports of a compaction.
type CompactResult struct {
	SegmentsCompacted, BytesReclaimed int
	Epoch                             uint32
}

// Compact rewrites the file without its dead rows.
func (s *Store) Compact() (CompactResult, error) {
	var result CompactResult
	err := s.call("compact", nil, &result)
	return result, err
}

// Neighbor is one answer of a query. The distance is squared for l2, −dot for
// the inner product, 1−cos for cosine.
type Neighbor struct {
	ID       uint64
	Distance float64
}

// Query is an exact search for the k nearest neighbors.
func (s *Store) Query(vector []float32, k int) ([]Neighbor, error) {
	var result []Neighbor
	err := s.call("query", map[string]any{"vector": encode(vector), "k": k}, &result)
	return result, err
}

// Search is a query as the runtime likes it best: through its index when 1024
// or more vectors are stored.
func (s *Store) Search(vector []float32, k int) ([]Neighbor, error) {
	var result []Neighbor
	err := s.call("search", map[string]any{"vector": encode(vector), "k": k}, &result)
	return result, err
}

// OwnDistances searches for each row and tells at which distance the id that
// belongs to it came back among k answers, nil where it did not.
func (s *Store) OwnDistances(ids []uint64, vectors []float32, k int) ([]*float64, error) {
	var result []*float64
	err := s.call("ownDistances", map[string]any{"ids": ids, "vectors": encode(vectors), "k": k}, &result)
	return result, err
}

// Kernel says what EmbedKernel embeds; the numbers are those of the kernel
// header.
type Kernel struct {
	Arch, Type uint8
	Flags      uint32
	Image      []byte
	Port       uint16
	Cmdline    string
}

// Extracted is an embedded segment as the runtime hands it out: the header and
// every byte behind it.
type Extracted struct {
	Header, Bytes []byte
}

// EmbedKernel commits a kernel segment.
func (s *Store) EmbedKernel(k Kernel) error {
	return s.call("embedKernel", map[string]any{
		"arch": k.Arch, "type": k.Type, "flags": k.Flags, "image": k.Image, "port": k.Port, "cmdline": k.Cmdline,
	}, nil)
}

// ExtractKernel returns the first kernel, nil when there is none.
func (s *Store) ExtractKernel() (*Extracted, error) {
	var result *Extracted
	err := s.call("extractKernel", nil, &result)
	return result, err
}

// EBPF says what EmbedEBPF embeds; the numbers are those of the eBPF header.
type EBPF struct {
	ProgramType, AttachType uint8
	MaxDimension            uint16
	Program, BTF            []byte
}

// EmbedEBPF commits an eBPF segment.
func (s *Store) EmbedEBPF(e EBPF) error {
	return s.call("embedEbpf", map[string]any{
		"programType": e.ProgramType, "attachType": e.AttachType, "maxDimension": e.MaxDimension,
		"program": e.Program, "btf": e.BTF,
	}, nil)
}

// ExtractEBPF returns the first eBPF program, nil when there is none.
func (s *Store) ExtractEBPF() (*Extracted, error) {
	var result *Extracted
	err := s.call("extractEbpf", nil, &result)
	return result, err
}

// Segment is one entry of the store's directory, manifests excluded.
type Segment struct {
	ID            uint64
	Offset        int64
	PayloadLength uint64
	SegType       string
}

// Segments lists what the newest manifest names.
func (s *Store) Segments() ([]Segment, error) {
	var result []Segment
	err := s.call("segments", nil, &result)
	return result, err
}

// Status is the runtime's view of the store. TotalVectors counts live ones.
type Status struct {
	TotalVectors, TotalSegments int
	FileSize                    int64
	CurrentEpoch                uint32
	ProfileID                   uint8
	CompactionState             string
	DeadSpaceRatio              float64
	ReadOnly                    bool
}

// Status returns the store's counters.
func (s *Store) Status() (Status, error) {
	var result Status
	err := s.call("status", nil, &result)
	return result, err
}

// WitnessResult is the runtime's verdict on the audit chain. Valid is
// unreliable: it never walks the chain.
type WitnessResult struct {
	Valid   bool
	Entries int
}

// VerifyWitness counts the audit entries.
func (s *Store) VerifyWitness() (WitnessResult, error) {
	var result WitnessResult
	err := s.call("verifyWitness", nil, &result)
	return result, err
}

// Identity is what the runtime knows of a store's place in its lineage. Ids are
// lower-case hexadecimal; a root's parent id is all zeros.
type Identity struct {
	FileID, ParentID string
	LineageDepth     uint32
	Metric           string
	Dimension        int
}

// Identity returns the store's ids, depth, metric and dimension.
func (s *Store) Identity() (Identity, error) {
	var result Identity
	err := s.call("identity", nil, &result)
	return result, err
}

// encode lays floats out as the driver wants them; JSON turns the bytes into
// base64.
func encode(vectors []float32) []byte {
	out := make([]byte, 0, 4*len(vectors))
	for _, value := range vectors {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
	}
	return out
}

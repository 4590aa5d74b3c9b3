package segments

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"rvffs/lineage"
)

const (
	// CowMapMagic begins every copy-on-write map.
	CowMapMagic uint32 = 0x5256434D

	cowMapVersion = 1
	cowMapFixed   = 0x51 // before the parent's path
)

// CowMap is the payload of a copy-on-write map segment, which makes a file a
// branch of another.
type CowMap struct {
	Format            uint8  // 0 flat
	ClusterSize       uint32 // bytes
	VectorsPerCluster uint32
	BaseID            lineage.FileID
	BaseHash          lineage.Hash
	BytesPerVector    uint32 // 4 × dimension
	Frozen            bool
	SnapshotEpoch     uint32
	ParentPath        string // relative to the folder of the branch, or absolute
	Map               []byte // format, count and entries, which readers do not use
}

// ParseCowMap reads a copy-on-write map's payload, which has to be exactly as
// long as the lengths in it say. Map shares its memory. The error wraps
// ErrPayload.
func ParseCowMap(payload []byte) (*CowMap, error) {
	m, err := ParseCowMapStart(payload, uint64(len(payload)))
	if err == nil {
		m.Map = payload[cowMapFixed+len(m.ParentPath):]
	}
	return m, err
}

// ParseCowMapStart is ParseCowMap for a payload of some length of which the beginning is
// given, as far as the end of the path at least. Its Map is nil.
func ParseCowMapStart(payload []byte, length uint64) (*CowMap, error) {
	if len(payload) < cowMapFixed {
		return nil, fmt.Errorf("%w: copy-on-write map of %d bytes", ErrPayload, len(payload))
	}
	if err := checkVersion("copy-on-write map", payload, CowMapMagic, cowMapVersion); err != nil {
		return nil, err
	}
	path := uint64(binary.LittleEndian.Uint32(payload[0x49:]))
	entries := uint64(binary.LittleEndian.Uint32(payload[0x4D:]))
	if cowMapFixed+path+entries != length || cowMapFixed+path > uint64(len(payload)) {
		return nil, fmt.Errorf("%w: copy-on-write map with a path of %d bytes and a map of %d in %d",
			ErrPayload, path, entries, length)
	}
	return &CowMap{
		Format:            payload[6],
		ClusterSize:       binary.LittleEndian.Uint32(payload[0x08:]),
		VectorsPerCluster: binary.LittleEndian.Uint32(payload[0x0C:]),
		BaseID:            lineage.FileID(payload[0x10:0x20]),
		BaseHash:          lineage.Hash(payload[0x20:0x40]),
		BytesPerVector:    binary.LittleEndian.Uint32(payload[0x40:]),
		Frozen:            payload[0x44] != 0,
		SnapshotEpoch:     binary.LittleEndian.Uint32(payload[0x45:]),
		ParentPath:        string(payload[cowMapFixed : cowMapFixed+path]),
	}, nil
}

// cowCluster is how many bytes of vectors one entry of a map stands for, about.
const cowCluster = 4096

// NewCowMap is the map of a branch of a store of a dimension. It lists no clusters: readers
// do not use them, and a branch is to be as small as what it holds.
func NewCowMap(dimension int) *CowMap {
	m := &CowMap{BytesPerVector: 4 * uint32(dimension), Map: make([]byte, 5)}
	m.VectorsPerCluster = max(1, cowCluster/max(1, m.BytesPerVector))
	m.ClusterSize = 1 << bits.Len32(max(1, m.VectorsPerCluster*m.BytesPerVector)-1)
	return m
}

// Encode returns the payload of a copy-on-write map segment.
func (m *CowMap) Encode() []byte {
	b := make([]byte, cowMapFixed, cowMapFixed+len(m.ParentPath)+len(m.Map))
	binary.LittleEndian.PutUint32(b[0x00:], CowMapMagic)
	binary.LittleEndian.PutUint16(b[0x04:], cowMapVersion)
	b[0x06] = m.Format
	binary.LittleEndian.PutUint32(b[0x08:], m.ClusterSize)
	binary.LittleEndian.PutUint32(b[0x0C:], m.VectorsPerCluster)
	copy(b[0x10:0x20], m.BaseID[:])
	copy(b[0x20:0x40], m.BaseHash[:])
	binary.LittleEndian.PutUint32(b[0x40:], m.BytesPerVector)
	if m.Frozen {
		b[0x44] = 1
	}
	binary.LittleEndian.PutUint32(b[0x45:], m.SnapshotEpoch)
	binary.LittleEndian.PutUint32(b[0x49:], uint32(len(m.ParentPath)))
	binary.LittleEndian.PutUint32(b[0x4D:], uint32(len(m.Map)))
	return append(append(b, m.ParentPath...), m.Map...)
}

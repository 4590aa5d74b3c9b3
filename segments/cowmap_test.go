package segments

import "encoding/binary"

// Encode returns the payload of a copy-on-write map segment.
func (c *CowMap) Encode() []byte {
	b := make([]byte, cowMapFixed, cowMapFixed+len(c.ParentPath)+len(c.Map))
	binary.LittleEndian.PutUint32(b[0x00:], CowMapMagic)
	binary.LittleEndian.PutUint16(b[0x04:], cowMapVersion)
	b[0x06] = c.Format
	binary.LittleEndian.PutUint32(b[0x08:], c.ClusterSize)
	binary.LittleEndian.PutUint32(b[0x0C:], c.VectorsPerCluster)
	copy(b[0x10:0x20], c.BaseID[:])
	copy(b[0x20:0x40], c.BaseHash[:])
	binary.LittleEndian.PutUint32(b[0x40:], c.BytesPerVector)
	if c.Frozen {
		b[0x44] = 1
	}
	binary.LittleEndian.PutUint32(b[0x45:], c.SnapshotEpoch)
	binary.LittleEndian.PutUint32(b[0x49:], uint32(len(c.ParentPath)))
	binary.LittleEndian.PutUint32(b[0x4D:], uint32(len(c.Map)))
	b = append(b, c.ParentPath...)
	return append(b, c.Map...)
}

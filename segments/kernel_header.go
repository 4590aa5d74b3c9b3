package segments

import (
	"encoding/binary"
	"fmt"

	"rvffs/lineage"
)

const (
	// KernelHeaderSize is the length of a KernelHeader in bytes.
	KernelHeaderSize = 128
	// KernelMagic begins every KernelHeader; on disk it reads "NKVR".
	KernelMagic uint32 = 0x52564B4E
	// KernelVersion is the only version of the header that there is.
	KernelVersion = 1
)

// KernelHeader is what a kernel segment's payload begins with.
type KernelHeader struct {
	Version           uint16
	Architecture      KernelArchitecture
	Type              KernelType
	Flags             KernelFlags
	MinimumMemory     uint32 // MiB
	EntryPoint        uint64
	ImageSize         uint64 // bytes, uncompressed
	CompressedSize    uint64 // bytes, as stored
	Compression       Compression
	Transport         KernelTransport
	Port              uint16 // of the API; the one big-endian number of the format
	APIVersion        uint32
	ImageHash         lineage.Hash // SHAKE-256 of the uncompressed image; the reference runtime stores the fold
	BuildID           [16]byte
	BuildTimestamp    uint64 // nanoseconds since the Unix epoch
	VirtualProcessors uint32
	CmdlineOffset     uint64 // says which layout is meant, not where the command line stands; see ParseKernel
	CmdlineLength     uint32
}

// ParseKernelHeader reads the first KernelHeaderSize bytes of b. The error
// wraps ErrPayload.
func ParseKernelHeader(b []byte) (KernelHeader, error) {
	if len(b) < KernelHeaderSize {
		return KernelHeader{}, fmt.Errorf("%w: kernel header of %d bytes", ErrPayload, len(b))
	}
	if err := checkVersion("kernel", b, KernelMagic, KernelVersion); err != nil {
		return KernelHeader{}, err
	}
	return KernelHeader{
		Version:           binary.LittleEndian.Uint16(b[0x04:]),
		Architecture:      KernelArchitecture(b[0x06]),
		Type:              KernelType(b[0x07]),
		Flags:             KernelFlags(binary.LittleEndian.Uint32(b[0x08:])),
		MinimumMemory:     binary.LittleEndian.Uint32(b[0x0C:]),
		EntryPoint:        binary.LittleEndian.Uint64(b[0x10:]),
		ImageSize:         binary.LittleEndian.Uint64(b[0x18:]),
		CompressedSize:    binary.LittleEndian.Uint64(b[0x20:]),
		Compression:       Compression(b[0x28]),
		Transport:         KernelTransport(b[0x29]),
		Port:              binary.BigEndian.Uint16(b[0x2A:]),
		APIVersion:        binary.LittleEndian.Uint32(b[0x2C:]),
		ImageHash:         lineage.Hash(b[0x30:0x50]),
		BuildID:           [16]byte(b[0x50:0x60]),
		BuildTimestamp:    binary.LittleEndian.Uint64(b[0x60:]),
		VirtualProcessors: binary.LittleEndian.Uint32(b[0x68:]),
		CmdlineOffset:     binary.LittleEndian.Uint64(b[0x70:]),
		CmdlineLength:     binary.LittleEndian.Uint32(b[0x78:]),
	}, nil
}

// Encode returns the header's 128 bytes.
func (h KernelHeader) Encode() [KernelHeaderSize]byte {
	var b [KernelHeaderSize]byte
	binary.LittleEndian.PutUint32(b[0x00:], KernelMagic)
	binary.LittleEndian.PutUint16(b[0x04:], h.Version)
	b[0x06] = byte(h.Architecture)
	b[0x07] = byte(h.Type)
	binary.LittleEndian.PutUint32(b[0x08:], uint32(h.Flags))
	binary.LittleEndian.PutUint32(b[0x0C:], h.MinimumMemory)
	binary.LittleEndian.PutUint64(b[0x10:], h.EntryPoint)
	binary.LittleEndian.PutUint64(b[0x18:], h.ImageSize)
	binary.LittleEndian.PutUint64(b[0x20:], h.CompressedSize)
	b[0x28] = byte(h.Compression)
	b[0x29] = byte(h.Transport)
	binary.BigEndian.PutUint16(b[0x2A:], h.Port)
	binary.LittleEndian.PutUint32(b[0x2C:], h.APIVersion)
	copy(b[0x30:0x50], h.ImageHash[:])
	copy(b[0x50:0x60], h.BuildID[:])
	binary.LittleEndian.PutUint64(b[0x60:], h.BuildTimestamp)
	binary.LittleEndian.PutUint32(b[0x68:], h.VirtualProcessors)
	binary.LittleEndian.PutUint64(b[0x70:], h.CmdlineOffset)
	binary.LittleEndian.PutUint32(b[0x78:], h.CmdlineLength)
	return b
}

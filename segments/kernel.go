package segments

import (
	"encoding/binary"
	"fmt"
	"math"

	"rvffs/lineage"
)

const (
	// KernelBindingSize is the length of a KernelBinding in bytes.
	KernelBindingSize = 128
	// MaxKernelPrefix is as much of a payload's beginning as ParseKernel can
	// make use of.
	MaxKernelPrefix = KernelHeaderSize + KernelBindingSize
)

// KernelBinding ties a kernel to the state and the policy that it was made
// for. It is 128 bytes, the last 48 of them zero.
type KernelBinding struct {
	ManifestRootHash      lineage.Hash
	PolicyHash            lineage.Hash
	Version               uint16
	MinimumRuntimeVersion uint16
	AllowedSegments       uint64 // one bit for each segment type
}

// ParseKernelBinding reads the first KernelBindingSize bytes of b. The error
// wraps ErrPayload.
func ParseKernelBinding(b []byte) (KernelBinding, error) {
	if len(b) < KernelBindingSize {
		return KernelBinding{}, fmt.Errorf("%w: kernel binding of %d bytes", ErrPayload, len(b))
	}
	return KernelBinding{
		ManifestRootHash:      lineage.Hash(b[0:32]),
		PolicyHash:            lineage.Hash(b[32:64]),
		Version:               binary.LittleEndian.Uint16(b[64:]),
		MinimumRuntimeVersion: binary.LittleEndian.Uint16(b[66:]),
		AllowedSegments:       binary.LittleEndian.Uint64(b[72:]),
	}, nil
}

// Encode returns the binding's 128 bytes.
func (k KernelBinding) Encode() [KernelBindingSize]byte {
	var b [KernelBindingSize]byte
	copy(b[0:32], k.ManifestRootHash[:])
	copy(b[32:64], k.PolicyHash[:])
	binary.LittleEndian.PutUint16(b[64:], k.Version)
	binary.LittleEndian.PutUint16(b[66:], k.MinimumRuntimeVersion)
	binary.LittleEndian.PutUint64(b[72:], k.AllowedSegments)
	return b
}

// Kernel says what stands where in a kernel segment's payload. Offsets count
// from the payload's start.
type Kernel struct {
	Header        KernelHeader
	Binding       *KernelBinding // nil in the plain layout
	ImageOffset   int64
	ImageLength   int64 // as stored: compressed if the header says so
	CmdlineOffset int64
	CmdlineLength int64
}

// ParseKernel reads the beginning of a kernel segment's payload, of which
// prefix holds at least KernelHeaderSize bytes and, as far as there are that
// many, MaxKernelPrefix. There are two layouts: plain has the image and then
// the command line behind the header; bound has a binding, the command line
// and then the image. The header's cmdline_offset says 128 in the plain
// layout, where it is not the offset, and 256 in the bound one; which of them
// it is shows in the sizes, which have to add up to the payload's length. The
// error wraps ErrPayload.
func ParseKernel(prefix []byte, payloadLength int64) (*Kernel, error) {
	header, err := ParseKernelHeader(prefix)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Header: header, CmdlineLength: int64(header.CmdlineLength)}
	if header.CompressedSize > math.MaxInt64-MaxKernelPrefix-math.MaxUint32 {
		return nil, fmt.Errorf("%w: kernel image of %d bytes", ErrPayload, header.CompressedSize)
	}
	k.ImageLength = int64(header.CompressedSize)
	switch content := k.ImageLength + k.CmdlineLength; payloadLength {
	case KernelHeaderSize + content:
		k.ImageOffset = KernelHeaderSize
		k.CmdlineOffset = k.ImageOffset + k.ImageLength
		return k, nil
	case MaxKernelPrefix + content:
		if header.CmdlineOffset != MaxKernelPrefix {
			return nil, fmt.Errorf("%w: kernel with a binding and the command line at %d", ErrPayload, header.CmdlineOffset)
		}
		binding, err := ParseKernelBinding(prefix[KernelHeaderSize:])
		if err != nil {
			return nil, err
		}
		k.Binding = &binding
		k.CmdlineOffset = MaxKernelPrefix
		k.ImageOffset = k.CmdlineOffset + k.CmdlineLength
		return k, nil
	}
	return nil, fmt.Errorf("%w: kernel image of %d bytes and command line of %d in %d",
		ErrPayload, k.ImageLength, k.CmdlineLength, payloadLength)
}

// BuildKernel returns the header of a kernel in the plain layout, uncompressed:
// h with its version, sizes and offset set. The payload is these bytes, the
// image and the command line. The error wraps ErrTooLarge.
func BuildKernel(h KernelHeader, imageSize int64, cmdline string) ([KernelHeaderSize]byte, error) {
	if imageSize < 0 || imageSize > MaxKernelImage {
		return [KernelHeaderSize]byte{}, fmt.Errorf("%w: kernel image of %d bytes", ErrTooLarge, imageSize)
	}
	if int64(len(cmdline)) > MaxPayload-KernelHeaderSize-imageSize {
		return [KernelHeaderSize]byte{}, fmt.Errorf("%w: kernel command line of %d bytes", ErrTooLarge, len(cmdline))
	}
	h.Version = KernelVersion
	h.ImageSize, h.CompressedSize = uint64(imageSize), uint64(imageSize)
	h.Compression = CompressionNone
	h.Flags &^= KernelCompressed
	h.CmdlineOffset, h.CmdlineLength = KernelHeaderSize, uint32(len(cmdline))
	return h.Encode(), nil
}

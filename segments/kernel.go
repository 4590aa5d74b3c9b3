package segments

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

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
// and then the image. The header's cmdline_offset tells them apart: 256 in the
// bound layout; in the plain one writers say 128, where the command line is not,
// or nothing, or where it is. The sizes have to add up to the payload's length.
// The error wraps ErrPayload.
func ParseKernel(prefix []byte, payloadLength int64) (*Kernel, error) {
	header, err := ParseKernelHeader(prefix)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Header: header, CmdlineLength: int64(header.CmdlineLength)}
	if k.ImageLength, err = header.storedSize(); err != nil {
		return nil, err
	}
	switch content := k.ImageLength + k.CmdlineLength; {
	case header.CmdlineOffset == MaxKernelPrefix && payloadLength == MaxKernelPrefix+content:
		binding, err := ParseKernelBinding(prefix[KernelHeaderSize:])
		if err != nil {
			return nil, err
		}
		k.Binding = &binding
		k.CmdlineOffset = MaxKernelPrefix
		k.ImageOffset = k.CmdlineOffset + k.CmdlineLength
		return k, nil
	case payloadLength == KernelHeaderSize+content:
		k.ImageOffset = KernelHeaderSize
		k.CmdlineOffset = k.ImageOffset + k.ImageLength
		if at := header.CmdlineOffset; at != 0 && at != KernelHeaderSize && at != uint64(k.CmdlineOffset) {
			return nil, fmt.Errorf("%w: kernel without a binding and the command line at %d", ErrPayload, at)
		}
		return k, nil
	case payloadLength == MaxKernelPrefix+content:
		return nil, fmt.Errorf("%w: kernel with a binding and the command line at %d", ErrPayload, header.CmdlineOffset)
	}
	return nil, fmt.Errorf("%w: kernel image of %d bytes and command line of %d in %d",
		ErrPayload, k.ImageLength, k.CmdlineLength, payloadLength)
}

// storedSize is the length of the image as the payload holds it. An image that is
// not compressed has two sizes that must be the same, of which a writer may leave
// the second out.
func (h KernelHeader) storedSize() (int64, error) {
	stored := h.CompressedSize
	if h.Compression == CompressionNone {
		if stored != 0 && stored != h.ImageSize {
			return 0, fmt.Errorf("%w: kernel image of %d bytes that takes %d without being compressed", ErrPayload, h.ImageSize, stored)
		}
		stored = h.ImageSize
	}
	if stored > math.MaxInt64-MaxKernelPrefix-math.MaxUint32 {
		return 0, fmt.Errorf("%w: kernel image of %d bytes", ErrPayload, stored)
	}
	return int64(stored), nil
}

// BuildKernelFront returns what stands before the image of a kernel: h with its
// version, sizes and offset set, and in the bound layout, which a binding asks
// for, the binding and the command line. In the plain layout the command line
// follows the image. The image has imageSize bytes and takes storedSize in the
// form that h.Compression says. The error wraps ErrTooLarge.
func BuildKernelFront(h KernelHeader, binding *KernelBinding, imageSize, storedSize int64, cmdline string) ([]byte, error) {
	if imageSize < 0 || imageSize > MaxKernelImage || storedSize < 0 || storedSize > MaxKernelImage {
		return nil, fmt.Errorf("%w: kernel image of %d bytes", ErrTooLarge, imageSize)
	}
	if len(cmdline) > MaxKernelCmdline {
		return nil, fmt.Errorf("%w: kernel command line of %d bytes", ErrTooLarge, len(cmdline))
	}
	h.Version = KernelVersion
	h.ImageSize, h.CompressedSize = uint64(imageSize), uint64(storedSize)
	h.Flags &^= KernelCompressed
	if h.Compression != CompressionNone {
		h.Flags |= KernelCompressed
	}
	h.CmdlineOffset, h.CmdlineLength = KernelHeaderSize, uint32(len(cmdline))
	if binding == nil {
		header := h.Encode()
		return header[:], nil
	}
	h.CmdlineOffset = MaxKernelPrefix
	header, bound := h.Encode(), binding.Encode()
	return slices.Concat(header[:], bound[:], []byte(cmdline)), nil
}

package segments

import (
	"encoding/binary"
	"fmt"
	"math"

	"rvffs/lineage"
)

const (
	// EBPFHeaderSize is the length of an EBPFHeader in bytes.
	EBPFHeaderSize = 64
	// EBPFMagic begins every EBPFHeader.
	EBPFMagic uint32 = 0x52564250
	// EBPFVersion is the only version of the header that there is.
	EBPFVersion = 1
)

// EBPFProgramType is the kind of an eBPF program.
type EBPFProgramType uint8

// The program types of the format.
const (
	EBPFXDPDistance  EBPFProgramType = 0x00
	EBPFTCFilter     EBPFProgramType = 0x01
	EBPFSocketFilter EBPFProgramType = 0x02
	EBPFTracepoint   EBPFProgramType = 0x03
	EBPFKprobe       EBPFProgramType = 0x04
	EBPFCgroupSKB    EBPFProgramType = 0x05
	EBPFCustom       EBPFProgramType = 0xFF
)

var ebpfProgramTypeNames = map[EBPFProgramType]string{
	EBPFXDPDistance:  "xdp-distance",
	EBPFTCFilter:     "tc-filter",
	EBPFSocketFilter: "socket-filter",
	EBPFTracepoint:   "tracepoint",
	EBPFKprobe:       "kprobe",
	EBPFCgroupSKB:    "cgroup-skb",
	EBPFCustom:       "custom",
}

// String returns the type's name, or its number as "0x07".
func (t EBPFProgramType) String() string { return numberName(t, ebpfProgramTypeNames) }

// EBPFAttachType is where an eBPF program is attached.
type EBPFAttachType uint8

// The attach types of the format.
const (
	EBPFAttachXDPIngress    EBPFAttachType = 0x00
	EBPFAttachTCIngress     EBPFAttachType = 0x01
	EBPFAttachTCEgress      EBPFAttachType = 0x02
	EBPFAttachSocketFilter  EBPFAttachType = 0x03
	EBPFAttachCgroupIngress EBPFAttachType = 0x04
	EBPFAttachCgroupEgress  EBPFAttachType = 0x05
	EBPFAttachNone          EBPFAttachType = 0xFF
)

var ebpfAttachTypeNames = map[EBPFAttachType]string{
	EBPFAttachXDPIngress:    "xdp-ingress",
	EBPFAttachTCIngress:     "tc-ingress",
	EBPFAttachTCEgress:      "tc-egress",
	EBPFAttachSocketFilter:  "socket-filter",
	EBPFAttachCgroupIngress: "cgroup-ingress",
	EBPFAttachCgroupEgress:  "cgroup-egress",
	EBPFAttachNone:          "none",
}

// String returns the type's name, or its number as "0x07".
func (t EBPFAttachType) String() string { return numberName(t, ebpfAttachTypeNames) }

// EBPFHeader is what an eBPF segment's payload begins with.
type EBPFHeader struct {
	Version          uint16
	ProgramType      EBPFProgramType
	AttachType       EBPFAttachType
	Flags            uint32
	InstructionCount uint16
	MaxDimension     uint16
	ProgramSize      uint64 // bytes
	MapCount         uint32
	BTFSize          uint32       // bytes
	ProgramHash      lineage.Hash // SHAKE-256 of the program; the reference runtime stores the fold
}

// ParseEBPFHeader reads the first EBPFHeaderSize bytes of b. The error wraps
// ErrPayload.
func ParseEBPFHeader(b []byte) (EBPFHeader, error) {
	if len(b) < EBPFHeaderSize {
		return EBPFHeader{}, fmt.Errorf("%w: eBPF header of %d bytes", ErrPayload, len(b))
	}
	if err := checkVersion("eBPF", b, EBPFMagic, EBPFVersion); err != nil {
		return EBPFHeader{}, err
	}
	return EBPFHeader{
		Version:          binary.LittleEndian.Uint16(b[4:]),
		ProgramType:      EBPFProgramType(b[6]),
		AttachType:       EBPFAttachType(b[7]),
		Flags:            binary.LittleEndian.Uint32(b[8:]),
		InstructionCount: binary.LittleEndian.Uint16(b[12:]),
		MaxDimension:     binary.LittleEndian.Uint16(b[14:]),
		ProgramSize:      binary.LittleEndian.Uint64(b[16:]),
		MapCount:         binary.LittleEndian.Uint32(b[24:]),
		BTFSize:          binary.LittleEndian.Uint32(b[28:]),
		ProgramHash:      lineage.Hash(b[32:64]),
	}, nil
}

// Encode returns the header's 64 bytes.
func (h EBPFHeader) Encode() [EBPFHeaderSize]byte {
	var b [EBPFHeaderSize]byte
	binary.LittleEndian.PutUint32(b[0:], EBPFMagic)
	binary.LittleEndian.PutUint16(b[4:], h.Version)
	b[6] = byte(h.ProgramType)
	b[7] = byte(h.AttachType)
	binary.LittleEndian.PutUint32(b[8:], h.Flags)
	binary.LittleEndian.PutUint16(b[12:], h.InstructionCount)
	binary.LittleEndian.PutUint16(b[14:], h.MaxDimension)
	binary.LittleEndian.PutUint64(b[16:], h.ProgramSize)
	binary.LittleEndian.PutUint32(b[24:], h.MapCount)
	binary.LittleEndian.PutUint32(b[28:], h.BTFSize)
	copy(b[32:64], h.ProgramHash[:])
	return b
}

// EBPF says what stands where in an eBPF segment's payload. Offsets count
// from the payload's start.
type EBPF struct {
	Header        EBPFHeader
	ProgramOffset int64
	ProgramLength int64
	BTFOffset     int64
	BTFLength     int64
}

// ParseEBPF reads the beginning of an eBPF segment's payload, of which prefix
// holds at least EBPFHeaderSize bytes: header, program, type information. The
// sizes have to add up to the payload's length. The error wraps ErrPayload.
func ParseEBPF(prefix []byte, payloadLength int64) (*EBPF, error) {
	header, err := ParseEBPFHeader(prefix)
	if err != nil {
		return nil, err
	}
	if header.ProgramSize > math.MaxInt64-EBPFHeaderSize-math.MaxUint32 ||
		EBPFHeaderSize+int64(header.ProgramSize)+int64(header.BTFSize) != payloadLength {
		return nil, fmt.Errorf("%w: eBPF program of %d bytes and BTF of %d in %d",
			ErrPayload, header.ProgramSize, header.BTFSize, payloadLength)
	}
	return &EBPF{
		Header:        header,
		ProgramOffset: EBPFHeaderSize,
		ProgramLength: int64(header.ProgramSize),
		BTFOffset:     EBPFHeaderSize + int64(header.ProgramSize),
		BTFLength:     int64(header.BTFSize),
	}, nil
}

// BuildEBPF returns the header of an eBPF payload: h with its version and
// sizes set. The payload is these bytes, the program and the type
// information. The error wraps ErrTooLarge.
func BuildEBPF(h EBPFHeader, programSize, btfSize int64) ([EBPFHeaderSize]byte, error) {
	if programSize < 0 || btfSize < 0 || programSize > MaxEBPF || btfSize > MaxEBPF-programSize {
		return [EBPFHeaderSize]byte{}, fmt.Errorf("%w: eBPF program of %d bytes and BTF of %d", ErrTooLarge, programSize, btfSize)
	}
	h.Version = EBPFVersion
	h.ProgramSize, h.BTFSize = uint64(programSize), uint32(btfSize)
	return h.Encode(), nil
}

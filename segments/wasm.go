package segments

import (
	"encoding/binary"
	"fmt"

	"rvffs/lineage"
)

const (
	// WASMHeaderSize is the length of a WASMHeader in bytes.
	WASMHeaderSize = 64
	// WASMVersion is the only version of the header that there is.
	WASMVersion = 1
	// WASMMagic begins every WASMHeader.
	WASMMagic uint32 = 0x5256574D
)

// WASMRole is what a module is for.
type WASMRole uint8

// The roles of the format.
const (
	WASMMicrokernel  WASMRole = 0
	WASMInterpreter  WASMRole = 1
	WASMCombined     WASMRole = 2
	WASMExtension    WASMRole = 3
	WASMControlPlane WASMRole = 4
)

var wasmRoleNames = map[WASMRole]string{
	WASMMicrokernel:  "microkernel",
	WASMInterpreter:  "interpreter",
	WASMCombined:     "combined",
	WASMExtension:    "extension",
	WASMControlPlane: "control-plane",
}

// String returns the role's name, or its number as "0x07".
func (r WASMRole) String() string { return numberName(r, wasmRoleNames) }

// WASMTarget is what a module runs on.
type WASMTarget uint8

// The targets of the format.
const (
	WASMWasm32   WASMTarget = 0
	WASMWASIP1   WASMTarget = 1
	WASMWASIP2   WASMTarget = 2
	WASMBrowser  WASMTarget = 3
	WASMBareTile WASMTarget = 4
)

var wasmTargetNames = map[WASMTarget]string{
	WASMWasm32:   "wasm32",
	WASMWASIP1:   "wasi-p1",
	WASMWASIP2:   "wasi-p2",
	WASMBrowser:  "browser",
	WASMBareTile: "bare-tile",
}

// String returns the target's name, or its number as "0x07".
func (t WASMTarget) String() string { return numberName(t, wasmTargetNames) }

// WASMHeader is what a WASM segment's payload begins with. The last six of
// its 64 bytes are zero.
type WASMHeader struct {
	Version           uint16
	Role              WASMRole
	Target            WASMTarget
	RequiredFeatures  uint16
	ExportCount       uint16
	BytecodeSize      uint32 // bytes, uncompressed
	CompressedSize    uint32 // bytes, as stored
	Compression       Compression
	MinimumPages      uint8 // of memory, 64 KiB each
	MaximumPages      uint8
	TableCount        uint8
	Hash              lineage.Hash
	BootstrapPriority uint8
	InterpreterType   uint8
}

// ParseWASMHeader reads the first WASMHeaderSize bytes of b. The error wraps
// ErrPayload.
func ParseWASMHeader(b []byte) (WASMHeader, error) {
	if len(b) < WASMHeaderSize {
		return WASMHeader{}, fmt.Errorf("%w: WASM header of %d bytes", ErrPayload, len(b))
	}
	if err := checkVersion("WASM", b, WASMMagic, WASMVersion); err != nil {
		return WASMHeader{}, err
	}
	return WASMHeader{
		Version:           binary.LittleEndian.Uint16(b[4:]),
		Role:              WASMRole(b[6]),
		Target:            WASMTarget(b[7]),
		RequiredFeatures:  binary.LittleEndian.Uint16(b[8:]),
		ExportCount:       binary.LittleEndian.Uint16(b[10:]),
		BytecodeSize:      binary.LittleEndian.Uint32(b[12:]),
		CompressedSize:    binary.LittleEndian.Uint32(b[16:]),
		Compression:       Compression(b[20]),
		MinimumPages:      b[21],
		MaximumPages:      b[22],
		TableCount:        b[23],
		Hash:              lineage.Hash(b[24:56]),
		BootstrapPriority: b[56],
		InterpreterType:   b[57],
	}, nil
}

// Encode returns the header's 64 bytes.
func (h WASMHeader) Encode() [WASMHeaderSize]byte {
	var b [WASMHeaderSize]byte
	binary.LittleEndian.PutUint32(b[0:], WASMMagic)
	binary.LittleEndian.PutUint16(b[4:], h.Version)
	b[6] = byte(h.Role)
	b[7] = byte(h.Target)
	binary.LittleEndian.PutUint16(b[8:], h.RequiredFeatures)
	binary.LittleEndian.PutUint16(b[10:], h.ExportCount)
	binary.LittleEndian.PutUint32(b[12:], h.BytecodeSize)
	binary.LittleEndian.PutUint32(b[16:], h.CompressedSize)
	b[20] = byte(h.Compression)
	b[21] = h.MinimumPages
	b[22] = h.MaximumPages
	b[23] = h.TableCount
	copy(b[24:56], h.Hash[:])
	b[56] = h.BootstrapPriority
	b[57] = h.InterpreterType
	return b
}

// WASM says what stands where in a WASM segment's payload. Offsets count from
// the payload's start.
type WASM struct {
	Header       WASMHeader
	ModuleOffset int64
	ModuleLength int64 // as stored: compressed if the header says so
}

// ParseWASM reads the beginning of a WASM segment's payload, of which prefix
// holds at least WASMHeaderSize bytes. The module takes the rest, which has
// to be as long as the header says. The error wraps ErrPayload.
func ParseWASM(prefix []byte, payloadLength int64) (*WASM, error) {
	header, err := ParseWASMHeader(prefix)
	if err != nil {
		return nil, err
	}
	stored := int64(header.CompressedSize)
	if header.Compression == CompressionNone {
		// Whether writers repeat the size in compressed_size or leave it
		// zero is their choice.
		stored = int64(header.BytecodeSize)
	}
	if payloadLength != WASMHeaderSize+stored {
		return nil, fmt.Errorf("%w: WASM module of %d bytes in %d", ErrPayload, stored, payloadLength)
	}
	return &WASM{Header: header, ModuleOffset: WASMHeaderSize, ModuleLength: stored}, nil
}

// BuildWASM returns the header of a WASM payload: h with its version and sizes
// set. The payload is these bytes and the module, which has size bytes and takes
// storedSize in the form that h.Compression says. The error wraps ErrTooLarge.
func BuildWASM(h WASMHeader, size, storedSize int64) ([WASMHeaderSize]byte, error) {
	if size < 0 || size > MaxWASM || storedSize < 0 || storedSize > MaxWASM {
		return [WASMHeaderSize]byte{}, fmt.Errorf("%w: WASM module of %d bytes", ErrTooLarge, size)
	}
	h.Version = WASMVersion
	h.BytecodeSize, h.CompressedSize = uint32(size), uint32(storedSize)
	return h.Encode(), nil
}

package compute

import "rvffs/segments"

// WASMDescription is a WebAssembly module's header as header.json tells it.
type WASMDescription struct {
	SegmentID         uint64   `json:"segment_id"`
	Offset            int64    `json:"offset"`
	Version           uint16   `json:"version"`
	Role              string   `json:"role"`
	Target            string   `json:"target"`
	RequiredFeatures  uint16   `json:"required_features"`
	ExportCount       uint16   `json:"export_count"`
	BytecodeSize      uint32   `json:"bytecode_size"`
	CompressedSize    uint32   `json:"compressed_size"`
	Compression       string   `json:"compression"`
	MinimumPages      uint8    `json:"min_pages"`
	MaximumPages      uint8    `json:"max_pages"`
	TableCount        uint8    `json:"table_count"`
	Hash              string   `json:"bytecode_hash"`
	Integrity         string   `json:"bytecode_integrity"`
	BootstrapPriority uint8    `json:"bootstrap_priority"`
	InterpreterType   uint8    `json:"interpreter_type"`
	Problems          []string `json:"problems,omitempty"`
}

// Describe puts the module's header into readable form.
func (m *WASMModule) Describe() WASMDescription {
	described := m.describe().document.(WASMDescription)
	described.Integrity = string(m.Integrity)
	return described
}

func (m *WASMModule) describe() description {
	header := m.Header
	return description{WASMDescription{
		SegmentID: m.Entry.SegmentID, Offset: m.Entry.Offset, Version: header.Version,
		Role: header.Role.String(), Target: header.Target.String(), RequiredFeatures: header.RequiredFeatures,
		ExportCount: header.ExportCount, BytecodeSize: header.BytecodeSize, CompressedSize: header.CompressedSize,
		Compression: header.Compression.String(), MinimumPages: header.MinimumPages, MaximumPages: header.MaximumPages,
		TableCount: header.TableCount, Hash: header.Hash.String(), Integrity: openVerdict,
		BootstrapPriority: header.BootstrapPriority, InterpreterType: header.InterpreterType, Problems: header.Problems(),
	}}
}

// describingModules are the fields of a module's header.json that only describe it.
var describingModules = []string{
	"bytecode_size", "compressed_size", "bytecode_hash", "bytecode_integrity", "export_count", "min_pages", "max_pages", "table_count",
}

// editWASM changes the header of a WebAssembly module as a document says.
func editWASM(document []byte, module *WASMModule, header *segments.WASMHeader) error {
	e, err := newHeaderEdit(module.Describe(), describingModules)
	if err != nil {
		return err
	}
	settableByName(e, "role", &header.Role, segments.ParseWASMRole)
	settableByName(e, "target", &header.Target, segments.ParseWASMTarget)
	e.settable("required_features", &header.RequiredFeatures)
	e.settable("bootstrap_priority", &header.BootstrapPriority)
	e.settable("interpreter_type", &header.InterpreterType)
	return e.apply(document)
}

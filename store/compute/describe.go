package compute

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"rvffs/store/state"
)

// KernelDescription is a kernel's header as header.json tells it.
type KernelDescription struct {
	SegmentID         uint64   `json:"segment_id"`
	Offset            int64    `json:"offset"`
	Layout            string   `json:"layout"` // "plain" or "bound"
	Version           uint16   `json:"version"`
	Architecture      string   `json:"arch"`
	Type              string   `json:"kernel_type"`
	Flags             []string `json:"flags"`
	MinimumMemory     uint32   `json:"min_memory_mib"`
	EntryPoint        uint64   `json:"entry_point"`
	ImageSize         uint64   `json:"image_size"`
	CompressedSize    uint64   `json:"compressed_size"`
	Compression       string   `json:"compression"`
	Transport         string   `json:"api_transport"`
	Port              uint16   `json:"api_port"`
	APIVersion        uint32   `json:"api_version"`
	ImageHash         string   `json:"image_hash"`
	Integrity         string   `json:"image_integrity"`
	BuildID           string   `json:"build_id"`
	BuildTime         string   `json:"build_time,omitempty"`
	VirtualProcessors uint32   `json:"vcpu_count"`
	CmdlineOffset     uint64   `json:"cmdline_offset"`
	CmdlineLength     uint32   `json:"cmdline_length"`

	Binding  *BindingDescription `json:"binding,omitempty"`
	Problems []string            `json:"problems,omitempty"`
}

// BindingDescription is a KernelBinding in readable form.
type BindingDescription struct {
	ManifestRootHash      string `json:"manifest_root_hash"`
	PolicyHash            string `json:"policy_hash"`
	Version               uint16 `json:"binding_version"`
	MinimumRuntimeVersion uint16 `json:"min_runtime_version"`
	AllowedSegments       uint64 `json:"allowed_segment_mask"`
}

// EBPFDescription is an eBPF program's header as header.json tells it.
type EBPFDescription struct {
	SegmentID        uint64   `json:"segment_id"`
	Offset           int64    `json:"offset"`
	Version          uint16   `json:"version"`
	ProgramType      string   `json:"program_type"`
	AttachType       string   `json:"attach_type"`
	Flags            uint32   `json:"flags"`
	InstructionCount uint16   `json:"instruction_count"`
	MaxDimension     uint16   `json:"max_dimension"`
	ProgramSize      uint64   `json:"program_size"`
	MapCount         uint32   `json:"map_count"`
	BTFSize          uint32   `json:"btf_size"`
	ProgramHash      string   `json:"program_hash"`
	Integrity        string   `json:"program_integrity"`
	Problems         []string `json:"problems,omitempty"`
}

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

// DashboardDescription is a dashboard's header as header.json tells it.
type DashboardDescription struct {
	SegmentID   uint64   `json:"segment_id"`
	Offset      int64    `json:"offset"`
	Version     uint16   `json:"version"`
	Framework   string   `json:"framework"`
	Compression string   `json:"compression"`
	BundleSize  uint64   `json:"bundle_size"`
	FileCount   uint32   `json:"file_count"`
	EntryPath   string   `json:"entry_path"`
	BuildTime   string   `json:"build_time,omitempty"`
	Hash        string   `json:"bundle_hash"`
	Integrity   string   `json:"bundle_integrity"`
	Problems    []string `json:"problems,omitempty"`
}

// Describe puts the kernel's header into readable form.
func (k *Kernel) Describe() KernelDescription {
	described := k.describe().document.(KernelDescription)
	described.Integrity = string(k.Integrity)
	return described
}

// Describe puts the program's header into readable form.
func (p *EBPFProgram) Describe() EBPFDescription {
	described := p.describe().document.(EBPFDescription)
	described.Integrity = string(p.Integrity)
	return described
}

// Describe puts the module's header into readable form.
func (m *WASMModule) Describe() WASMDescription {
	described := m.describe().document.(WASMDescription)
	described.Integrity = string(m.Integrity)
	return described
}

// Describe puts the dashboard's header into readable form.
func (d *Dashboard) Describe() DashboardDescription {
	described := d.describe().document.(DashboardDescription)
	described.Integrity = string(d.Integrity)
	return described
}

// description is a header in readable form whose verdict is still open.
type description struct{ document any }

// openVerdict stands where the verdict goes. It is as long as the longest.
const openVerdict = "unverified"

// view is header.json. Its size is known at once; the image is read and compared
// with its hash when somebody opens the file for the first time.
func (d description) view(image hashedImage) (state.View, error) {
	text, err := json.MarshalIndent(d.document, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	const key = `_integrity": `
	quoted := []byte(key + `"` + openVerdict + `"`)
	word := bytes.Index(text, quoted) + len(key)
	length, behind := len(openVerdict)+2, ""
	if text[word+length] == ',' {
		length, behind = length+1, "," // the comma stays with the word
	}
	return settledView{segment: image.segment, text: text, word: word, length: length, settle: func(ctx context.Context) (string, error) {
		verdict, err := image.integrity(ctx)
		return fmt.Sprintf("%q%s", verdict, behind), err
	}}, nil
}

func (k *Kernel) describe() description {
	header := k.Header
	described := KernelDescription{
		SegmentID: k.Entry.SegmentID, Offset: k.Entry.Offset, Layout: "plain", Version: header.Version,
		Architecture: header.Architecture.String(), Type: header.Type.String(), Flags: header.Flags.Names(),
		MinimumMemory: header.MinimumMemory, EntryPoint: header.EntryPoint,
		ImageSize: header.ImageSize, CompressedSize: header.CompressedSize, Compression: header.Compression.String(),
		Transport: header.Transport.String(), Port: header.Port, APIVersion: header.APIVersion,
		ImageHash: header.ImageHash.String(), Integrity: openVerdict, BuildID: hex.EncodeToString(header.BuildID[:]),
		VirtualProcessors: header.VirtualProcessors, CmdlineOffset: header.CmdlineOffset, CmdlineLength: header.CmdlineLength,
		Problems: header.Problems(),
	}
	if header.BuildTimestamp != 0 {
		described.BuildTime = time.Unix(0, int64(header.BuildTimestamp)).UTC().Format(time.RFC3339Nano)
	}
	if binding := k.Binding; binding != nil {
		described.Layout = "bound"
		described.Binding = &BindingDescription{
			ManifestRootHash: binding.ManifestRootHash.String(), PolicyHash: binding.PolicyHash.String(),
			Version: binding.Version, MinimumRuntimeVersion: binding.MinimumRuntimeVersion, AllowedSegments: binding.AllowedSegments,
		}
	}
	return description{described}
}

func (p *EBPFProgram) describe() description {
	header := p.Header
	return description{EBPFDescription{
		SegmentID: p.Entry.SegmentID, Offset: p.Entry.Offset, Version: header.Version,
		ProgramType: header.ProgramType.String(), AttachType: header.AttachType.String(), Flags: header.Flags,
		InstructionCount: header.InstructionCount, MaxDimension: header.MaxDimension,
		ProgramSize: header.ProgramSize, MapCount: header.MapCount, BTFSize: header.BTFSize,
		ProgramHash: header.ProgramHash.String(), Integrity: openVerdict, Problems: header.Problems(),
	}}
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

func (d *Dashboard) describe() description {
	header := d.Header
	described := DashboardDescription{
		SegmentID: d.Entry.SegmentID, Offset: d.Entry.Offset, Version: header.Version,
		Framework: header.Framework.String(), Compression: header.Compression.String(), BundleSize: header.BundleSize,
		FileCount: header.FileCount, EntryPath: d.EntryPath, Hash: header.Hash.String(), Integrity: openVerdict, Problems: header.Problems(),
	}
	if header.BuildTime != 0 && header.BuildTime < 1<<40 {
		described.BuildTime = time.Unix(int64(header.BuildTime), 0).UTC().Format(time.RFC3339)
	}
	return description{described}
}

package compute

import "rvffs/segments"

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

// Describe puts the program's header into readable form.
func (p *EBPFProgram) Describe() EBPFDescription {
	described := p.describe().document.(EBPFDescription)
	described.Integrity = string(p.Integrity)
	return described
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

// describingPrograms are the fields of a program's header.json that only describe it.
var describingPrograms = []string{"program_size", "btf_size", "program_hash", "program_integrity"}

// editEBPF changes the header of an eBPF program as a document says.
func editEBPF(document []byte, program *EBPFProgram, header *segments.EBPFHeader) error {
	e, err := newHeaderEdit(program.Describe(), describingPrograms)
	if err != nil {
		return err
	}
	settableByName(e, "program_type", &header.ProgramType, segments.ParseEBPFProgramType)
	settableByName(e, "attach_type", &header.AttachType, segments.ParseEBPFAttachType)
	e.settable("flags", &header.Flags)
	e.settable("max_dimension", &header.MaxDimension)
	e.settable("map_count", &header.MapCount)
	e.settable("instruction_count", &header.InstructionCount)
	return e.apply(document)
}

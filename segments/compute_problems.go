package segments

import "fmt"

// problems gathers what is odd about a header.
type problems []string

func (p *problems) unknown(known bool, field string, value any) {
	if !known {
		*p = append(*p, fmt.Sprintf("%s %v is none that the format knows", field, value))
	}
}

func hasName[N comparable](names map[N]string, value N) bool {
	_, known := names[value]
	return known
}

// Problems lists the fields whose values the format does not know. They do not
// keep anybody from reading the image, unless it is the compression.
func (h KernelHeader) Problems() []string {
	var p problems
	p.unknown(hasName(kernelArchitectureNames, h.Architecture), "arch", h.Architecture)
	p.unknown(hasName(kernelTypeNames, h.Type), "kernel_type", h.Type)
	p.unknown(h.Flags>>len(kernelFlagNames) == 0, "flags", h.Flags.Names())
	p.unknown(hasName(compressionNames, h.Compression), "compression", h.Compression)
	p.unknown(hasName(kernelTransportNames, h.Transport), "api_transport", h.Transport)
	return p
}

// Problems lists the fields whose values the format does not know.
func (h EBPFHeader) Problems() []string {
	var p problems
	p.unknown(hasName(ebpfProgramTypeNames, h.ProgramType), "program_type", h.ProgramType)
	p.unknown(hasName(ebpfAttachTypeNames, h.AttachType), "attach_type", h.AttachType)
	return p
}

// Problems lists the fields whose values the format does not know.
func (h WASMHeader) Problems() []string {
	var p problems
	p.unknown(hasName(wasmRoleNames, h.Role), "role", h.Role)
	p.unknown(hasName(wasmTargetNames, h.Target), "target", h.Target)
	p.unknown(hasName(compressionNames, h.Compression), "compression", h.Compression)
	return p
}

// Problems lists the fields whose values the format does not know.
func (h DashboardHeader) Problems() []string {
	var p problems
	p.unknown(hasName(dashboardFrameworkNames, h.Framework), "framework", h.Framework)
	p.unknown(hasName(dashboardCompressionNames, h.Compression), "compression", h.Compression)
	return p
}

package segments

import (
	"io"
	"math"
	"strings"
)

// ebpfSections says by the name of a program's section what the program is for.
// The first match counts; a name matches as a whole or up to a slash.
var ebpfSections = []struct {
	name    string
	program EBPFProgramType
	attach  EBPFAttachType
}{
	{"xdp", EBPFXDPDistance, EBPFAttachXDPIngress},
	{"xdp.frags", EBPFXDPDistance, EBPFAttachXDPIngress},
	{"tc/egress", EBPFTCFilter, EBPFAttachTCEgress},
	{"tcx/egress", EBPFTCFilter, EBPFAttachTCEgress},
	{"tc", EBPFTCFilter, EBPFAttachTCIngress},
	{"tcx", EBPFTCFilter, EBPFAttachTCIngress},
	{"classifier", EBPFTCFilter, EBPFAttachTCIngress},
	{"socket", EBPFSocketFilter, EBPFAttachSocketFilter},
	{"tracepoint", EBPFTracepoint, EBPFAttachNone},
	{"tp", EBPFTracepoint, EBPFAttachNone},
	{"raw_tracepoint", EBPFTracepoint, EBPFAttachNone},
	{"raw_tp", EBPFTracepoint, EBPFAttachNone},
	{"tp_btf", EBPFTracepoint, EBPFAttachNone},
	{"kprobe", EBPFKprobe, EBPFAttachNone},
	{"kprobe.multi", EBPFKprobe, EBPFAttachNone},
	{"kretprobe", EBPFKprobe, EBPFAttachNone},
	{"kretprobe.multi", EBPFKprobe, EBPFAttachNone},
	{"ksyscall", EBPFKprobe, EBPFAttachNone},
	{"kretsyscall", EBPFKprobe, EBPFAttachNone},
	{"cgroup_skb/egress", EBPFCgroupSKB, EBPFAttachCgroupEgress},
	{"cgroup_skb", EBPFCgroupSKB, EBPFAttachCgroupIngress},
	{"cgroup/skb", EBPFCgroupSKB, EBPFAttachNone},
}

const (
	elfMachineBPF  = 247
	elfProgramBits = 1 // type of a section that holds code or data
	elfSymbols     = 2 // type of the table of symbols
	elfExecutable  = 4 // flag of a section that holds code
	instruction    = 8 // bytes
	elfSymbolSize  = 24
	// elfSymbolLimit is how many symbols are looked at.
	elfSymbolLimit = 1 << 16
)

// DetectEBPF tells from an eBPF program, an ELF object of size bytes, what its
// header should say of it: program and attach type from the names of the sections
// that hold code, the number of instructions in them, and the number of maps. Any
// other program is EBPFCustom. It reads headers, names and symbols, a bounded
// number of each; errors are those of the program's reader.
func DetectEBPF(program io.ReaderAt, size int64) (EBPFHeader, error) {
	guess := EBPFHeader{ProgramType: EBPFCustom, AttachType: EBPFAttachNone}
	start, err := readStart(program, size, elfHeaderSize)
	if err != nil {
		return guess, err
	}
	file, ok := parseELF(start)
	if !ok || file.machine != elfMachineBPF {
		return guess, nil
	}
	sections, err := file.readSections(program, size)
	if err != nil {
		return guess, err
	}
	var code uint64
	typed := false
	for _, section := range sections {
		if section.kind != elfProgramBits || section.flags&elfExecutable == 0 || !section.within(size) || section.size == 0 {
			continue
		}
		code += section.size
		if !typed {
			guess.ProgramType, guess.AttachType, typed = ebpfSectionType(section.name)
		}
	}
	guess.InstructionCount = uint16(min(code/instruction, math.MaxUint16))
	guess.MapCount, err = file.countMaps(program, size, sections)
	return guess, err
}

// ebpfSectionType finds what a section's name means.
func ebpfSectionType(name string) (EBPFProgramType, EBPFAttachType, bool) {
	for _, known := range ebpfSections {
		if rest, found := strings.CutPrefix(name, known.name); found && (rest == "" || rest[0] == '/') {
			return known.program, known.attach, true
		}
	}
	// Older programs carry on behind the word: xdp_pass, socket1.
	for _, prefix := range []string{"xdp", "classifier", "socket"} {
		if strings.HasPrefix(name, prefix) {
			return ebpfSectionType(prefix)
		}
	}
	return EBPFCustom, EBPFAttachNone, false
}

// countMaps counts the objects that symbols name in the sections of maps.
func (f elfFile) countMaps(r io.ReaderAt, size int64, sections []elfSection) (uint32, error) {
	holdsMaps := map[uint16]bool{}
	for i, section := range sections {
		if section.name == ".maps" || section.name == "maps" {
			holdsMaps[uint16(i)] = true
		}
	}
	var count uint32
	for _, section := range sections {
		if section.kind != elfSymbols || len(holdsMaps) == 0 || !section.within(size) {
			continue
		}
		length := int64(min(section.size/elfSymbolSize, elfSymbolLimit)) * elfSymbolSize
		symbols := newWindow(r, int64(section.offset), int64(section.offset)+length)
		for range length / elfSymbolSize {
			symbol, err := symbols.next(elfSymbolSize)
			if err != nil {
				return 0, err
			}
			const object = 1
			kind, place := symbol[4]&0x0F, f.order.Uint16(symbol[6:])
			if holdsMaps[place] && kind == object {
				count++
			}
		}
		break // a file has one table of symbols
	}
	return count, nil
}

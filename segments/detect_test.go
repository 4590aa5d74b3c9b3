package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// image is n zero bytes with pieces at offsets.
func image(n int, pieces map[int]string) []byte {
	b := make([]byte, n)
	for at, piece := range pieces {
		copy(b[at:], piece)
	}
	return b
}

// elfHeader begins an ELF file for a machine.
func elfHeader(machine uint16) []byte {
	b := image(64, map[int]string{0: "\x7fELF\x02\x01\x01"})
	binary.LittleEndian.PutUint16(b[18:], machine)
	binary.LittleEndian.PutUint64(b[24:], 0x1000)
	binary.LittleEndian.PutUint16(b[58:], 64)
	return b
}

// kernelImages are images with what is to be told from them.
var kernelImages = map[string]struct {
	image        []byte
	architecture KernelArchitecture
	kind         KernelType
	entry        uint64
	flags        KernelFlags
}{
	"bzImage":          {image(2000, map[int]string{0x1FE: "\x55\xAA", 0x202: "HdrS\x0f\x02", 0x234: "\x01", 0x236: "\x3f"}), KernelX86_64, KernelMicroLinux, 0, KernelRelocatable},
	"32-bit bzImage":   {image(2000, map[int]string{0x1FE: "\x55\xAA", 0x202: "HdrS\x0f\x02"}), KernelUnknown, KernelMicroLinux, 0, 0},
	"old bzImage":      {image(2000, map[int]string{0x1FE: "\x55\xAA", 0x202: "HdrS\x0b\x02", 0x236: "\x01"}), KernelUnknown, KernelMicroLinux, 0, 0},
	"short bzImage":    {image(0x210, map[int]string{0x1FE: "\x55\xAA", 0x202: "HdrS\x0f\x02"}), KernelUnknown, KernelCustom, 0, 0},
	"arm64 Image":      {image(4096, map[int]string{0: "MZ", 56: "ARM\x64"}), KernelAArch64, KernelMicroLinux, 0, 0},
	"RISC-V Image":     {image(4096, map[int]string{0x30: "RISCV\x00\x00\x00", 0x38: "RSC\x05"}), KernelRISCV64, KernelMicroLinux, 0, 0},
	"ELF for x86_64":   {elfHeader(62), KernelX86_64, KernelCustom, 0x1000, 0},
	"ELF for aarch64":  {elfHeader(183), KernelAArch64, KernelCustom, 0x1000, 0},
	"ELF for riscv64":  {elfHeader(243), KernelRISCV64, KernelCustom, 0x1000, 0},
	"ELF for a z80":    {elfHeader(220), KernelUnknown, KernelCustom, 0x1000, 0},
	"32-bit ELF":       {image(64, map[int]string{0: "\x7fELF\x01\x01\x01"}), KernelUnknown, KernelCustom, 0, 0},
	"component":        {[]byte("\x00asm\x0d\x00\x01\x00..."), KernelUniversal, KernelWASIPreview2, 0, 0},
	"module":           {[]byte("\x00asm\x01\x00\x00\x00..."), KernelUnknown, KernelCustom, 0, 0},
	"text":             {[]byte("a kernel"), KernelUnknown, KernelCustom, 0, 0},
	"nothing":          {nil, KernelUnknown, KernelCustom, 0, 0},
	"compressed Image": {[]byte("\x1f\x8b\x08"), KernelUnknown, KernelCustom, 0, 0},
}

func TestDetectKernel(t *testing.T) {
	t.Parallel()
	for name, test := range kernelImages {
		got, err := DetectKernel(bytes.NewReader(test.image), int64(len(test.image)))
		if err != nil || got.Architecture != test.architecture || got.Type != test.kind || got.EntryPoint != test.entry || got.Flags != test.flags {
			t.Errorf("%s: %s %s, entry %#x, flags %v, %v", name, got.Architecture, got.Type, got.EntryPoint, got.Flags.Names(), err)
		}
	}
}

// section is one section of an ELF file.
type section struct {
	name        string
	kind, flags uint32
	content     []byte
}

// elfObject makes an ELF object for the machine of eBPF.
func elfObject(sections ...section) []byte {
	names := []byte{0}
	sections = append(slices.Concat([]section{{}}, sections), section{name: ".strtab", kind: 3})
	offsets := make([]int, len(sections))
	for i, s := range sections {
		offsets[i] = len(names)
		names = append(append(names, s.name...), 0)
	}
	sections[len(sections)-1].content = names
	file := elfHeader(elfMachineBPF)
	var table []byte
	for i, s := range sections {
		b := make([]byte, 64)
		binary.LittleEndian.PutUint32(b, uint32(offsets[i]))
		binary.LittleEndian.PutUint32(b[4:], s.kind)
		binary.LittleEndian.PutUint64(b[8:], uint64(s.flags))
		binary.LittleEndian.PutUint64(b[24:], uint64(len(file)))
		binary.LittleEndian.PutUint64(b[32:], uint64(len(s.content)))
		table = append(table, b...)
		file = append(file, s.content...)
	}
	binary.LittleEndian.PutUint64(file[40:], uint64(len(file)))
	binary.LittleEndian.PutUint16(file[60:], uint16(len(sections)))
	binary.LittleEndian.PutUint16(file[62:], uint16(len(sections)-1))
	return append(file, table...)
}

func TestDetectEBPF(t *testing.T) {
	t.Parallel()
	code := func(name string, instructions int) section {
		return section{name, elfProgramBits, elfExecutable, make([]byte, 8*instructions)}
	}
	symbol := func(kind byte, place uint16) []byte {
		b := make([]byte, 24)
		b[4] = kind
		binary.LittleEndian.PutUint16(b[6:], place)
		return b
	}
	for name, want := range map[string]struct {
		program EBPFProgramType
		attach  EBPFAttachType
	}{
		"xdp":                {EBPFXDPDistance, EBPFAttachXDPIngress},
		"xdp/drop":           {EBPFXDPDistance, EBPFAttachXDPIngress},
		"xdp_drop":           {EBPFXDPDistance, EBPFAttachXDPIngress},
		"tc":                 {EBPFTCFilter, EBPFAttachTCIngress},
		"tc/egress":          {EBPFTCFilter, EBPFAttachTCEgress},
		"tcx/ingress":        {EBPFTCFilter, EBPFAttachTCIngress},
		"classifier":         {EBPFTCFilter, EBPFAttachTCIngress},
		"socket":             {EBPFSocketFilter, EBPFAttachSocketFilter},
		"socket1":            {EBPFSocketFilter, EBPFAttachSocketFilter},
		"tracepoint/sys/x":   {EBPFTracepoint, EBPFAttachNone},
		"tp/sched/x":         {EBPFTracepoint, EBPFAttachNone},
		"kprobe/do_x":        {EBPFKprobe, EBPFAttachNone},
		"kretprobe/do_x":     {EBPFKprobe, EBPFAttachNone},
		"cgroup_skb/ingress": {EBPFCgroupSKB, EBPFAttachCgroupIngress},
		"cgroup_skb/egress":  {EBPFCgroupSKB, EBPFAttachCgroupEgress},
		"tcp":                {EBPFCustom, EBPFAttachNone},
		"lsm/file_open":      {EBPFCustom, EBPFAttachNone},
	} {
		object := elfObject(code(".text", 3), code(name, 5), section{".maps", elfProgramBits, 3, make([]byte, 64)},
			section{".symtab", elfSymbols, 0, slices.Concat(symbol(0, 0), symbol(0x11, 3), symbol(0x11, 3), symbol(0x12, 2))})
		got, err := DetectEBPF(bytes.NewReader(object), int64(len(object)))
		if err != nil || got.ProgramType != want.program || got.AttachType != want.attach || got.InstructionCount != 8 || got.MapCount != 2 {
			t.Errorf("%s: %s %s, %d instructions, %d maps, %v", name, got.ProgramType, got.AttachType, got.InstructionCount, got.MapCount, err)
		}
	}
	for _, other := range [][]byte{nil, []byte("text"), elfHeader(62), elfObject()} {
		got, err := DetectEBPF(bytes.NewReader(other), int64(len(other)))
		if err != nil || got.ProgramType != EBPFCustom || got.AttachType != EBPFAttachNone || got.InstructionCount != 0 {
			t.Errorf("%.10q: %+v, %v", other, got, err)
		}
	}
	large := elfObject(code("xdp", 70_000))
	if got, err := DetectEBPF(bytes.NewReader(large), int64(len(large))); err != nil || got.InstructionCount != 65535 {
		t.Errorf("%d instructions, %v", got.InstructionCount, err)
	}
}

// wasmModules are modules with what is to be told from them.
var wasmModules = map[string]struct {
	module string
	want   WASMHeader
	broken bool // it is no module, or not a whole one
}{
	"empty":     {"\x00asm\x01\x00\x00\x00", WASMHeader{}, false},
	"memory":    {"\x00asm\x01\x00\x00\x00\x05\x04\x01\x01\x02\x08", WASMHeader{MinimumPages: 2, MaximumPages: 8}, false},
	"exports":   {"\x00asm\x01\x00\x00\x00\x04\x01\x03\x07\x01\x05", WASMHeader{TableCount: 3, ExportCount: 5}, false},
	"wasi":      {"\x00asm\x01\x00\x00\x00\x02\x09\x01\x06wasi_x\x00\x00\x00", WASMHeader{Target: WASMWASIP1}, false},
	"imports":   {"\x00asm\x01\x00\x00\x00\x02\x0e\x02\x01a\x01b\x02\x00\x07\x01c\x01d\x00\x00\x07\x01\x09", WASMHeader{MinimumPages: 7, ExportCount: 9}, false},
	"component": {"\x00asm\x0d\x00\x01\x00", WASMHeader{Target: WASMWASIP2}, false},
	"cut":       {"\x00asm\x01\x00\x00\x00\x02\xff", WASMHeader{}, true},
	"endless":   {"\x00asm\x01\x00\x00\x00\x02\xff\xff\xff\xff\x0f\x01", WASMHeader{}, true},
	// What stands behind the length of a section is none of its values.
	"tables over the length":  {"\x00asm\x01\x00\x00\x00\x04\x01\x83\x07\x01\x05", WASMHeader{}, false},
	"exports over the length": {"\x00asm\x01\x00\x00\x00\x04\x01\x03\x07\x00\x05\x03\x01\x00\x09", WASMHeader{TableCount: 3}, false},
	"memory over the length":  {"\x00asm\x01\x00\x00\x00\x05\x03\x01\x01\x02\x08\x07\x01\x05", WASMHeader{MinimumPages: 2}, true},
	"imports over the length": {"\x00asm\x01\x00\x00\x00\x02\x06\x01\x06wasi_x\x00\x00\x00\x07\x01\x05", WASMHeader{}, true},
	"a name over the length":  {"\x00asm\x01\x00\x00\x00\x02\x03\x01\x7fx\x07\x01\x05" + strings.Repeat("y", 200), WASMHeader{}, true},
	"text":                    {"text", WASMHeader{}, true},
	"nothing":                 {"", WASMHeader{}, true},
}

func TestDetectWASM(t *testing.T) {
	t.Parallel()
	for name, test := range wasmModules {
		test.want.Role = WASMExtension
		got, err := DetectWASM(bytes.NewReader([]byte(test.module)), int64(len(test.module)))
		if got != test.want || errors.Is(err, ErrPayload) != test.broken || err != nil && !test.broken {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// countingReader counts the bytes that are asked of it, and fails from an offset on.
type countingReader struct {
	content []byte
	read    int
}

func (c *countingReader) ReadAt(p []byte, offset int64) (int, error) {
	c.read += len(p)
	return bytes.NewReader(c.content).ReadAt(p, offset)
}

// detectors look at images of all kinds.
var detectors = map[string]func(io.ReaderAt, int64) error{
	"kernel": func(r io.ReaderAt, size int64) error { _, err := DetectKernel(r, size); return err },
	"eBPF":   func(r io.ReaderAt, size int64) error { _, err := DetectEBPF(r, size); return err },
	"WASM":   func(r io.ReaderAt, size int64) error { _, err := DetectWASM(r, size); return err },
}

var errDisk = errors.New("disk")

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestDetectorsTellOfBrokenDisks(t *testing.T) {
	t.Parallel()
	for name, detect := range detectors {
		if err := detect(brokenReader{}, 1000); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDetect holds any image before all detectors: none of them fails, but where something
// is no module, or reads more than headers, names and symbols can take.
func FuzzDetect(f *testing.F) {
	for _, seed := range kernelImages {
		f.Add(seed.image)
	}
	for _, seed := range wasmModules {
		f.Add([]byte(seed.module))
	}
	f.Add(elfObject(section{"xdp", elfProgramBits, elfExecutable, make([]byte, 16)}, section{".maps", elfProgramBits, 3, nil}, section{".symtab", elfSymbols, 0, make([]byte, 48)}))
	f.Fuzz(func(t *testing.T, content []byte) {
		for name, detect := range detectors {
			r := &countingReader{content: content}
			if err := detect(r, int64(len(content))); err != nil && (name != "WASM" || !errors.Is(err, ErrPayload)) {
				t.Errorf("%s: %v", name, err)
			}
			if limit := len(content)*3 + elfSections*elfName + detectPrefix; r.read > limit {
				t.Errorf("%s reads %d bytes of an image of %d", name, r.read, len(content))
			}
		}
	})
}

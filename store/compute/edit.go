package compute

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// headerEdit reads a header.json that was written back. Each field that it brings
// must be one that can be changed, or say what the header says already, or be one
// that only describes.
type headerEdit struct {
	now    map[string]json.RawMessage
	fields map[string]func(json.RawMessage) error
}

// describing are the fields that tell where a segment stands, what its image is,
// and what was found out about both. Nobody means to change them, and between
// reading and writing back a compaction may have moved the segment, or another
// image come: what they say is never compared.
var describing = map[string]bool{
	"segment_id": true, "offset": true, "epoch": true, "problems": true,
	"image_size": true, "compressed_size": true, "bytecode_size": true, "program_size": true, "btf_size": true,
	"compression": true, "cmdline_offset": true, "cmdline_length": true,
	"image_hash": true, "program_hash": true, "bytecode_hash": true,
	"image_integrity": true, "program_integrity": true, "bytecode_integrity": true,
	"export_count": true, "min_pages": true, "max_pages": true, "table_count": true,
}

func newHeaderEdit(now any) (*headerEdit, error) {
	text, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	e := &headerEdit{fields: map[string]func(json.RawMessage) error{}}
	return e, json.Unmarshal(text, &e.now)
}

// apply takes the document. Errors wrap ErrInput.
func (e *headerEdit) apply(document []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(document, &given); err != nil {
		return fmt.Errorf("%w: header.json: %w", volume.ErrInput, err)
	}
	for name, value := range given {
		if describing[name] {
			continue
		}
		if set, changeable := e.fields[name]; changeable {
			if err := set(value); err != nil {
				return fmt.Errorf("%w: header.json: %s: %w", volume.ErrInput, name, err)
			}
			continue
		}
		now, known := e.now[name]
		switch {
		case !known:
			return fmt.Errorf("%w: header.json: there is no field %q", volume.ErrInput, name)
		case !sameJSON(now, value):
			return fmt.Errorf("%w: header.json: %q cannot be changed", volume.ErrInput, name)
		}
	}
	return nil
}

// sameJSON compares two documents but for spaces.
func sameJSON(a, b json.RawMessage) bool {
	var left, right bytes.Buffer
	return json.Compact(&left, a) == nil && json.Compact(&right, b) == nil && bytes.Equal(left.Bytes(), right.Bytes())
}

// number lets a field of a header be set.
func number[N any](e *headerEdit, name string, target *N) {
	e.fields[name] = func(value json.RawMessage) error { return json.Unmarshal(value, target) }
}

// named lets a field be set by the name of its value. A value without a name can
// stay as it is.
func named[N fmt.Stringer](e *headerEdit, name string, target *N, parse func(string) (N, error)) {
	e.fields[name] = func(value json.RawMessage) error {
		var text string
		err := json.Unmarshal(value, &text)
		if err != nil || text == (*target).String() {
			return err
		}
		*target, err = parse(text)
		return err
	}
}

// editKernel changes the header of a kernel as a document says.
func editKernel(document []byte, kernel *Kernel, header *segments.KernelHeader) error {
	e, err := newHeaderEdit(kernel.Describe())
	if err != nil {
		return err
	}
	named(e, "arch", &header.Architecture, segments.ParseKernelArchitecture)
	named(e, "kernel_type", &header.Type, segments.ParseKernelType)
	named(e, "api_transport", &header.Transport, segments.ParseKernelTransport)
	number(e, "api_port", &header.Port)
	number(e, "api_version", &header.APIVersion)
	number(e, "min_memory_mib", &header.MinimumMemory)
	number(e, "vcpu_count", &header.VirtualProcessors)
	number(e, "entry_point", &header.EntryPoint)
	e.fields["flags"] = func(value json.RawMessage) error {
		var names []string
		if err := json.Unmarshal(value, &names); err != nil {
			return err
		}
		flags, err := segments.ParseKernelFlags(names)
		if (flags^header.Flags)&segments.KernelCompressed != 0 {
			return fmt.Errorf("whether the image is compressed cannot be changed")
		}
		header.Flags = flags
		return err
	}
	e.fields["build_id"] = func(value json.RawMessage) error {
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return err
		}
		id, err := hex.DecodeString(text)
		if err != nil || len(id) > len(header.BuildID) {
			return fmt.Errorf("%q is not up to %d bytes in hexadecimal digits", text, len(header.BuildID))
		}
		header.BuildID = [16]byte{}
		copy(header.BuildID[:], id)
		return nil
	}
	return e.apply(document)
}

// editEBPF changes the header of an eBPF program as a document says.
func editEBPF(document []byte, program *EBPFProgram, header *segments.EBPFHeader) error {
	e, err := newHeaderEdit(program.Describe())
	if err != nil {
		return err
	}
	named(e, "program_type", &header.ProgramType, segments.ParseEBPFProgramType)
	named(e, "attach_type", &header.AttachType, segments.ParseEBPFAttachType)
	number(e, "flags", &header.Flags)
	number(e, "max_dimension", &header.MaxDimension)
	number(e, "map_count", &header.MapCount)
	number(e, "instruction_count", &header.InstructionCount)
	return e.apply(document)
}

// editWASM changes the header of a WebAssembly module as a document says.
func editWASM(document []byte, module *WASMModule, header *segments.WASMHeader) error {
	e, err := newHeaderEdit(module.Describe())
	if err != nil {
		return err
	}
	named(e, "role", &header.Role, segments.ParseWASMRole)
	named(e, "target", &header.Target, segments.ParseWASMTarget)
	number(e, "required_features", &header.RequiredFeatures)
	number(e, "bootstrap_priority", &header.BootstrapPriority)
	number(e, "interpreter_type", &header.InterpreterType)
	return e.apply(document)
}

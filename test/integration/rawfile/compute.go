package rawfile

import "encoding/binary"

// kernelHeader and ebpfHeader are the lengths of the headers with which the
// payloads of embedded programs begin; bindingSize is that of the block that a
// bound kernel has behind its header.
const (
	kernelHeader = 128
	bindingSize  = 128
	ebpfHeader   = 64
)

// Kernel takes a well-formed kernel segment apart: its image as it is stored,
// and its command line. A bound kernel has the command line first.
func (s Segment) Kernel() (image, cmdline []byte) {
	little := binary.LittleEndian
	stored := little.Uint64(s.Payload[0x20:])
	length := uint64(little.Uint32(s.Payload[0x78:]))
	rest := s.Payload[kernelHeader:]
	if little.Uint64(s.Payload[0x70:]) == kernelHeader+bindingSize {
		rest = rest[bindingSize:]
		return rest[length : length+stored], rest[:length]
	}
	return rest[:stored], rest[stored : stored+length]
}

// EBPF takes a well-formed eBPF segment apart: the program and its type
// information.
func (s Segment) EBPF() (program, btf []byte) {
	little := binary.LittleEndian
	size := little.Uint64(s.Payload[16:])
	types := uint64(little.Uint32(s.Payload[28:]))
	rest := s.Payload[ebpfHeader:]
	return rest[:size], rest[size : size+types]
}

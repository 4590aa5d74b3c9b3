package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
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
	BuildID           string   `json:"build_id"`
	BuildTime         string   `json:"build_time,omitempty"`
	VirtualProcessors uint32   `json:"vcpu_count"`
	CmdlineOffset     uint64   `json:"cmdline_offset"`
	CmdlineLength     uint32   `json:"cmdline_length"`

	Binding *BindingDescription `json:"binding,omitempty"`
}

// BindingDescription is a KernelBinding in readable form.
type BindingDescription struct {
	ManifestRootHash      string `json:"manifest_root_hash"`
	PolicyHash            string `json:"policy_hash"`
	Version               uint16 `json:"binding_version"`
	MinimumRuntimeVersion uint16 `json:"min_runtime_version"`
	AllowedSegments       uint64 `json:"allowed_segment_mask"`
}

// Kernel shows the first kernel that the manifest names: image, cmdline,
// header.json and header.bin, or error.txt when it is damaged; nothing when there
// is none.
func (s *Snapshot) Kernel() ([]NamedView, error) {
	return s.cache.kernel.get(func() ([]NamedView, error) {
		return s.compute(segments.TypeKernel, s.kernelFiles)
	})
}

// EBPF shows the first eBPF program that the manifest names: program.o, btf,
// header.json and header.bin, or error.txt when it is damaged; nothing when there
// is none.
func (s *Snapshot) EBPF() ([]NamedView, error) {
	return s.cache.ebpf.get(func() ([]NamedView, error) {
		return s.compute(segments.TypeEBPF, s.ebpfFiles)
	})
}

// compute shows the first segment of a type by the files that list finds in it.
func (s *Snapshot) compute(kind segments.Type, list func(segments.DirectoryEntry, []byte) ([]NamedView, error)) ([]NamedView, error) {
	for _, entry := range s.named() {
		if entry.Type != kind {
			continue
		}
		var files []NamedView
		err := s.source.with(func(file File) error {
			if _, err := readHeader(file, entry); err != nil {
				return err
			}
			prefix := make([]byte, min(entry.PayloadLength, segments.MaxKernelPrefix))
			if err := readFull(file, prefix, entry.Offset+segments.HeaderSize); err != nil {
				return err
			}
			var err error
			files, err = list(entry, prefix)
			return err
		})
		if err = asCorrupt(err); errors.Is(err, ErrCorrupt) {
			text := fmt.Sprintf("The %s at offset %d cannot be read.\n\n%v\n", kind, entry.Offset, err)
			return []NamedView{{"error.txt", bytesView(text)}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the %s at offset %d: %w", kind, entry.Offset, err)
		}
		return files, nil
	}
	return nil, nil
}

func (s *Snapshot) kernelFiles(entry segments.DirectoryEntry, prefix []byte) ([]NamedView, error) {
	kernel, err := segments.ParseKernel(prefix, int64(entry.PayloadLength))
	if err != nil {
		return nil, err
	}
	files := fileList{snapshot: s, payload: entry.Offset + segments.HeaderSize}
	if kernel.Header.Compression == segments.CompressionNone {
		files.part("image", kernel.ImageOffset, kernel.ImageLength)
	}
	files.part("cmdline", kernel.CmdlineOffset, kernel.CmdlineLength)
	files.part("header.bin", 0, segments.KernelHeaderSize)
	files.json("header.json", describeKernel(entry, kernel))
	return files.views, files.err
}

func (s *Snapshot) ebpfFiles(entry segments.DirectoryEntry, prefix []byte) ([]NamedView, error) {
	program, err := segments.ParseEBPF(prefix, int64(entry.PayloadLength))
	if err != nil {
		return nil, err
	}
	files := fileList{snapshot: s, payload: entry.Offset + segments.HeaderSize}
	files.part("program.o", program.ProgramOffset, program.ProgramLength)
	files.part("btf", program.BTFOffset, program.BTFLength)
	files.part("header.bin", 0, segments.EBPFHeaderSize)
	files.json("header.json", describeEBPF(entry, program.Header))
	return files.views, files.err
}

// fileList gathers the files of one payload and stops at the first error.
type fileList struct {
	snapshot *Snapshot
	payload  int64 // offset in the file
	views    []NamedView
	err      error
}

func (f *fileList) add(name string, view View, err error) {
	if f.err == nil {
		f.views, f.err = append(f.views, NamedView{name, view}), err
	}
}

func (f *fileList) part(name string, offset, length int64) {
	view, err := f.snapshot.part(f.payload+offset, length)
	f.add(name, view, err)
}

func (f *fileList) json(name string, document any) {
	view, err := jsonView(document)
	f.add(name, view, err)
}

func describeKernel(entry segments.DirectoryEntry, kernel *segments.Kernel) KernelDescription {
	header := kernel.Header
	described := KernelDescription{
		SegmentID: entry.SegmentID, Offset: entry.Offset, Layout: "plain", Version: header.Version,
		Architecture: header.Architecture.String(), Type: header.Type.String(), Flags: header.Flags.Names(),
		MinimumMemory: header.MinimumMemory, EntryPoint: header.EntryPoint,
		ImageSize: header.ImageSize, CompressedSize: header.CompressedSize, Compression: header.Compression.String(),
		Transport: header.Transport.String(), Port: header.Port, APIVersion: header.APIVersion,
		ImageHash: header.ImageHash.String(), BuildID: hex.EncodeToString(header.BuildID[:]),
		VirtualProcessors: header.VirtualProcessors, CmdlineOffset: header.CmdlineOffset, CmdlineLength: header.CmdlineLength,
	}
	if header.BuildTimestamp != 0 {
		described.BuildTime = time.Unix(0, int64(header.BuildTimestamp)).UTC().Format(time.RFC3339Nano)
	}
	if binding := kernel.Binding; binding != nil {
		described.Layout = "bound"
		described.Binding = &BindingDescription{
			ManifestRootHash: binding.ManifestRootHash.String(), PolicyHash: binding.PolicyHash.String(),
			Version: binding.Version, MinimumRuntimeVersion: binding.MinimumRuntimeVersion, AllowedSegments: binding.AllowedSegments,
		}
	}
	return described
}

// EBPFDescription is an eBPF header as header.json tells it.
type EBPFDescription struct {
	SegmentID        uint64 `json:"segment_id"`
	Offset           int64  `json:"offset"`
	Version          uint16 `json:"version"`
	ProgramType      string `json:"program_type"`
	AttachType       string `json:"attach_type"`
	Flags            uint32 `json:"flags"`
	InstructionCount uint16 `json:"instruction_count"`
	MaxDimension     uint16 `json:"max_dimension"`
	ProgramSize      uint64 `json:"program_size"`
	MapCount         uint32 `json:"map_count"`
	BTFSize          uint32 `json:"btf_size"`
	ProgramHash      string `json:"program_hash"`
}

func describeEBPF(entry segments.DirectoryEntry, header segments.EBPFHeader) EBPFDescription {
	return EBPFDescription{
		SegmentID: entry.SegmentID, Offset: entry.Offset, Version: header.Version,
		ProgramType: header.ProgramType.String(), AttachType: header.AttachType.String(), Flags: header.Flags,
		InstructionCount: header.InstructionCount, MaxDimension: header.MaxDimension,
		ProgramSize: header.ProgramSize, MapCount: header.MapCount, BTFSize: header.BTFSize,
		ProgramHash: header.ProgramHash.String(),
	}
}

// ParentHash is what a child derived from this snapshot records: the format's
// SHAKE-256 of the manifest's payload.
func (s *Snapshot) ParentHash() (lineage.Hash, error) {
	var hash lineage.Hash
	err := s.source.with(func(file File) error {
		hasher := lineage.NewShake256()
		if err := copyRange(hasher, file, s.state.Segment.PayloadOffset(), int64(s.state.Segment.PayloadLength)); err != nil {
			return err
		}
		hash = lineage.Hash(hasher.Sum(nil))
		return nil
	})
	return hash, err
}

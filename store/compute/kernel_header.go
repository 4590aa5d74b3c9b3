package compute

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

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

// Describe puts the kernel's header into readable form.
func (k *Kernel) Describe() KernelDescription {
	described := k.describe().document.(KernelDescription)
	described.Integrity = string(k.Integrity)
	return described
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

// describingKernels are the fields of a kernel's header.json that only describe its image.
var describingKernels = []string{"image_size", "compressed_size", "cmdline_offset", "cmdline_length", "image_hash", "image_integrity"}

// editKernel changes the header of a kernel as a document says.
func editKernel(document []byte, kernel *Kernel, header *segments.KernelHeader) error {
	e, err := newHeaderEdit(kernel.Describe(), describingKernels)
	if err != nil {
		return err
	}
	settableByName(e, "arch", &header.Architecture, segments.ParseKernelArchitecture)
	settableByName(e, "kernel_type", &header.Type, segments.ParseKernelType)
	settableByName(e, "api_transport", &header.Transport, segments.ParseKernelTransport)
	e.settable("api_port", &header.Port)
	e.settable("api_version", &header.APIVersion)
	e.settable("min_memory_mib", &header.MinimumMemory)
	e.settable("vcpu_count", &header.VirtualProcessors)
	e.settable("entry_point", &header.EntryPoint)
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

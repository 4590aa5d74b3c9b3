package segments

import "fmt"

// KernelArchitecture is the machine that a kernel image runs on.
type KernelArchitecture uint8

// The architectures of the format.
const (
	KernelX86_64    KernelArchitecture = 0x00
	KernelAArch64   KernelArchitecture = 0x01
	KernelRISCV64   KernelArchitecture = 0x02
	KernelUniversal KernelArchitecture = 0xFE
	KernelUnknown   KernelArchitecture = 0xFF
)

var kernelArchitectureNames = map[KernelArchitecture]string{
	KernelX86_64:    "x86_64",
	KernelAArch64:   "aarch64",
	KernelRISCV64:   "riscv64",
	KernelUniversal: "universal",
	KernelUnknown:   "unknown",
}

// String returns the architecture's name, or its number as "0x07".
func (a KernelArchitecture) String() string { return numberName(a, kernelArchitectureNames) }

// ParseKernelArchitecture finds the architecture of a name that String returns.
func ParseKernelArchitecture(name string) (KernelArchitecture, error) {
	for architecture, known := range kernelArchitectureNames {
		if known == name {
			return architecture, nil
		}
	}
	return KernelUnknown, fmt.Errorf("%q is no kernel architecture", name)
}

// KernelType is the kind of a kernel image.
type KernelType uint8

// The kernel types of the format.
const (
	KernelHermit       KernelType = 0x00
	KernelMicroLinux   KernelType = 0x01
	KernelAsterinas    KernelType = 0x02
	KernelWASIPreview2 KernelType = 0x03
	KernelCustom       KernelType = 0x04
	KernelTestStub     KernelType = 0xFE
)

var kernelTypeNames = map[KernelType]string{
	KernelHermit:       "hermit",
	KernelMicroLinux:   "micro-linux",
	KernelAsterinas:    "asterinas",
	KernelWASIPreview2: "wasi-preview2",
	KernelCustom:       "custom",
	KernelTestStub:     "test-stub",
}

// String returns the type's name, or its number as "0x07".
func (t KernelType) String() string { return numberName(t, kernelTypeNames) }

// KernelTransport is how a running kernel is spoken to.
type KernelTransport uint8

// The API transports of the format.
const (
	KernelTCPHTTP      KernelTransport = 0x00
	KernelTCPGRPC      KernelTransport = 0x01
	KernelVsock        KernelTransport = 0x02
	KernelSharedMemory KernelTransport = 0x03
	KernelNoTransport  KernelTransport = 0xFF
)

var kernelTransportNames = map[KernelTransport]string{
	KernelTCPHTTP:      "tcp-http",
	KernelTCPGRPC:      "tcp-grpc",
	KernelVsock:        "vsock",
	KernelSharedMemory: "shared-mem",
	KernelNoTransport:  "none",
}

// String returns the transport's name, or its number as "0x07".
func (t KernelTransport) String() string { return numberName(t, kernelTransportNames) }

// KernelFlags is the bit set of a KernelHeader.
type KernelFlags uint32

// The kernel flags of the format.
const (
	KernelRequiresTEE KernelFlags = 1 << iota
	KernelRequiresKVM
	KernelRequiresUEFI
	KernelNetworking
	KernelQueryAPI
	KernelIngestAPI
	KernelAdminAPI
	KernelAttestationReady
	KernelSigned
	KernelMeasured
	KernelCompressed
	KernelRelocatable
	KernelVirtioNet
	KernelVirtioBlk
	KernelVsockDevice
)

var kernelFlagNames = []string{
	"requires_tee", "requires_kvm", "requires_uefi", "networking",
	"query_api", "ingest_api", "admin_api", "attestation_ready",
	"signed", "measured", "compressed", "relocatable",
	"virtio_net", "virtio_blk", "vsock",
}

// Names returns the names of the flags that are set, lowest bit first; a bit
// without a name gives its value as "0x00010000".
func (f KernelFlags) Names() []string { return bitNames(uint32(f), kernelFlagNames, 8) }

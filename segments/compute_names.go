package segments

import (
	"fmt"
	"strconv"
	"strings"
)

// parseNumberName is the reverse of numberName.
func parseNumberName[N ~uint8](what, name string, names map[N]string) (N, error) {
	for value, known := range names {
		if known == name {
			return value, nil
		}
	}
	return 0, fmt.Errorf("%q is no %s", name, what)
}

// ParseKernelType finds the kernel type of a name that String returns.
func ParseKernelType(name string) (KernelType, error) {
	return parseNumberName("kernel type", name, kernelTypeNames)
}

// ParseKernelTransport finds the API transport of a name that String returns.
func ParseKernelTransport(name string) (KernelTransport, error) {
	return parseNumberName("API transport", name, kernelTransportNames)
}

// ParseKernelFlags puts flags together from names that Names returns, also those
// of bits without a name.
func ParseKernelFlags(names []string) (KernelFlags, error) {
	var flags KernelFlags
next:
	for _, name := range names {
		for bit, known := range kernelFlagNames {
			if known == name {
				flags |= 1 << bit
				continue next
			}
		}
		digits, found := strings.CutPrefix(name, "0x")
		value, err := strconv.ParseUint(digits, 16, 32)
		if !found || err != nil {
			return 0, fmt.Errorf("%q is no kernel flag", name)
		}
		flags |= KernelFlags(value)
	}
	return flags, nil
}

// ParseEBPFProgramType finds the program type of a name that String returns.
func ParseEBPFProgramType(name string) (EBPFProgramType, error) {
	return parseNumberName("eBPF program type", name, ebpfProgramTypeNames)
}

// ParseEBPFAttachType finds the attach type of a name that String returns.
func ParseEBPFAttachType(name string) (EBPFAttachType, error) {
	return parseNumberName("eBPF attach type", name, ebpfAttachTypeNames)
}

// ParseWASMRole finds the role of a name that String returns.
func ParseWASMRole(name string) (WASMRole, error) {
	return parseNumberName("WASM role", name, wasmRoleNames)
}

// ParseWASMTarget finds the target of a name that String returns.
func ParseWASMTarget(name string) (WASMTarget, error) {
	return parseNumberName("WASM target", name, wasmTargetNames)
}

// ParseDashboardFramework finds the framework of a name that String returns.
func ParseDashboardFramework(name string) (DashboardFramework, error) {
	return parseNumberName("dashboard framework", name, dashboardFrameworkNames)
}

//go:build !amd64

package nearest

func machineKernels() []kernel { return nil }

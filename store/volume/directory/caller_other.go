//go:build !linux

package directory

import "rvffs/store/volume"

// Other platforms know of no callers but the process itself.

func canImpersonate() bool { return false }

func impersonate(_ volume.Caller, f func() error) error { return f() }

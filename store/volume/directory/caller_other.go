//go:build !linux

package directory

// Other platforms know of no callers but the process itself.

func processUser() uint32 { return 0 }

func canImpersonate() bool { return false }

func (c Caller) impersonate(f func() error) error { return f() }

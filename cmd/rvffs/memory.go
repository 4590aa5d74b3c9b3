package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"rvffs/store/memory"
)

const (
	// leastMemory is what a mount needs to serve anything of use.
	leastMemory = 32 << 20
	// ownMemory is what the process takes by itself, in bytes: code, stacks, tables of
	// stores and of what the kernel knows, and garbage that waits for its collection.
	ownMemory = 96 << 20
	// mostRequests bounds the memory for requests that are being read and answered.
	mostRequests = 128 << 20
)

// mountMemory is how a mount's memory is divided.
type mountMemory struct {
	requests int64 // bytes
	budget   *memory.Budget
}

// newMountMemory divides the bytes that a mount may hold for its users. A part is
// for requests on their way; the rest is charged for what they bring and want.
//
// The collector of garbage is told the sum, and what the process needs besides. It
// would otherwise let the heap grow to twice what is in use before it begins, and a
// budget that is used up would take twice its size.
func newMountMemory(bytes int64) mountMemory {
	debug.SetMemoryLimit(bytes + ownMemory)
	requests := min(bytes/4, mostRequests)
	return mountMemory{requests: requests, budget: memory.NewBudget(bytes - requests)}
}

// checkMemory refuses what is too little for a mount, and more than the machine has.
func checkMemory(bytes int64) error {
	var machine unix.Sysinfo_t
	if bytes < leastMemory {
		return fmt.Errorf("%d bytes of memory are too few to serve a mount: %d are the least", bytes, leastMemory)
	}
	if err := unix.Sysinfo(&machine); err != nil {
		return fmt.Errorf("ask how much memory there is: %w", err)
	}
	if has := uint64(machine.Totalram) * uint64(machine.Unit); uint64(bytes) > has {
		return fmt.Errorf("%d bytes of memory are more than the machine has: %d", bytes, has)
	}
	return nil
}

// text tells how much is in use, for the control folder.
func (m mountMemory) text() []byte {
	text, err := json.MarshalIndent(struct {
		memory.Usage
		Requests int64 `json:"requests_limit"`
	}{m.budget.Usage(), m.requests}, "", "  ")
	if err != nil {
		return []byte(err.Error())
	}
	return append(text, '\n')
}

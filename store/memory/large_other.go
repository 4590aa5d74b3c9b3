//go:build !linux

package memory

// inLargePages does nothing: this system takes no advice.
func inLargePages([]byte) {}

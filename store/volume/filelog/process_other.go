//go:build !linux

package filelog

// processAlive assumes the best of every process where none can be asked for.
func processAlive(int) bool { return true }

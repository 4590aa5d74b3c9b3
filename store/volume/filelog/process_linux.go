package filelog

import (
	"errors"

	"golang.org/x/sys/unix"
)

// processAlive reports whether a process of this id exists on this host.
func processAlive(process int) bool {
	if process <= 0 {
		return false
	}
	return !errors.Is(unix.Kill(process, 0), unix.ESRCH)
}

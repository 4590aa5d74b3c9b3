package catalog

import (
	"fmt"
	"syscall"
)

// Statfs describes the file system that holds the stores.
func (c *Catalog) Statfs() (syscall.Statfs_t, error) {
	var result syscall.Statfs_t
	for {
		err := syscall.Statfs(c.directory, &result)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return result, fmt.Errorf("statfs %q: %w", c.directory, err)
		}
		return result, nil
	}
}

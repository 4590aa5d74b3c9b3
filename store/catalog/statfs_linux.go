package catalog

import (
	"fmt"
	"syscall"
)

// Statfs describes the file system that holds the stores.
func (c *Catalog) Statfs() (syscall.Statfs_t, error) {
	described, err := c.disk.Statfs()
	if err != nil {
		return described, fmt.Errorf("statfs %q: %w", c.name, err)
	}
	return described, nil
}

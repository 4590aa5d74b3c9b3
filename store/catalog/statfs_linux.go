package catalog

import (
	"fmt"
	"syscall"
)

// Statfs describes the file system that holds the stores.
func (c *Catalog) Statfs() (syscall.Statfs_t, error) {
	described, err := c.files.Statfs()
	if err != nil {
		return described, fmt.Errorf("statfs %q: %w", c.directory, err)
	}
	return described, nil
}

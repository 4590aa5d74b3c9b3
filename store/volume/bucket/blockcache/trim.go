package blockcache

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Others write to the folder, too, so that who has written much looks at it: after each
// sixteenth of the bound. What was used longest ago goes until an eighth is free.
const (
	lookEach = 16
	keepFree = 8
)

// abandoned is how old a file gets that is being written by somebody who has died.
const abandoned = time.Hour

// trimIfFull notes bytes that were written, and has the folder looked at after many of them.
func (c *Cache) trimIfFull(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.written += bytes; c.written < c.most/lookEach || c.trimming {
		return
	}
	c.written, c.trimming = 0, true
	c.trims.Go(func() {
		c.trim()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.trimming = false
	})
}

// found is a file of the folder.
type found struct {
	name string
	size int64
	used time.Time
}

// trim removes what was used longest ago, as far as there is too much.
func (c *Cache) trim() {
	var files []found
	var bytes int64
	_ = fs.WalkDir(c.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what cannot be looked at stays
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if strings.HasPrefix(name, temporary) {
			if time.Since(info.ModTime()) > abandoned {
				_ = c.root.Remove(name)
			}
			return nil
		}
		files = append(files, found{name, info.Size(), info.ModTime()})
		bytes += info.Size()
		return nil
	})
	if bytes <= c.most-c.most/keepFree {
		return
	}
	slices.SortFunc(files, func(a, b found) int { return a.used.Compare(b.used) })
	for _, file := range files {
		if bytes <= c.most-c.most/keepFree {
			return
		}
		if err := c.root.Remove(file.name); err == nil || errors.Is(err, fs.ErrNotExist) { // another one was faster
			bytes -= file.size
		}
	}
}

package catalog

import (
	"context"
	"errors"
	"sync"

	"rvffs/store/volume"
)

// keptFolders is how many folders stay open after their last user, so that a list of
// what is in a folder does not open it for each name.
const keptFolders = 32

// recentFolders are those that were opened last.
type recentFolders struct {
	mu     sync.Mutex
	opened []*folderFiles // the oldest first; each has a user here
}

// add keeps an open folder, which the caller uses, and lets the oldest go.
func (r *recentFolders) add(ctx context.Context, f *folderFiles) error {
	if _, err := f.open.Acquire(func() (volume.Folder, error) { return f.find(ctx) }); err != nil {
		return err
	}
	r.mu.Lock()
	r.opened = append(r.opened, f)
	var oldest *folderFiles
	if len(r.opened) > keptFolders {
		oldest = r.opened[0]
		r.opened = append(r.opened[:0], r.opened[1:]...)
	}
	r.mu.Unlock()
	return oldest.letGo()
}

// close lets all go.
func (r *recentFolders) close() error {
	r.mu.Lock()
	opened := r.opened
	r.opened = nil
	r.mu.Unlock()
	var problems []error
	for _, f := range opened {
		problems = append(problems, f.release())
	}
	return errors.Join(problems...)
}

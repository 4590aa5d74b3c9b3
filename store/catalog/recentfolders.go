package catalog

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"

	"rvffs/store/volume"
)

// keptFolders is how many folders stay open after their last user, so that a list of
// what is in a folder does not open it for each name.
const keptFolders = 32

// recentFolders are those that were opened last. Each has a user here.
type recentFolders struct {
	opened *lru.Cache[*folderFiles, struct{}]
}

func (c *Catalog) newRecentFolders() recentFolders {
	return recentFolders{newRecent(keptFolders, func(f *folderFiles) {
		if err := f.Release(); err != nil {
			c.options.Log.Warn().Err(err).Str("folder", f.folder.Path()).Msg("closing a folder failed")
		}
	})}
}

// add keeps an open folder, which the caller uses, and lets the oldest go.
func (r *recentFolders) add(ctx context.Context, f *folderFiles) error {
	if _, err := f.open.Acquire(ctx, func() (volume.Folder, error) { return f.find(ctx) }); err != nil {
		return err
	}
	if kept, _ := r.opened.ContainsOrAdd(f, struct{}{}); kept {
		return f.Release() // it has its user
	}
	return nil
}

// close lets all go.
func (r *recentFolders) close() { r.opened.Purge() }

package catalog

import (
	"context"
	"errors"

	"rvffs/store/shared"
	"rvffs/store/volume"
)

// folderFiles are the stores in one folder, reached by their bare names. The folder's
// descriptor is open while somebody needs it: its name may change at any time, and
// that of a folder above it, without anybody here having to know.
type folderFiles struct {
	folder *Folder
	open   shared.Value[volume.Folder]
}

// filesOf are the stores in a folder as somebody reaches them.
type filesOf struct {
	*folderFiles
	caller volume.Caller
}

var (
	_ volume.Holder = (*folderFiles)(nil)
	_ volume.Holder = filesOf{}
)

// as are the stores with the rights of the one for whom an operation is done.
func (f *folderFiles) as(ctx context.Context) filesOf {
	return filesOf{f, f.folder.catalog.caller(ctx)}
}

// Hold implements volume.Holder.
func (f filesOf) Hold(ctx context.Context) (volume.Folder, error) {
	folder, err := f.folderFiles.Hold(ctx)
	if err != nil {
		return nil, err
	}
	return folder.As(f.caller), nil
}

// shelf is how the engine reaches the stores.
func (f filesOf) shelf() volume.Shelf { return f.folder.catalog.volume.ShelfOf(f) }

// with runs act with the open folder.
func (f filesOf) with(ctx context.Context, act func(volume.Folder) error) error {
	return f.folderFiles.with(ctx, func(folder volume.Folder) error { return act(folder.As(f.caller)) })
}

// shelf is how the engine reaches the stores.
func (f *folderFiles) shelf() volume.Shelf { return f.folder.catalog.volume.ShelfOf(f) }

// errReplaced says that a folder's path leads to another one.
var errReplaced = errors.New("another folder took its place")

// with runs act with the open folder.
func (f *folderFiles) with(ctx context.Context, act func(volume.Folder) error) error {
	folder, err := f.Hold(ctx)
	if err != nil {
		return err
	}
	return errors.Join(act(folder), f.Release())
}

// Hold implements volume.Holder.
func (f *folderFiles) Hold(ctx context.Context) (volume.Folder, error) {
	opened := false
	folder, err := f.open.Acquire(ctx, func() (found volume.Folder, err error) {
		found, err = f.find(ctx)
		opened = err == nil
		return found, err
	})
	if opened {
		if err := f.folder.catalog.recent.add(ctx, f); err != nil {
			return nil, errors.Join(err, f.Release())
		}
	}
	return folder, err
}

// Release implements volume.Holder.
func (f *folderFiles) Release() error { return f.open.Release() }

// find opens the folder at its path of this moment.
func (f *folderFiles) find(ctx context.Context) (folder volume.Folder, err error) {
	c := f.folder.catalog
	err = c.follow(ctx, &f.folder.place, func(path string) error {
		found, err := c.volume.Open(ctx, path)
		if err != nil {
			return err
		}
		if err := f.folder.recognize(ctx, found); err != nil {
			return errors.Join(err, found.Close())
		}
		folder = found
		return nil
	})
	return folder, err
}

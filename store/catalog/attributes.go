package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// shownFile is the file of which the kernel was told last what it is, whose and
// with which permissions: what the kernel lets a caller do, it lets be done to this
// file and no other.
type shownFile struct {
	mu   sync.Mutex
	info volume.FileInfo
}

func (s *shownFile) set(info volume.FileInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = info
}

func (s *shownFile) is(info volume.FileInfo) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info.Is(info)
}

// AccessList is that of the store's file, which must be the one that a snapshot is of,
// if there is one; nil without a list.
func (s *Store) AccessList(ctx context.Context, of state.Origin) (list volume.AccessList, err error) {
	var info volume.FileInfo
	err = s.at(ctx, func(folder volume.Folder, name string) error {
		list, info, err = folder.AccessList(ctx, name, false)
		return err
	})
	if err == nil && of != (state.Origin{}) && !of.Holds(info) {
		err = volume.ErrOtherFile
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	return list, nil
}

// AccessList is that of the backing folder, or the one that it hands down to what is
// made in it; nil without a list.
func (f *Folder) AccessList(ctx context.Context, handedDown bool) (list volume.AccessList, err error) {
	err = f.files.with(ctx, func(folder volume.Folder) error {
		list, _, err = folder.AccessList(ctx, ".", handedDown)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", f.Path(), err)
	}
	return list, nil
}

// setAttributes changes the file or folder at name, if it is the one shown. Else it
// fails with volume.ErrStale, after which the kernel looks the name up again, judges
// anew and asks once more.
func setAttributes(ctx context.Context, folder volume.Folder, name string, shown *shownFile, change volume.AttributeChange) error {
	held, err := folder.Hold(ctx, name)
	if err != nil {
		return err
	}
	if !shown.is(held.Info()) {
		return errors.Join(volume.ErrOtherFile, held.Close())
	}
	return errors.Join(held.Change(ctx, change), held.Close())
}

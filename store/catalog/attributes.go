package catalog

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"rvffs/store"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// AttributeChange says which attributes of a file or folder change, and how.
type AttributeChange struct {
	Mode               *os.FileMode // nil: as it is
	UID, GID           int          // -1: as it is
	Accessed, Modified time.Time    // zero: as it is; store.Now
}

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
func (s *Store) AccessList(of store.Origin) (list directory.AccessList, err error) {
	var info volume.FileInfo
	err = s.at(func(folder heldFolder, name string) error {
		list, info, err = folder.AccessList(name, false)
		return err
	})
	if err == nil && of != (store.Origin{}) && !of.Holds(info) {
		err = fmt.Errorf("%w: another file took its place", store.ErrStale)
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	return list, nil
}

// AccessList is that of the backing folder, or the one that it hands down to what is
// made in it; nil without a list.
func (f *Folder) AccessList(handedDown bool) (list directory.AccessList, err error) {
	err = f.files.with(func(folder heldFolder) error {
		list, _, err = folder.AccessList(".", handedDown)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", f.Path(), err)
	}
	return list, nil
}

// setAttributes changes the file or folder at name, if it is the one shown. Else it
// fails with store.ErrStale, after which the kernel looks the name up again, judges
// anew and asks once more.
func setAttributes(folder heldFolder, name string, shown *shownFile, change AttributeChange) error {
	held, err := folder.Hold(name)
	if err != nil {
		return err
	}
	if !shown.is(held.Info()) {
		return errors.Join(fmt.Errorf("%w: another file took its place", store.ErrStale), held.Close())
	}
	return errors.Join(change.apply(held), held.Close())
}

// apply sets the owner first, for that may clear bits of the mode.
func (a AttributeChange) apply(held *directory.HeldFile) error {
	if a.UID >= 0 || a.GID >= 0 {
		if err := held.Chown(a.UID, a.GID); err != nil {
			return err
		}
	}
	if a.Mode != nil {
		if err := held.Chmod(*a.Mode); err != nil {
			return err
		}
	}
	if !a.Accessed.IsZero() || !a.Modified.IsZero() {
		return held.Chtimes(a.Accessed, a.Modified)
	}
	return nil
}

//go:build !linux

package store

import "os"

const openNonBlocking = 0

func describe(info os.FileInfo) FileInfo {
	described := FileInfo{Size: info.Size(), Allocated: info.Size(), Modified: info.ModTime(), Mode: info.Mode()}
	described.Device, described.Inode = identify(info)
	return described
}

// RenameNew implements FileSystem.
func (d *DirectoryFiles) RenameNew(oldName, newName string) error {
	return linkRename(d, oldName, newName)
}

func syncFolder(*os.File) error { return nil }

// SetOwner implements File; files on other platforms keep their creator's owner.
func (f *osFile) SetOwner(FileInfo) error { return nil }

// SyncData implements File with the strongest call that the platform has.
func (f *osFile) SyncData() error { return f.Sync() }

// StartWriteback implements File; other platforms have no such hint.
func (f *osFile) StartWriteback(int64, int64) {}

// TryLock implements File; without advisory locks every claim succeeds, and the
// writer lock's file alone decides.
func (f *osFile) TryLock() (bool, error) { return true, nil }

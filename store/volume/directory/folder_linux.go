package directory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// FolderFiles is a folder that is held open. Its files are reached by their bare
// names: a listing of many stores needs no walk through the folders above, and none
// of what package os does to prepare each file for longer use.
type FolderFiles struct{ descriptor int }

// PeekedFile is a regular file that is open for a moment.
type PeekedFile int

// OpenFolder opens a folder for listing.
func (d *Files) OpenFolder(name string) (*FolderFiles, error) {
	folder := &FolderFiles{}
	err := d.withRoot("open folder", name, func(root int) (err error) {
		folder.descriptor, err = d.openat(root, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return folder, nil
}

// Close gives the folder's descriptor back.
func (f *FolderFiles) Close() error { return unix.Close(f.descriptor) }

// Info tells about the folder itself.
func (f *FolderFiles) Info() (volume.FileInfo, error) {
	info, err := statOpen(f.descriptor)
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("stat folder: %w", err)
	}
	return info, nil
}

// Stat tells about a file and does not follow symlinks.
func (f *FolderFiles) Stat(base string) (volume.FileInfo, error) {
	info, err := statIn(f.descriptor, base)
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("stat %q: %w", base, err)
	}
	return info, nil
}

// Readlink is the text of a symlink, as it is.
func (f *FolderFiles) Readlink(base string) (string, error) {
	for buffer := make([]byte, 256); ; buffer = make([]byte, 4*len(buffer)) {
		n, err := retryInt(func() (int, error) { return unix.Readlinkat(f.descriptor, base, buffer) })
		if err != nil {
			return "", fmt.Errorf("read link %q: %w", base, err)
		}
		if n < len(buffer) {
			return string(buffer[:n]), nil
		}
	}
}

// Peek opens a regular file for reading.
func (f *FolderFiles) Peek(base string) (PeekedFile, volume.FileInfo, error) {
	descriptor, err := retryInt(func() (int, error) {
		return unix.Openat(f.descriptor, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return 0, volume.FileInfo{}, fmt.Errorf("open %q: %w", base, explain(err))
	}
	file := PeekedFile(descriptor)
	found, err := regular(descriptor)
	if err != nil {
		return 0, volume.FileInfo{}, errors.Join(fmt.Errorf("look at %q: %w", base, err), file.Close())
	}
	return file, found, nil
}

// ReadAt implements io.ReaderAt.
func (p PeekedFile) ReadAt(b []byte, offset int64) (int, error) {
	total := 0
	for total < len(b) {
		n, err := retryInt(func() (int, error) { return unix.Pread(int(p), b[total:], offset+int64(total)) })
		if err != nil {
			return total, fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return total, io.EOF
		}
		total += n
	}
	return total, nil
}

// Close gives the descriptor back.
func (p PeekedFile) Close() error { return unix.Close(int(p)) }

// Entries lists the folder, in no order. It may be called once.
func (f *FolderFiles) Entries() ([]FolderEntry, error) {
	var entries []FolderEntry
	buffer := make([]byte, 32<<10)
	for {
		n, err := retryInt(func() (int, error) { return unix.Getdents(f.descriptor, buffer) })
		if err != nil {
			return nil, fmt.Errorf("list folder: %w", err)
		}
		if n == 0 {
			return entries, nil
		}
		if entries, err = f.parseEntries(entries, buffer[:n]); err != nil {
			return nil, err
		}
	}
}

// entryTypes are the types of files as listings say them.
var entryTypes = map[uint8]fs.FileMode{
	unix.DT_REG: 0, unix.DT_DIR: fs.ModeDir, unix.DT_LNK: fs.ModeSymlink, unix.DT_FIFO: fs.ModeNamedPipe,
	unix.DT_SOCK: fs.ModeSocket, unix.DT_BLK: fs.ModeDevice, unix.DT_CHR: fs.ModeDevice | fs.ModeCharDevice,
}

// parseEntries adds the entries of one answer of getdents64(2): each is inode
// number, offset, its own length (at 16), type (at 18), and the name up to a zero.
func (f *FolderFiles) parseEntries(entries []FolderEntry, answer []byte) ([]FolderEntry, error) {
	const lengthAt, typeAt, nameAt = int(unsafe.Offsetof(unix.Dirent{}.Reclen)), int(unsafe.Offsetof(unix.Dirent{}.Type)), int(unsafe.Offsetof(unix.Dirent{}.Name))
	for len(answer) > 0 {
		length := int(binary.NativeEndian.Uint16(answer[lengthAt:]))
		raw, _, _ := bytes.Cut(answer[nameAt:length], []byte{0})
		kind := answer[typeAt]
		answer = answer[length:]
		name := string(raw)
		if name == "." || name == ".." {
			continue
		}
		mode, known := entryTypes[kind]
		if !known { // the file system does not say
			info, err := f.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			mode = info.Mode.Type()
		}
		entries = append(entries, FolderEntry{Name: name, Type: mode})
	}
	return entries, nil
}

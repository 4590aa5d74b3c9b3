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
	"rvffs/store/volume/filelog"
)

// FolderFiles is a folder that is held open. Its files are reached by their bare
// names: a listing of many stores needs no walk through the folders above, and none
// of what package os does to prepare each file for longer use.
type FolderFiles struct {
	files      *Files
	descriptor int
}

// peekedFile is a regular file that is open for a moment.
type peekedFile int

// OpenFolder opens a folder for listing.
func (d *Files) OpenFolder(name string) (*FolderFiles, error) {
	folder := &FolderFiles{files: d}
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

// Folder implements volume.Listing.
func (f *FolderFiles) Folder() (volume.FileInfo, error) {
	info, err := statOpen(f.descriptor)
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("stat folder: %w", err)
	}
	return info, nil
}

// Describe implements volume.Listing and does not follow symlinks.
func (f *FolderFiles) Describe(base string) (volume.FileInfo, error) {
	info, err := statIn(f.descriptor, base)
	if err != nil {
		return volume.FileInfo{}, fmt.Errorf("stat %q: %w", base, err)
	}
	return info, nil
}

// Target implements volume.Listing: the text of a symlink, as it is.
func (f *FolderFiles) Target(base string) (string, error) {
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

// Peek implements volume.Listing with a regular file.
func (f *FolderFiles) Peek(base string) (volume.Peeked, volume.FileInfo, error) {
	descriptor, err := retryInt(func() (int, error) {
		return unix.Openat(f.descriptor, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, volume.FileInfo{}, fmt.Errorf("open %q: %w", base, explain(err))
	}
	file := peekedFile(descriptor)
	found, err := statRegular(descriptor)
	if err != nil {
		return nil, volume.FileInfo{}, errors.Join(fmt.Errorf("look at %q: %w", base, err), file.Close())
	}
	if filelog.Reserved(found, file, func() bool { return f.files.reservesIn(f.descriptor) }) {
		return nil, volume.FileInfo{}, errors.Join(fmt.Errorf("look at %q: %w", base, volume.ErrReserved), file.Close())
	}
	return file, found, nil
}

// Born implements volume.Peeked.
func (p peekedFile) Born() int64 {
	info, err := statOpen(int(p))
	if err != nil {
		return 0
	}
	return bornOf(int(p), info)
}

// ReadAt implements io.ReaderAt.
func (p peekedFile) ReadAt(b []byte, offset int64) (int, error) {
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
func (p peekedFile) Close() error { return unix.Close(int(p)) }

// Entries implements volume.Listing.
func (f *FolderFiles) Entries() ([]volume.FolderEntry, error) {
	var entries []volume.FolderEntry
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
func (f *FolderFiles) parseEntries(entries []volume.FolderEntry, answer []byte) ([]volume.FolderEntry, error) {
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
			info, err := f.Describe(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			mode = info.Mode.Type()
		}
		entries = append(entries, volume.FolderEntry{Name: name, Type: mode})
	}
	return entries, nil
}

package segments

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

const (
	// MaxDashboardFiles and MaxDashboardPath bound what is read and written of
	// a bundle: its files, and the bytes of the path of each.
	MaxDashboardFiles = 65536
	MaxDashboardPath  = 4096
	// maxBundleTable bounds the table, in bytes.
	maxBundleTable = 16 << 20
	// bundleEntry is the length of an entry of a bundle's table, in bytes, without
	// its path.
	bundleEntry = 18
	// longestName is the length of the longest file name, in bytes.
	longestName = 255
)

// DashboardFile is one file of a bundle. The offset counts from the bundle's start.
type DashboardFile struct {
	Path   string // relative, with slashes
	Offset int64
	Length int64
}

// CheckBundlePath refuses paths that lead nowhere or elsewhere: absolute ones, those
// with an empty part, "." or "..", and what no file can be called. The error wraps
// ErrPayload.
func CheckBundlePath(path string) error {
	if path == "" || len(path) > MaxDashboardPath {
		return fmt.Errorf("%w: path of %d bytes", ErrPayload, len(path))
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || len(part) > longestName || strings.ContainsRune(part, 0) {
			return fmt.Errorf("%w: path %q", ErrPayload, path)
		}
	}
	return nil
}

// bundlePaths keeps files and folders apart.
type bundlePaths struct{ files, folders map[string]bool }

// add takes the path of one more file.
func (b *bundlePaths) add(path string) error {
	if err := CheckBundlePath(path); err != nil {
		return err
	}
	if b.files[path] || b.folders[path] {
		return fmt.Errorf("%w: path %q twice", ErrPayload, path)
	}
	b.files[path] = true
	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		folder := path[:at]
		if b.files[folder] {
			return fmt.Errorf("%w: %q is a file and a folder", ErrPayload, folder)
		}
		b.folders[folder] = true
	}
	return nil
}

// ParseBundle reads the beginning of an uncompressed bundle: the path of the file
// to begin with, and the table of the files. Offsets in the table may count from
// the start of the data, of the bundle or of the payload, whichever makes the
// first file the first. Data that is not all within the bundle, files that
// overlap the table, and paths that CheckBundlePath refuses, that come twice, or
// that are a file and a folder, are errors that wrap ErrPayload.
func ParseBundle(r io.ReaderAt, header DashboardHeader) (entry string, files []DashboardFile, err error) {
	size := int64(min(header.BundleSize, math.MaxInt64))
	if header.FileCount > MaxDashboardFiles || int64(header.FileCount)*bundleEntry > size {
		return "", nil, fmt.Errorf("%w: dashboard of %d files in %d bytes", ErrPayload, header.FileCount, size)
	}
	table := newWindow(r, 0, min(size, maxBundleTable))
	path, err := table.next(int(header.EntryPathLength))
	if err != nil {
		return "", nil, err
	}
	entry = string(path)
	if entry != "" {
		if err := CheckBundlePath(entry); err != nil {
			return "", nil, err
		}
	}
	known := bundlePaths{files: map[string]bool{}, folders: map[string]bool{}}
	first := int64(math.MaxInt64)
	for range header.FileCount {
		fixed, err := table.next(bundleEntry)
		if err != nil {
			return "", nil, err
		}
		length := int(binary.LittleEndian.Uint16(fixed))
		offset, count := binary.LittleEndian.Uint64(fixed[2:]), binary.LittleEndian.Uint64(fixed[10:])
		if path, err = table.next(length); err != nil {
			return "", nil, err
		}
		file := DashboardFile{Path: string(path), Offset: int64(offset), Length: int64(count)}
		if err := known.add(file.Path); err != nil {
			return "", nil, err
		}
		if offset > uint64(size)+DashboardHeaderSize || count > uint64(size) {
			return "", nil, fmt.Errorf("%w: %q is %d bytes at %d of a bundle of %d", ErrPayload, file.Path, count, offset, size)
		}
		first = min(first, file.Offset)
		files = append(files, file)
	}
	return entry, files, placeFiles(files, first, table.offset, size)
}

// placeFiles makes the offsets count from the bundle's start. The data begins at
// data, the first file has the offset first.
func placeFiles(files []DashboardFile, first, data, size int64) error {
	var shift int64
	switch first {
	case 0:
		shift = data
	case data + DashboardHeaderSize:
		shift = -DashboardHeaderSize
	}
	for i := range files {
		files[i].Offset += shift
		if file := files[i]; file.Offset < data || file.Length > size-file.Offset {
			return fmt.Errorf("%w: %q lies outside of the bundle's data", ErrPayload, file.Path)
		}
	}
	return nil
}

// BuildBundleFront returns what stands before the data of a bundle: the entry path
// and the table. The files follow in the given order, without gaps; their offsets
// are not looked at. The error wraps ErrPayload or ErrTooLarge.
func BuildBundleFront(entry string, files []DashboardFile) ([]byte, error) {
	if len(files) > MaxDashboardFiles {
		return nil, fmt.Errorf("%w: dashboard of %d files", ErrTooLarge, len(files))
	}
	known := bundlePaths{files: map[string]bool{}, folders: map[string]bool{}}
	front := []byte(entry)
	var offset int64
	for _, file := range files {
		if err := known.add(file.Path); err != nil {
			return nil, err
		}
		if file.Length < 0 || file.Length > MaxDashboard-offset {
			return nil, fmt.Errorf("%w: dashboard of more than %d bytes", ErrTooLarge, int64(MaxDashboard))
		}
		front = binary.LittleEndian.AppendUint16(front, uint16(len(file.Path)))
		front = binary.LittleEndian.AppendUint64(front, uint64(offset))
		front = binary.LittleEndian.AppendUint64(front, uint64(file.Length))
		front = append(front, file.Path...)
		offset += file.Length
	}
	if entry != "" && !known.files[entry] {
		return nil, fmt.Errorf("%w: the dashboard begins with %q, which it does not hold", ErrPayload, entry)
	}
	return front, nil
}

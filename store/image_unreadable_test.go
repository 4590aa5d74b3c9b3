package store

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"rvffs/segments"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// kernelFiles holds a store named a with one kernel that is stored as given.
func kernelFiles(t *testing.T, stored []byte, method segments.Compression) *volumes.Files {
	t.Helper()
	files := volumes.New()
	file, err := files.Create("a", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(fileWith(segments.Header{Type: segments.TypeKernel}, kernelPayload(stored, method, nil)), 0); err != nil {
		t.Fatal(err)
	}
	return files
}

// storedForms are the ways in which goodImage can be stored.
func storedForms() map[string]struct {
	stored []byte
	method segments.Compression
} {
	return map[string]struct {
		stored []byte
		method segments.Compression
	}{
		"as it is":  {goodImage, segments.CompressionNone},
		"LZ4 frame": {lz4FrameOf(goodImage), segments.CompressionLZ4},
		"LZ4 block": {lz4BlockOf(goodImage), segments.CompressionLZ4},
		"zstd":      {zstdOf(goodImage), segments.CompressionZstd},
	}
}

// TestImageOnABrokenDiskIsNotDamaged: an image of which a part cannot be read is
// shown as soon as it can be.
func TestImageOnABrokenDiskIsNotDamaged(t *testing.T) {
	t.Parallel()
	for name, form := range storedForms() {
		files := &watchedFiles{FileSystem: kernelFiles(t, form.stored, form.method)}
		s, _ := openChecked(t, files, state.VerifyNever)
		image := func() ([]byte, error) {
			views, err := viewsOf(s.Current(), segments.TypeKernel)
			if err != nil {
				return nil, err
			}
			for _, named := range views {
				if named.Name == "image" {
					return state.ViewContent(t.Context(), named.View)
				}
			}
			return nil, volume.ErrNotFound
		}
		if _, err := viewsOf(s.Current(), segments.TypeKernel); err != nil { // what describes the image was read before
			t.Fatal(err)
		}
		middle := int64(segments.HeaderSize + segments.KernelHeaderSize + len(form.stored)/2)
		files.watch(func(offset, length int64) error {
			if offset <= middle && offset+length > middle {
				return syscall.EIO
			}
			return nil
		})
		for range 2 {
			if _, err := image(); !errors.Is(err, syscall.EIO) || errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s: %v, want the disk's own error", name, err)
			}
		}
		files.watch(nil)
		if got, err := image(); err != nil || !bytes.Equal(got, goodImage) {
			t.Errorf("%s: the disk works again, and the image has %d bytes, %v", name, len(got), err)
		}
	}
}

// TestImageInMemoryIsRefused: what was decompressed before the verdict is not shown
// after it.
func TestImageInMemoryIsRefused(t *testing.T) {
	t.Parallel()
	for name, form := range storedForms() {
		files := kernelFiles(t, form.stored, form.method)
		content := files.Names["a"].Content
		content[bytes.Index(content, []byte(goodCmdline))] ^= 0x20 // not in the image
		s, checker := openChecked(t, files, state.VerifyBackground)
		views, err := viewsOf(s.Current(), segments.TypeKernel)
		if err != nil {
			t.Fatal(err)
		}
		goOn := rowstest.HoldChecks(checker)
		for _, named := range views {
			if named.Name != "image" {
				continue
			}
			reader, err := named.View.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reader.ReadContext(t.Context(), make([]byte, 10), 0); err != nil {
				t.Errorf("%s: before the verdict: %v", name, err)
			}
			goOn()
			checker.Wait()
			if _, err := reader.ReadContext(t.Context(), make([]byte, 10), 0); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s, held open: %v", name, err)
			}
			if err := reader.Close(); err != nil {
				t.Error(err)
			}
			if _, err := state.ViewContent(t.Context(), named.View); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%s, opened again: %v", name, err)
			}
		}
	}
}

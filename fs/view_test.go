package fs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSmallViewIsWholeOnceOpen: the kernel has all of a small view from its first
// open on and asks for nothing, whatever becomes of the store's file. What is
// larger it asks for, and what is gone then is an error.
func TestSmallViewIsWholeOnceOpen(t *testing.T) {
	t.Parallel()
	directory, mountPoint := mounted(t, Options{})
	folder := filepath.Join(mountPoint, "a.rvf")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "vectors.append"), rows(1+handedOver/rowSize), 0); err != nil {
		t.Fatal(err)
	}
	backing := filepath.Join(directory, "a.rvf")
	whole, err := os.ReadFile(backing)
	if err != nil {
		t.Fatal(err)
	}
	small, err := os.Open(filepath.Join(folder, "manifest.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = small.Close() }()
	large, err := os.Open(filepath.Join(folder, "raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = large.Close() }()
	if err := os.Truncate(backing, 100); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(small)
	if err != nil || len(content) == 0 || !bytes.Contains(whole, content) {
		t.Errorf("small: %d bytes, %v", len(content), err)
	}
	if _, err := io.ReadAll(large); !errors.Is(err, syscall.EIO) {
		t.Errorf("large: %v", err)
	}
}

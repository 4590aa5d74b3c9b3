package compute

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// imageMemory holds one decompressed image outside of the heap. When it is full it
// is sealed, so that nothing can change or shorten it any more.
type imageMemory struct{ file *os.File }

func newImageMemory(int64) (*imageMemory, error) {
	descriptor, err := unix.MemfdCreate("rvffs-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memory for an image: %w", err)
	}
	return &imageMemory{os.NewFile(uintptr(descriptor), "image")}, nil
}

// Write appends to the image.
func (m *imageMemory) Write(p []byte) (int, error) { return m.file.Write(p) }

// ReadAt reads from the image.
func (m *imageMemory) ReadAt(p []byte, offset int64) (int, error) { return m.file.ReadAt(p, offset) }

func (m *imageMemory) seal() error {
	raw, err := m.file.SyscallConn()
	if err != nil {
		return err
	}
	var sealed error
	err = raw.Control(func(descriptor uintptr) {
		_, sealed = unix.FcntlInt(descriptor, unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	})
	return errors.Join(err, sealed)
}

func (m *imageMemory) Close() error { return m.file.Close() }

var _ io.ReaderAt = (*imageMemory)(nil)

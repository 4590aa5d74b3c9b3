//go:build !linux

package compute

import "bytes"

// imageMemory holds one decompressed image.
type imageMemory struct{ content []byte }

func newImageMemory(size int64) (*imageMemory, error) {
	return &imageMemory{make([]byte, 0, size)}, nil
}

// Write appends to the image.
func (m *imageMemory) Write(p []byte) (int, error) {
	m.content = append(m.content, p...)
	return len(p), nil
}

// ReadAt reads from the image.
func (m *imageMemory) ReadAt(p []byte, offset int64) (int, error) {
	return bytes.NewReader(m.content).ReadAt(p, offset)
}

func (m *imageMemory) seal() error  { return nil }
func (m *imageMemory) Close() error { return nil }

package spool

import (
	"bytes"
	"context"
	"io"

	"rvffs/store/memory"
	"rvffs/store/volume"
)

// inMemory is how many bytes of a spool are held in memory.
const inMemory = 64 << 10

// Spool is a file in the making, which has no name.
type Spool struct {
	open   func(context.Context) (volume.Spool, error)
	size   int64
	start  []byte       // while there are few bytes
	file   volume.Spool // of more; nil while there are few
	memory memory.Charge
}

// New makes an empty spool. Open makes the file for what is more than a few bytes. Close
// must be called.
func New(budget *memory.Budget, open func(context.Context) (volume.Spool, error)) *Spool {
	return &Spool{open: open, memory: budget.Charge()}
}

// Size is its length in bytes.
func (s *Spool) Size() int64 { return s.size }

// File is where the bytes are, nil as long as they are in memory. It stays the same until
// Close: others than who has the spool may read it, where nothing is written meanwhile.
func (s *Spool) File() volume.Spool { return s.file }

// Afford waits for the memory to take so many bytes more.
func (s *Spool) Afford(ctx context.Context, bytes int) error {
	if s.file != nil {
		return nil
	}
	return s.memory.Await(ctx, 3*min(s.size+int64(bytes), inMemory)) // it grows by doubling
}

// weigh charges for what is held in memory.
func (s *Spool) weigh() { s.memory.Force(int64(cap(s.start))) }

// Writer appends.
func (s *Spool) Writer(ctx context.Context) io.Writer { return appender{s, ctx} }

type appender struct {
	*Spool
	ctx context.Context
}

func (a appender) Write(p []byte) (int, error) { return a.WriteAt(a.ctx, p, a.size) }

// WriteAt writes all of p to a place, before which there may be a hole: it reads as zeros.
func (s *Spool) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	end := offset + int64(len(p))
	if end > s.size && s.file == nil {
		if err := s.Truncate(ctx, end); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		return copy(s.start[offset:], p), nil
	}
	if _, err := s.file.WriteAt(p, offset); err != nil {
		return 0, volume.WriteError(err, len(p), offset)
	}
	s.size = max(s.size, end)
	return len(p), nil
}

// Truncate sets the length: what is cut off is gone, what is added is zeros.
func (s *Spool) Truncate(ctx context.Context, size int64) error {
	defer s.weigh()
	switch {
	case s.file != nil:
		if err := s.file.SetLength(size); err != nil {
			return err
		}
	case size > inMemory:
		if err := s.spill(ctx, size); err != nil {
			return err
		}
	case size < int64(len(s.start)):
		s.start = s.start[:size]
	default:
		s.start = append(s.start, make([]byte, size-int64(len(s.start)))...)
	}
	s.size = size
	return nil
}

// spill moves the bytes from memory to a file of the given length.
func (s *Spool) spill(ctx context.Context, size int64) (err error) {
	if s.file, err = s.open(ctx); err != nil {
		return err
	}
	if len(s.start) > 0 {
		if _, err := s.file.WriteAt(s.start, 0); err != nil {
			return volume.WriteError(err, len(s.start), 0)
		}
		s.start = nil
	}
	return s.file.SetLength(size)
}

// ReadAt reads what was written so far; it is io.EOF behind the end.
func (s *Spool) ReadAt(p []byte, offset int64) (int, error) {
	var from io.ReaderAt = bytes.NewReader(s.start)
	if s.file != nil {
		from = s.file
	}
	return io.NewSectionReader(from, 0, s.size).ReadAt(p, offset)
}

// Close lets the bytes go. A second call does nothing.
func (s *Spool) Close() error {
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	s.start, s.file, s.size = nil, nil, 0
	s.weigh()
	return err
}

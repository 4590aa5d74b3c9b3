package bucket

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"rvffs/store/volume"
)

// SpoolFiles has bytes wait in files of a folder of this machine that have no names, so that
// nothing of them stays. Room tells how many bytes more may be written there.
func SpoolFiles(folder string, room func() (int64, error)) func() (volume.Spool, error) {
	return func() (volume.Spool, error) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		file, err := os.CreateTemp(folder, "spool-")
		if err != nil {
			return nil, err
		}
		if err := os.Remove(file.Name()); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return &spoolFile{File: file, folder: folder, room: room}, nil
	}
}

// spoolFile is a spool in such a file.
type spoolFile struct {
	*os.File
	folder string
	room   func() (int64, error)

	mu    sync.Mutex // guards what follows
	until int64      // there is room for bytes up to here
}

// spoolStep is for how many bytes at once it is asked whether there is room.
const spoolStep = 16 << 20

// WriteAt implements volume.Spool.
func (s *spoolFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := s.afford(offset + int64(len(p))); err != nil {
		return 0, err
	}
	return s.File.WriteAt(p, offset)
}

// afford fails where there is no room for bytes up to an offset.
func (s *spoolFile) afford(to int64) error {
	s.mu.Lock()
	until := s.until
	s.mu.Unlock()
	if to <= until {
		return nil
	}
	room, err := s.room()
	if err != nil {
		return fmt.Errorf("room in %q: %w", s.folder, err)
	}
	more := to - until
	if room < more {
		return fmt.Errorf("%w: %q has no room for what waits there until it is committed: %d bytes more, and %d may be written", syscall.ENOSPC, s.folder, more, max(room, 0))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = max(s.until, to+min(spoolStep, room-more))
	return nil
}

// SetLength implements volume.Spool.
func (s *spoolFile) SetLength(bytes int64) error { return s.Truncate(bytes) }

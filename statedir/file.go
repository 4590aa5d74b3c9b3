package statedir

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// change makes one, and reports whether a log is new.
func (s *State) change(c change) (new bool, err error) {
	switch {
	case c.made != nil:
		close(c.made)
		return false, nil
	case c.to != "":
		at := int(s.folder.Fd())
		return false, unix.Renameat(at, c.log, at, c.to)
	}
	return s.add(c.log, c.lines)
}

// add appends whole lines to a log, and reports whether it is new. Another mount may do so
// at the same time, and may put a shorter one in its place.
func (s *State) add(log string, lines []byte) (new bool, err error) {
	for {
		file, err := s.openAt(log, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT)
		if err != nil {
			return false, err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if err == nil && gone(file) {
			_ = file.Close()
			continue
		}
		if err == nil {
			new, err = s.addTo(file, log, lines)
		}
		return new, errors.Join(err, file.Close())
	}
}

// addTo is add for who has the lock of the file.
func (s *State) addTo(file *os.File, log string, lines []byte) (new bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	size := info.Size()
	if size > 0 {
		// A line that a crash cut off must not swallow the next one.
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err != nil {
			return false, err
		}
		if last[0] != '\n' {
			lines = append([]byte("\n"), lines...)
		}
	}
	if _, err := file.Write(lines); err != nil {
		return false, err
	}
	if size+int64(len(lines)) <= logLimit {
		return size == 0, nil
	}
	kept, err := readTail(file, logLimit/2)
	if err != nil {
		return false, err
	}
	const part = ".new"
	at := int(s.folder.Fd())
	if err := unix.Unlinkat(at, log+part, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return false, err
	}
	shorter, err := s.openAt(log+part, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return false, err
	}
	_, err = shorter.Write(kept)
	if err = errors.Join(err, shorter.Close()); err != nil {
		return false, err
	}
	return false, unix.Renameat(at, log+part, at, log)
}

// readTail gives the last whole lines of a file, of so many bytes at most: those that are
// what was written, which after a loss of power not all may be.
func readTail(file *os.File, limit int64) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-limit)
	text, err := io.ReadAll(io.NewSectionReader(file, from, limit))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	kept := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if line[len(line)-1] == '\n' && json.Valid(line) {
			kept = append(kept, line...)
		}
	}
	return kept, nil
}

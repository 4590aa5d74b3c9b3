package filelog

import (
	"fmt"

	"rvffs/store/volume"
)

// length is what is known of how long a file is that this process alone makes longer: as
// long as its writes have made it. While one is under way, that is one of many.
type length struct {
	written int64 // up to where writes are over
	begun   int64 // up to where they have begun
}

// is takes a length for known. Nothing is written meanwhile.
func (l *length) is(bytes int64) { *l = length{bytes, bytes} }

// write writes to the file behind what is committed. It does so only in a file that is as
// long as this process has made it: bytes that another program appended may stand where
// these are to go.
func (s *Session) write(file File, p []byte, offset int64) error {
	if err := s.untouched(file); err != nil {
		return err
	}
	if len(p) == 0 {
		return nil // makes no file longer
	}
	end := offset + int64(len(p))
	s.mu.Lock()
	s.length.begun = max(s.length.begun, end)
	s.mu.Unlock()
	if _, err := file.WriteAt(p, offset); err != nil {
		return volume.WriteError(err, len(p), offset)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.length.written = max(s.length.written, end)
	return nil
}

// untouched makes sure that the file is as long as this process has made it.
func (s *Session) untouched(file File) error {
	s.mu.Lock()
	least := s.length.written
	s.mu.Unlock()
	own, err := file.Describe()
	if err != nil {
		return fmt.Errorf("look at the store's file: %w", err)
	}
	s.mu.Lock()
	most := s.length.begun
	s.mu.Unlock()
	if own.Size < least || own.Size > most {
		return fmt.Errorf("%w: it is %d bytes long, where %d to %d were expected", volume.ErrForeign, own.Size, least, most)
	}
	return nil
}

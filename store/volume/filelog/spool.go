package filelog

import (
	"errors"
	"os"
)

// namelessFiles is a FileSystem with files that have no name until they are given one.
type namelessFiles interface {
	// CreateNameless makes one in the folder of a path, for reading and writing by whoever
	// has it.
	CreateNameless(beside string) (File, error)
	// GiveName gives such a file its first name; it fails when that exists.
	GiveName(file File, name string) error
}

var _ namelessFiles = lentFiles{}

// spool is a file that has no name, or loses it at the end.
type spool struct {
	File
	nameless namelessFiles // by which it gets one; nil if it cannot
	remove   func() error  // its name; nil when there is none
}

// Close implements volume.Spool.
func (s spool) Close() error {
	err := s.File.Close()
	if s.remove != nil {
		err = errors.Join(err, s.remove())
	}
	return err
}

// SetLength implements volume.Spool.
func (s spool) SetLength(bytes int64) error { return s.Truncate(bytes) }

// become gives the file a name among files, and all that a file has which is made there with
// these permissions: owner, lists, and so on. The file stays the spool's to close.
func (s spool) become(files FileSystem, name string, perm os.FileMode) (File, error) {
	if s.nameless == nil {
		return nil, errors.ErrUnsupported
	}
	like := TemporaryName(name)
	model, err := files.Create(like, perm)
	if err != nil {
		return nil, err
	}
	attributes, err := model.Attributes()
	if err = errors.Join(err, model.Close(), files.Remove(like)); err != nil {
		return nil, err
	}
	if _, err := lockIfCan(s.File); err != nil { // so that nobody takes it for what is left over
		return nil, err
	}
	if err := s.nameless.GiveName(s.File, name); err != nil {
		return nil, err
	}
	if err := s.SetAttributes(attributes); err != nil {
		return nil, errors.Join(err, files.Remove(name))
	}
	return lentFile{s.File}, nil
}

// lentFile is a file that somebody else closes.
type lentFile struct{ File }

// Close does nothing.
func (lentFile) Close() error { return nil }

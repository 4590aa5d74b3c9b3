package fs

import (
	"context"
	"errors"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"rvffs/store/catalog"
	"rvffs/store/incoming"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// errnos says what each cause of failure is to programs. The first match counts.
var errnos = []struct {
	cause error
	errno syscall.Errno
}{
	{context.Canceled, syscall.EINTR},
	{volume.ErrNotWhole, syscall.EINVAL},
	{volume.ErrInput, syscall.EINVAL},
	{volume.ErrName, syscall.EINVAL},
	{volume.ErrHeld, syscall.EBUSY},
	{volume.ErrMoved, syscall.EBUSY},
	{volume.ErrManyNames, syscall.EMLINK},
	{volume.ErrReadOnly, syscall.EROFS},
	{volume.ErrCorrupt, syscall.EIO},
	{volume.ErrTooLarge, syscall.EFBIG},
	{volume.ErrExists, syscall.EEXIST},
	{volume.ErrNotEmpty, syscall.ENOTEMPTY},
	{volume.ErrNotFound, syscall.ENOENT},
	{memory.ErrNone, syscall.ENOMEM},
	{memory.ErrNever, syscall.EFBIG},
	{volume.ErrStale, syscall.ESTALE},
	{volume.ErrNotPermitted, syscall.EPERM},
	{volume.ErrCrossParent, syscall.EXDEV},
	{volume.ErrNotStore, syscall.EIO},
	{volume.ErrClosed, syscall.EIO},
	{incoming.ErrFull, syscall.ENOSPC},
}

// errnoOf is the error number of err: that of its cause, else the operating
// system's own, else EIO.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, known := range errnos {
		if errors.Is(err, known.cause) {
			return known.errno
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != 0 && errno != syscall.ENOSYS {
		return errno
	}
	return syscall.EIO
}

// errno turns a failure of an operation on a store into its error number and logs
// it, once, with the store, what was asked, and the cause. Names that do not exist
// and callers that gave up are no failures.
//
// The operation must be said in words of our own: who reads the log may have no
// business with the names and values that somebody else wrote.
func (t *tree) errno(file, operation string, err error) syscall.Errno {
	return t.failed(err, operation, func(event *zerolog.Event) { t.catalog.About(event, file) })
}

// folderErrno is errno for an operation on a plain folder, or on none of the two
// when there is no path.
func (t *tree) folderErrno(path, operation string, err error) syscall.Errno {
	return t.failed(err, operation, func(event *zerolog.Event) {
		if path != "" {
			event.Str("folder", path)
		}
	})
}

// about logs a failure with what it is about, as errno does.
type about func(t *tree, operation string, err error) syscall.Errno

func aboutStore(s *catalog.Store) about {
	return func(t *tree, operation string, err error) syscall.Errno { return t.errno(s.Path(), operation, err) }
}

// aboutImage is aboutStore for what is to be embedded. It has no line in append.log, so that the
// log of the mount has to say why it was refused.
func aboutImage(s *catalog.Store) about {
	return func(t *tree, operation string, err error) syscall.Errno {
		return t.errno(s.Path(), operation, inFull{err})
	}
}

func aboutFolder(f *catalog.Folder) about {
	return func(t *tree, operation string, err error) syscall.Errno {
		return t.folderErrno(f.Path(), operation, err)
	}
}

// operationRename begins what is said of a file or a folder that could not be given a name.
const operationRename = "rename"

// errnoOfRename is errnoOf for rename(2): mv(1) takes EINVAL for a folder that would be moved
// into itself, and says so. EBADMSG is what file systems say of bytes that are not right, and
// EPERM, as creat(2) says it here, that a name is none.
func errnoOfRename(err error) syscall.Errno {
	errno := errnoOf(err)
	switch {
	case errno != syscall.EINVAL:
		return errno
	case errors.Is(err, volume.ErrName):
		return syscall.EPERM
	}
	return syscall.EBADMSG
}

func (t *tree) failed(err error, operation string, about func(*zerolog.Event)) syscall.Errno {
	errno := errnoOf(err)
	if strings.HasPrefix(operation, operationRename) {
		errno = errnoOfRename(err)
	}
	level := zerolog.WarnLevel
	switch errno {
	case 0, syscall.ENOENT, syscall.EINTR:
		return errno
	case syscall.EIO, syscall.ENOSPC, syscall.EDQUOT:
		level = zerolog.ErrorLevel
	}
	event := t.log.WithLevel(level)
	about(event)
	addPlace(event.Str("operation", operation).Str("errno", errno.Error()).Str("cause", causeOf(err)), err)
	event.Msg("operation failed")
	return errno
}

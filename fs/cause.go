package fs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"rvffs/store/catalog"
	"rvffs/store/incoming"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// told are the causes that particulars can be told of: where one of them is found,
// nothing that a user wrote is in the text of the error.
var told = []error{volume.ErrHeld, volume.ErrMoved, volume.ErrManyNames, volume.ErrReadOnly, volume.ErrCorrupt, volume.ErrStale, volume.ErrNotStore, volume.ErrNotWhole, volume.ErrNotEmpty, incoming.ErrFull}

// inFull is an error of bad input whose text may be told: of images, which everybody sees who
// sees the store.
type inFull struct{ error }

// Unwrap gives the error.
func (e inFull) Unwrap() error { return e.error }

// causeOf says for the log why something failed. The texts of errors quote names
// and values, which are for those who wrote them and for the readers of the store;
// here stands what kind of failure it was and, of those that are the store's own,
// the particulars.
func causeOf(err error) string {
	if errors.Is(err, catalog.ErrParted) {
		return catalog.ErrParted.Error() + ": " + ownCauseOf(err)
	}
	return ownCauseOf(err)
}

func ownCauseOf(err error) string {
	for _, known := range errnos {
		if !errors.Is(err, known.cause) {
			continue
		}
		if full, is := errors.AsType[inFull](err); is && known.cause == volume.ErrInput {
			first, _, _ := strings.Cut(full.Error(), "\n") // the rest is joined
			return first
		}
		if slices.Contains(told, known.cause) {
			return innermostText(err, known.cause)
		}
		return known.cause.Error()
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return "unknown"
	}
	if call := failedCall(err); call != "" {
		return call + ": " + errno.Error()
	}
	return errno.Error()
}

// innermostText is the text of the innermost error that wraps cause, if that comes
// first in it: what follows was said where the failure was found. Those around it say
// on whose behalf something was done.
func innermostText(err, cause error) string {
	for {
		next := error(nil)
		for _, inner := range wrappedErrors(err) {
			if inner == cause { //nolint:errorlint // the very one is meant, whatever is like it
				first, _, _ := strings.Cut(err.Error(), "\n") // the rest is joined
				if strings.HasPrefix(first, cause.Error()) {
					return first
				}
				return cause.Error()
			}
			if next == nil && errors.Is(inner, cause) {
				next = inner
			}
		}
		if next == nil {
			return cause.Error()
		}
		err = next
	}
}

func wrappedErrors(err error) []error {
	switch wrapper := err.(type) { //nolint:errorlint // one step at a time
	case interface{ Unwrap() error }:
		return []error{wrapper.Unwrap()}
	case interface{ Unwrap() []error }:
		return wrapper.Unwrap()
	}
	return nil
}

// failedCall names the system call that failed, if the error knows.
func failedCall(err error) string {
	var (
		path *fs.PathError
		link *os.LinkError
		call *os.SyscallError
	)
	switch {
	case errors.As(err, &path):
		return path.Op
	case errors.As(err, &link):
		return link.Op
	case errors.As(err, &call):
		return call.Syscall
	}
	return ""
}

// addPlace says where in a stream a bad record stands.
func addPlace(event *zerolog.Event, err error) {
	var (
		record *vecio.RecordError
		id     *vecio.IDError
	)
	line := int64(0)
	switch {
	case errors.As(err, &record):
		event.Stringer("format", record.Format).Int64("row", record.Row).Int64("byte", record.Offset)
		line = record.Line
	case errors.As(err, &id):
		event.Stringer("format", id.Format).Int64("byte", id.Offset)
		line = id.Line
	}
	if line > 0 {
		event.Int64("line", line)
	}
}

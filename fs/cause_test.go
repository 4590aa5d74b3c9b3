package fs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/incoming"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// TestCauseQuotesNobody wraps failures as they come, with a word in all that may come
// from a user.
func TestCauseQuotesNobody(t *testing.T) {
	t.Parallel()
	const word = "xyzzy"
	wrap := func(err error) error {
		return fmt.Errorf("rename store %q to %q: %w", word, word, fmt.Errorf("look at %s: %w", word, err))
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: %q is no number", volume.ErrInput, word), "bad input"},
		{fmt.Errorf("%w: %q", volume.ErrName, word), "bad name"},
		{fmt.Errorf("%q: %w", word, volume.ErrExists), "exists"},
		{fmt.Errorf("%w: 3 of 7 bytes at offset 12", volume.ErrCorrupt), "corrupt: 3 of 7 bytes at offset 12"},
		{fmt.Errorf("%w: %w", volume.ErrCorrupt, errors.New("a hash of another segment")), "corrupt: a hash of another segment"},
		{errors.Join(errors.New(word), fmt.Errorf("%w: process 7", volume.ErrHeld)), "another writer holds the store: process 7"},
		{volume.ErrStale, "snapshot is gone"},
		{fmt.Errorf("%w: it holds vectors", volume.ErrNotEmpty), "not empty: it holds vectors"},
		{&store.HasBranches{Store: word, Found: []string{word}}, "not empty: it has branches"},
		{&store.HasBranches{Missing: []segments.ListedBranch{{Name: word}}}, "not empty: it has branches"},
		{fmt.Errorf("%w: there are 7 folders, which is the most", incoming.ErrFull), "the drop folder is full: there are 7 folders, which is the most"},
		{fmt.Errorf("%s: %w: another file took its place", word, volume.ErrStale), "snapshot is gone"},
		{errors.Join(volume.ErrStale, errors.New(word)), "snapshot is gone"},
		{errors.Join(errors.New(word), volume.ErrCorrupt), "corrupt"},
		{&os.PathError{Op: "create", Path: word, Err: syscall.EACCES}, "create: permission denied"},
		{&os.LinkError{Op: "rename", Old: word, New: word, Err: syscall.ENOSPC}, "rename: no space left on device"},
		{os.NewSyscallError("setgroups", syscall.EPERM), "setgroups: operation not permitted"},
		{syscall.ENAMETOOLONG, "file name too long"},
		{io.ErrUnexpectedEOF, "unknown"},
		{errors.New(word), "unknown"},
		{&vecio.RecordError{Format: vecio.CSV, Row: 3, Line: 4, Offset: 50, Reason: word}, "unknown"},
	} {
		if got := causeOf(wrap(test.err)); got != test.want {
			t.Errorf("the cause of %v is %q, want %q", test.err, got, test.want)
		}
	}
}

func TestPlaceOfBadRecords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{&vecio.RecordError{Format: vecio.CSV, Row: 3, Line: 4, Offset: 50}, `{"format":"csv","row":3,"byte":50,"line":4}`},
		{&vecio.RecordError{Format: vecio.NPY, Row: 3, Offset: 50}, `{"format":"npy","row":3,"byte":50}`},
		{&vecio.IDError{Format: vecio.TextIDs, Line: 2, Offset: 9}, `{"format":"txt","byte":9,"line":2}`},
		{volume.ErrInput, `{}`},
	} {
		var line bytes.Buffer
		log := zerolog.New(&line)
		event := log.Log()
		addPlace(event, fmt.Errorf("append: %w", test.err))
		event.Send()
		if got := strings.TrimSpace(line.String()); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

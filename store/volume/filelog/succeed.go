package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"rvffs/store/volume"
)

// Where a file system cannot exchange two names, the file that takes a store's place is
// renamed over it. That is one step to the engine, but not always one on the disk: some
// free the name first, and file systems of user space first give the old file a name of
// their own when somebody has it open, as readers have here. A crash in between would leave
// no file at the store's name, and two that are whole.
//
// So the new file is first given a name that says whose place it takes. Should nothing
// stand there, it is the store: the old file's commits are all in it, and were before it
// got that name. Should something stand there, the new one is litter: nobody was told of
// anything that is in it alone.

const successorMark = ".next" + volume.TemporarySuffix

// successorOf is the name of the file that takes the place of the one at name; false if
// that would be too long.
func successorOf(name string) (successor string, fits bool) {
	base := "." + path.Base(name) + successorMark
	return Beside(name, base), len(base) <= 255
}

// precededBy is the name of the file whose place the one at a name would take.
func precededBy(name string) (former string, is bool) {
	base, is := strings.CutSuffix(path.Base(name), successorMark)
	if !is || len(base) < 2 || base[0] != '.' {
		return "", false
	}
	return Beside(name, base[1:]), true
}

// ReplaceInSteps is Replace for files that cannot exchange names.
func ReplaceInSteps(files FileSystem, fresh, name string, old volume.FileInfo) error {
	if _, err := files.Stat(fresh); err != nil {
		return err
	}
	found, err := files.Stat(name)
	if err != nil {
		return err
	}
	if !volume.SameFile(found, old) {
		return volume.ErrOtherFile
	}
	successor, fits := successorOf(name)
	if !fits {
		return files.Rename(fresh, name)
	}
	if err := files.Rename(fresh, successor); err != nil {
		return err
	}
	if err := files.Rename(successor, name); err != nil {
		return errors.Join(err, files.Rename(successor, fresh))
	}
	return nil
}

// openFound opens a store's file for reading. If it is missing since a crash came when
// another was about to take its place, that one is it.
func openFound(files FileSystem, name string) (File, error) {
	file, err := files.Open(name, false)
	if !errors.Is(err, fs.ErrNotExist) || succeed(files, name) != nil {
		return file, err
	}
	return files.Open(name, false)
}

// succeed gives a name at which nothing stands to the file that was about to take it.
func succeed(files FileSystem, name string) error {
	successor, fits := successorOf(name)
	if !fits {
		return fs.ErrNotExist
	}
	if err := nobodyWorksOn(files, successor); err != nil {
		return err
	}
	if err := files.RenameNew(successor, name); err != nil {
		return err
	}
	return files.SyncDirectory(name)
}

// nobodyWorksOn fails while somebody is about to give a successor its place.
func nobodyWorksOn(files FileSystem, successor string) error {
	file, err := files.Open(successor, true)
	if err != nil {
		return err
	}
	free, err := file.TryLock()
	if errors.Is(err, errors.ErrUnsupported) {
		free, err = true, nil
	}
	if err == nil && !free {
		err = fmt.Errorf("%w: %q is about to get its place", volume.ErrHeld, successor)
	}
	return errors.Join(err, file.Close())
}

// dropSuccessor removes what a crash left of a store that goes away from its name: it must
// not come back as the store.
func dropSuccessor(files FileSystem, name string) error {
	successor, fits := successorOf(name)
	if !fits {
		return nil
	}
	err := files.Remove(successor)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// Sweep does what is to be done about a name of which more is known than that a file there
// is litter when nobody works on it. It reports whether it has removed the file, and
// whether that was for it to decide.
func Sweep(ctx context.Context, files FileSystem, name string) (removed, decided bool) {
	if !volume.IsTemporary(name) {
		return FreeName(ctx, files, name), true
	}
	former, is := precededBy(name)
	if !is {
		return false, false
	}
	_, err := files.Stat(former)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_ = succeed(files, former) // else a later one does
	case err == nil && nobodyWorksOn(files, name) == nil:
		return files.Remove(name) == nil, true
	}
	return false, true
}

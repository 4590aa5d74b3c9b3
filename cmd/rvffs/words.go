package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// inWords is an error as people read it: without the names of calls to the system, which
// only programmers know, and with each path once.
func inWords(err error) string {
	text := err.Error()
	for _, part := range partsOf(err) {
		switch part := part.(type) {
		case *fs.PathError:
			text = leaveOut(text, part.Error(), part.Path, part.Err)
		case *os.LinkError:
			text = leaveOut(text, part.Error(), part.New, part.Err)
		case *os.SyscallError:
			text = leaveOut(text, part.Error(), "", part.Err)
		}
	}
	return text
}

// partsOf are an error and all that it wraps.
func partsOf(err error) (parts []error) {
	parts = []error{err}
	switch wrapped := err.(type) {
	case interface{ Unwrap() error }:
		if inner := wrapped.Unwrap(); inner != nil {
			parts = append(parts, partsOf(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range wrapped.Unwrap() {
			parts = append(parts, partsOf(inner)...)
		}
	}
	return parts
}

// leaveOut puts cause in the place of said, a call that failed with it, behind the path if
// that stands nowhere in front. A name of something in the making means nothing to people.
func leaveOut(text, said, path string, cause error) string {
	before, behind, found := strings.Cut(text, said)
	if !found {
		return text
	}
	if path != "" && path != "." && !volume.IsTemporary(filepath.Base(path)) && !regexp.MustCompile(`(^|[\s"/])`+regexp.QuoteMeta(path)+`([\s":,]|$)`).MatchString(before) {
		before += path + ": "
	}
	return before + cause.Error() + behind
}

// explainRight says what is missing where a file could not be changed.
func explainRight(file string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	folder := absolute(filepath.Dir(storeFile(file)))
	if unix.Access(folder, unix.W_OK|unix.X_OK) != nil {
		return fmt.Errorf("%w: you may not write to the folder %s, where a lock and what is in the making stand beside a store", err, folder)
	}
	return err
}

// explainFile says what may be done where a file is no store, or is not there.
func explainFile(file string, how opening, err error) error {
	found, statErr := os.Stat(storeFile(file))
	of, isRemnant := volume.RemnantOf(file)
	switch {
	case statErr == nil && found.IsDir():
		return fmt.Errorf("%s is a directory: name the store's file, or the folder that shows it in a mount", file)
	case errors.Is(err, fs.ErrNotExist) && errors.Is(statErr, fs.ErrNotExist) && !how.fills:
		return fmt.Errorf("%w: look at the name", err)
	case errors.Is(err, fs.ErrNotExist) && errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("%w: look at the name, or make a new store with `rvffs create %s`", err, file)
	case errors.Is(err, volume.ErrNotStore) && statErr == nil && found.Size() == 0:
		return fmt.Errorf("%w: the file is empty", err)
	case errors.Is(err, volume.ErrNotStore) && isRemnant:
		return fmt.Errorf("%s is no store: it holds what stood behind the end of %s and was kept when that was cut off: `rvffs recover %s` brings it back, or lets it go with --drop", file, of, of)
	case errors.As(err, new(volume.Leftover)):
		return err // which says what to do
	case errors.Is(err, volume.ErrNotStore):
		return fmt.Errorf("%w: it is no RVF file, or a damaged one, of which `rvffs recover --list %s` tells what can be brought back", err, file)
	}
	return err
}

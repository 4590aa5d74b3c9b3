package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// content is whether people can read what is written.
type content bool

const (
	text   content = false
	binary content = true
)

// isTerminal reports whether what is written is shown to somebody.
func isTerminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// writeOutput has what comes of the store in a file written to a file of a name; "-" is the
// standard output. A regular file is there only when it is whole, and replaces what was
// there by then; a pipe or a device is written to, and never the store itself, nor what is
// not text to a terminal, which would take it for commands.
func writeOutput(command *cobra.Command, store, name string, kind content, write func(io.Writer) error) error {
	if name == "-" {
		if kind == binary && isTerminal(command.OutOrStdout()) {
			return misused(command, errors.New("this is no text, and standard output is a terminal: give it a file, or a program behind |"))
		}
		return write(command.OutOrStdout())
	}
	there, err := os.Stat(name)
	switch {
	case err == nil && there.IsDir():
		return fmt.Errorf("%s is a directory: name a file for the output", name)
	case err == nil && !there.Mode().IsRegular():
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if kind == binary && isTerminal(file) {
			return errors.Join(misused(command, fmt.Errorf("this is no text, and %s is a terminal: give it a file, or a program behind |", name)), file.Close())
		}
		return errors.Join(write(file), file.Close())
	case err == nil:
		if own, err := os.Stat(storeFile(store)); err == nil && os.SameFile(own, there) {
			return fmt.Errorf("%s is the store itself, which would be lost: give the output another name", name)
		}
		return writeWhole(followLinks(name), there.Mode().Perm(), write)
	}
	if link, err := os.Readlink(name); err == nil {
		// What it leads to is not there yet.
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = link
	}
	return writeWhole(name, 0, write)
}

// writeWhole writes a file beside name, and gives it that name when it is whole. Without a
// mode it gets that of any new file.
func writeWhole(name string, mode os.FileMode, write func(io.Writer) error) error {
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text())
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Unwrap(err)) // of its folder, not of a name that is nobody's
	}
	err = write(file)
	if err == nil && mode != 0 {
		err = file.Chmod(mode)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, name)
	}
	if failed, is := errors.AsType[*fs.PathError](err); is && failed.Path == temporary {
		err = fmt.Errorf("write %s: %w", name, failed.Err)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

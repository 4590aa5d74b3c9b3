package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// writeOutput has what comes of the store in a file written to a file of a name; "-" is the
// standard output. A regular file is there only when it is whole, and replaces what was
// there by then; a pipe or a device is written to, and never the store itself.
func writeOutput(command *cobra.Command, store, name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(command.OutOrStdout())
	}
	there, err := os.Stat(name)
	switch {
	case err == nil && !there.Mode().IsRegular():
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	case err == nil:
		if own, err := os.Stat(store); err == nil && os.SameFile(own, there) {
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
		return err
	}
	err = write(file)
	if err == nil && mode != 0 {
		err = file.Chmod(mode)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

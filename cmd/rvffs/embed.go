package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"rvffs/store"
)

// embedded is what the embedding commands tell in JSON.
type embedded struct {
	File   string `json:"file"`
	Epoch  uint32 `json:"epoch"`
	Bytes  int64  `json:"bytes"`
	Header any    `json:"header"`
}

// embedFile opens a file for put, which embeds it and gives the epoch and a way to
// describe what the store then holds, and prints what came of it.
func embedFile(command *cobra.Command, storeName, what, name string, answer *answerFlag, put func(*store.Store, io.ReaderAt, int64) (uint32, error), describe func(*store.Store) (any, error)) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a directory: name a file", name)
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file of bytes that can be read at any place", name)
	case info.Size() == 0:
		err = fmt.Errorf("%s is empty", name)
	}
	if err == nil {
		err = withStore(command.Context(), storeName, toChange, func(s *store.Store) error {
			epoch, err := put(s, file, info.Size())
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return printEmbedded(command, s, embedded{File: storeName, Epoch: epoch, Bytes: info.Size()}, what, answer, describe)
		})
	}
	return errors.Join(err, file.Close())
}

func printEmbedded(command *cobra.Command, s *store.Store, result embedded, what string, answer *answerFlag, describe func(*store.Store) (any, error)) error {
	if answer.json {
		var err error
		if result.Header, err = describe(s); err != nil {
			return err
		}
	}
	return answer.printf(command.OutOrStdout(), result, "%s: epoch %d, %s of %d bytes\n", result.File, result.Epoch, what, result.Bytes)
}

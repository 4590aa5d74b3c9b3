package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/recovery"
	"rvffs/store/state"
)

func newCreateCommand() *cobra.Command {
	var dimension int
	var metric string
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "create FILE [--dimension N]",
		Short: "Make an empty store",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			chosen, err := segments.ParseMetric(metric)
			if err != nil {
				return err
			}
			s, err := store.Create(command.Context(), arguments[0], store.CreateOptions{Dimension: dimension, Metric: chosen}, store.Options{})
			if err != nil {
				return err
			}
			identity, _ := s.Identity()
			if err := s.Close(); err != nil {
				return err
			}
			return printCreated(command, answer, arguments[0], state.DescribeIdentity(identity))
		},
	}
	command.Flags().IntVarP(&dimension, "dimension", "d", 0, "components of each vector, 1 to 65535; 0: the first vectors fix it")
	command.Flags().StringVarP(&metric, "metric", "m", "l2", "distance: l2, ip or cosine")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// created is what create and derive tell in JSON.
type created struct {
	File string `json:"file"`
	state.IdentityDescription
}

func printCreated(command *cobra.Command, answer *answerFlag, file string, identity state.IdentityDescription) error {
	return answer.printf(command.OutOrStdout(), created{file, identity}, "%s: %s\n", file, identity.FileID)
}

// opening is a way to open a store: for reading and writing, or for reading alone.
type opening func(context.Context, string, store.Options) (*store.Store, error)

// withStore runs f on the store in file. What f's writing cannot leave where it is, and
// keeps beside the store, people are told of.
func withStore(ctx context.Context, file string, open opening, f func(*store.Store) error) error {
	return withOptions(ctx, file, open, store.Options{OnTail: func(tail recovery.Tail) {
		_, _ = fmt.Fprintf(os.Stderr, "rvffs: %s: %s\n", file, tail.Tell(file))
	}}, f)
}

func withOptions(ctx context.Context, file string, open opening, options store.Options, f func(*store.Store) error) error {
	s, err := open(ctx, file, options)
	if err != nil {
		return explainFolder(file, err)
	}
	return errors.Join(f(s), s.Close())
}

// explainFolder says what to name instead, if a store could not be opened because file
// is a folder: that of a store in a mount is one, too.
func explainFolder(file string, err error) error {
	if info, problem := os.Stat(file); problem != nil || !info.IsDir() {
		return err
	}
	return fmt.Errorf("%s is a directory: name the store's file; of a folder in a mount that is the file in the backing directory", file)
}

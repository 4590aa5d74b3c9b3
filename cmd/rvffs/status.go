package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/volume"
)

// statusOf is what status tells in JSON.
type statusOf struct {
	File       string `json:"file"`
	ParentFile string `json:"parent_file,omitempty"` // see inspection
	store.Status
}

func newStatusCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "status FILE",
		Short:             "Tell how a store is at this moment",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command.Context(), arguments[0], toRead, func(s *store.Store) error {
				status, err := fileStatus(command.Context(), s)
				if err != nil {
					return err
				}
				parent := movedParent(command.Context(), s, status)
				err = answer.print(command.OutOrStdout(), statusOf{arguments[0], parent, status}, func(out io.Writer) error {
					facts := append([]fact{{"file", arguments[0]}}, statusFacts(status, parent)...)
					return printFacts(out, append(facts,
						fact{"stored rows", status.StoredRows}, fact{"segments", status.Segments}, fact{"damage", damageOf(arguments[0], status)}))
				})
				if err == nil && status.Branch != nil && status.Branch.Problem != "" {
					err = errors.New("vectors that it inherits cannot be read")
				}
				return err
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// fileStatus is the status of a store without what is so because a command has opened
// it: for reading, and without checking hashes.
func fileStatus(ctx context.Context, s *store.Store) (store.Status, error) {
	status, err := s.Status(ctx)
	status.ReadOnly = status.Names > 1 || errors.Is(s.Current().Writable(ctx), volume.ErrReadOnly)
	status.Verify = ""
	return status, err
}

// damageOf is what is known to be wrong with a store.
func damageOf(file string, status store.Status) string {
	switch {
	case status.Damage != "":
		return status.Damage
	case status.UncheckedSegments > 0:
		return fmt.Sprintf("none known; %d segments not checked (rvffs verify %s reads everything)", status.UncheckedSegments, file)
	}
	return "none"
}

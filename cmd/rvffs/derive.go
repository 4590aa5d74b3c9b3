package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

func newDeriveCommand() *cobra.Command {
	var kind *choice[lineage.DerivationType]
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "derive PARENT CHILD",
		Short:             "Make a store whose lineage leads to another",
		Args:              takes("PARENT", "CHILD"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := store.CheckName(filepath.Base(arguments[1])); err != nil {
				return fmt.Errorf("derive %q: %w", arguments[1], err)
			}
			if err := mayChange(arguments[1]); err != nil {
				return err
			}
			err := withStore(command.Context(), arguments[0], toRead, func(parent *store.Store) error {
				return makeOn(arguments[1], func(shelf volume.Shelf, name string) error {
					return parent.Derive(command.Context(), name, store.DeriveOptions{Type: kind.value, Shelf: shelf})
				})
			})
			if err != nil {
				return err
			}
			return withStore(command.Context(), arguments[1], toRead, func(child *store.Store) error {
				identity, _ := child.Identity()
				return printCreated(command, answer, arguments[1], state.DescribeIdentity(identity))
			})
		},
	}
	kind = among(command.Flags(), "type", "t", lineage.Clone.String(), "how the child comes from its parent", lineage.ParseDerivationType, wordsOf(lineage.ParseDerivationType))
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

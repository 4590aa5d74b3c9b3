package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/compute"
)

// removedPart is what remove tells in JSON.
type removedPart struct {
	File   string   `json:"file"`
	Part   string   `json:"part"`
	Images []string `json:"images"`
	Epoch  uint32   `json:"epoch"`
}

func newRemoveCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "remove FILE " + strings.Join(compute.Folders(), "|") + " [WHICH]",
		Short: "Take a kernel, program, module or dashboard out of a store",
		Long: "remove takes what a store carries besides its vectors out of it, in one commit. Where there are several of a kind,\n" +
			"WHICH says the one that is meant: a kernel's architecture, a program's type, a module's role, the name of the\n" +
			"folder in all/, or all. The next compaction takes the bytes out of the file. To remove a whole store: rvffs rm.",
		Args: func(command *cobra.Command, arguments []string) error {
			err := takes("FILE", strings.Join(compute.Folders(), "|"), "[WHICH]")(command, arguments)
			if err == nil && !slices.Contains(compute.Folders(), arguments[1]) {
				err = misused(command, fmt.Errorf("there is no part %q: say one of %s", arguments[1], strings.Join(compute.Folders(), ", ")))
			}
			return err
		},
		ValidArgsFunction: offers(offerStores, offerParts, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			which := strings.Join(arguments[2:], "")
			return withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
				removal, err := s.RemoveImages(command.Context(), arguments[1], which)
				if err != nil {
					return err
				}
				return answer.printf(command.OutOrStdout(), removedPart{arguments[0], arguments[1], removal.Images, removal.Epoch},
					"%s: epoch %d, %s removed: %s\n", arguments[0], removal.Epoch, arguments[1], strings.Join(removal.Images, ", "))
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

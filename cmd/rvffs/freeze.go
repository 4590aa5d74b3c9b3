package main

import (
	"github.com/spf13/cobra"

	"rvffs/store"
)

// freezing is what freeze tells in JSON.
type freezing struct {
	File   string `json:"file"`
	Epoch  uint32 `json:"epoch"`
	Frozen bool   `json:"frozen"`
}

func newFreezeCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "freeze FILE",
		Short: "Let nothing change a store any more",
		Long: "freeze lets nothing change a store any more: no vector is appended or deleted, nothing is embedded or removed, and it is\n" +
			"not compacted. The file itself says so, wherever it is copied or opened by rvffs; other programs can read it. Stores\n" +
			"can be derived from it. There is no way back: rvffs derive --copy makes a store of its vectors that can be changed.",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
				epoch, err := s.Freeze(command.Context())
				if err != nil {
					return err
				}
				return answer.printf(command.OutOrStdout(), freezing{arguments[0], epoch, true}, "%s: epoch %d, frozen\n", arguments[0], epoch)
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

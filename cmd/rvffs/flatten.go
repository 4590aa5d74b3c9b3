package main

import (
	"github.com/spf13/cobra"

	"rvffs/store"
)

// flattened is what flatten tells in JSON.
type flattened struct {
	File    string `json:"file"`
	Vectors uint64 `json:"vectors"`
	Bytes   int64  `json:"bytes"`
	Epoch   uint32 `json:"epoch"`
}

func newFlattenCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "flatten FILE",
		Short: "Copy into a branch what it shows of its parent's",
		Long: "flatten copies into the file of a branch the vectors that it shows of its parent's. It is a store like any other then: it\n" +
			"has all its vectors itself, and still says whom it was derived from.",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
				stop := showProgress(command.ErrOrStderr(), s.CompactionProgress)
				result, err := s.Flatten(command.Context())
				stop()
				if err != nil {
					return err
				}
				status, err := s.Status(command.Context())
				if err != nil {
					return err
				}
				return answer.printf(command.OutOrStdout(), flattened{arguments[0], status.LiveVectors, status.FileSize, result.Epoch},
					"%s: epoch %d, %d vectors in %d bytes\n", arguments[0], result.Epoch, status.LiveVectors, status.FileSize)
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

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
			how := toChange
			how.near = newFamily(nil)
			return withStore(command.Context(), arguments[0], how, func(s *store.Store) error {
				parents, err := parentsOfBranch(command.Context(), arguments[0], s, how.near)
				if err != nil {
					return err
				}
				stop := showProgress(command.ErrOrStderr(), s.CompactionProgress)
				result, err := s.Flatten(command.Context())
				stop()
				if err != nil {
					return err
				}
				for _, parent := range parents {
					names := append(parent.former, siteOf(parent.file).seenFrom(parent.file, arguments[0]))
					tellParent(command.Context(), parent.file, how, s.FileID(), names, arguments[0]+" was flattened")
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

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rvffs/store"
)

// compaction is what compact tells in JSON.
type compaction struct {
	File              string `json:"file"`
	SegmentsCompacted int    `json:"segments_compacted"`
	BytesReclaimed    int64  `json:"bytes_reclaimed"`
	Epoch             uint32 `json:"epoch"`
}

func newCompactCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "compact FILE",
		Short:             "Rewrite a store without dead bytes",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
				stop := showProgress(command.ErrOrStderr(), s.CompactionProgress)
				result, err := s.Compact(command.Context())
				stop()
				if err != nil {
					return err
				}
				gain := "nothing to reclaim"
				if result.BytesReclaimed > 0 {
					gain = fmt.Sprintf("%d bytes reclaimed", result.BytesReclaimed)
				}
				return answer.printf(command.OutOrStdout(), compaction{arguments[0], result.SegmentsCompacted, result.BytesReclaimed, result.Epoch},
					"%s: epoch %d, %d segments compacted, %s\n", arguments[0], result.Epoch, result.SegmentsCompacted, gain)
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

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
	var forget bool
	command := &cobra.Command{
		Use:   "compact FILE",
		Short: "Rewrite a store without dead bytes",
		Long: "compact rewrites a store without dead bytes, and keeps what branches show of it. Where the list of them is damaged, or\n" +
			"what was kept for one, that is not known, and the store stays as it is: put the file back from a backup, or change each\n" +
			"branch once, by which it is listed anew, and then let the store forget what is damaged with --forget-damaged.",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			options := store.Options{OnTail: tellTail(arguments[0]), ForgetDamaged: forget}
			return withOptions(command.Context(), arguments[0], toChange, options, func(s *store.Store) error {
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
	command.Flags().BoolVar(&forget, "forget-damaged", false, "also where what the store keeps for branches is damaged, which lose that")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/ingest"
	"rvffs/store/vecio"
)

// deletion is what delete tells in JSON.
type deletion struct {
	File    string `json:"file"`
	Deleted uint64 `json:"deleted"`
	Missing uint64 `json:"missing"`
	Epoch   uint32 `json:"epoch"`
}

func newDeleteCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "delete FILE IDS...",
		Short: "Delete vectors from a store by their ids",
		Long: "delete hides the vectors with the given ids, all in one commit. Ids without a vector are counted and are no error.\n" +
			"With - for the ids they come from standard input: numbers with white space or commas between, JSON numbers or\n" +
			"objects {\"id\": N}, little-endian uint64, or a NumPy array of these.",
		Args:              takes("FILE", "IDS..."),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			result := deletion{File: arguments[0]}
			err := withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
				result.Epoch = s.Current().Epoch()
				format := vecio.TextIDs
				fromInput := len(arguments) == 2 && arguments[1] == "-"
				if fromInput {
					format = vecio.AutoIDs
				}
				stream, err := s.OpenDelete(command.Context(), format, func(r ingest.DeleteReport) {
					if result.Deleted, result.Missing = r.Deleted, r.Missing; r.Epoch > 0 {
						result.Epoch = r.Epoch
					}
				})
				if err != nil {
					return err
				}
				if fromInput {
					err = pour(command.Context(), stream, command.InOrStdin())
				} else {
					err = pour(command.Context(), stream, strings.NewReader(strings.Join(arguments[1:], "\n")+"\n"))
				}
				if err != nil {
					// What came before the error must not be deleted by the close.
					if abandoned := stream.Abandon(command.Context()); !errors.Is(err, abandoned) {
						err = errors.Join(err, abandoned)
					}
					return errors.Join(err, stream.Close(command.Context()))
				}
				return stream.Close(command.Context())
			})
			if errors.As(err, new(*vecio.IDError)) && !(len(arguments) == 2 && arguments[1] == "-") {
				return misused(command, err)
			}
			if err != nil {
				return err
			}
			return answer.printf(command.OutOrStdout(), result, "%s: epoch %d, %d vectors deleted, %d ids without a vector\n",
				result.File, result.Epoch, result.Deleted, result.Missing)
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

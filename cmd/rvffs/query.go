package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/rows"
	"rvffs/store/search"
)

// question is what the flags of query ask.
type question struct {
	vector string
	id     uint64
	byID   bool
	k      int
}

func newQueryCommand() *cobra.Command {
	var asked question
	var answer *answerFlag
	var verify *verifyMode
	command := &cobra.Command{
		Use:   "query FILE (--vector [0.1,...] | --id N | -)",
		Short: "Find the vectors nearest to given ones",
		Long: "query finds the nearest vectors, exactly, by the store's metric: squared distance, minus product, or one minus cosine.\n" +
			"With - the queries come from standard input: JSON objects with \"vector\" or \"id\", and \"k\" if wanted, bare JSON\n" +
			"arrays of numbers, or rows of little-endian float32. The vector of an id is left out of that id's answer.",
		Args:              takes("FILE", "[-]"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			asked.byID = command.Flags().Changed("id")
			if asked.k < 1 {
				return misused(command, fmt.Errorf("-k %d: say how many neighbors to find, 1 or more", asked.k))
			}
			text, err := asked.text(command, arguments[1:])
			if err != nil {
				return err
			}
			return withCheckedStore(command.Context(), arguments[0], verify, func(s *store.Store) error {
				of, err := s.Sources(command.Context(), s.Current())
				if err != nil {
					return err
				}
				answers, err := asked.answers(command, of, text)
				if err != nil {
					return err
				}
				if answer.json {
					_, err = command.OutOrStdout().Write(search.AppendAnswers(nil, answers))
					return err
				}
				return printAnswers(command.OutOrStdout(), answers)
			})
		},
	}
	command.Flags().StringVar(&asked.vector, "vector", "", "the `vector` to search for, as a JSON array")
	command.Flags().Uint64Var(&asked.id, "id", 0, "search for the stored vector of this `id`")
	command.Flags().IntVarP(&asked.k, "k", "k", search.DefaultNeighbors, "`number` of neighbors to find, where a query does not say")
	answer = registerAnswer(command.Flags(), "print lines of JSON")
	verify = registerVerify(command.Flags())
	return command
}

// text is the queries as they are written, nil for one by id.
func (q question) text(command *cobra.Command, operands []string) ([]byte, error) {
	fromInput := len(operands) == 1
	if fromInput && operands[0] != "-" {
		return nil, misused(command, fmt.Errorf("%q is neither a flag nor -", operands[0]))
	}
	given := 0
	for _, way := range []bool{fromInput, q.vector != "", q.byID} {
		if way {
			given++
		}
	}
	if given != 1 {
		return nil, misused(command, errors.New("say what to search for: one of --vector, --id and -"))
	}
	if q.vector != "" && !strings.HasPrefix(strings.TrimSpace(q.vector), "[") {
		return nil, misused(command, fmt.Errorf("--vector %q is no JSON array", q.vector))
	}
	if !fromInput {
		return []byte(q.vector), nil
	}
	return io.ReadAll(io.LimitReader(command.InOrStdin(), search.MaxQueryBytes+1))
}

// answers searches.
func (q question) answers(command *cobra.Command, of rows.Sources, text []byte) ([][]search.Neighbor, error) {
	queries := []search.Query{{ID: q.id, K: q.k}}
	if !q.byID {
		var err error
		if queries, err = search.ParseQueries(text, of.Dimension(), q.k); err != nil {
			return nil, err
		}
	}
	return search.Nearest(command.Context(), of, queries)
}

// printAnswers writes a table for people, with the number of the query in front if
// there are several.
func printAnswers(out io.Writer, answers [][]search.Neighbor) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	heading := "id\tdistance\t\n"
	if len(answers) > 1 {
		heading = "query\t" + heading
	}
	if _, err := io.WriteString(table, heading); err != nil {
		return err
	}
	for i, neighbors := range answers {
		for _, neighbor := range neighbors {
			if len(answers) > 1 {
				if _, err := fmt.Fprintf(table, "%d\t", i); err != nil {
					return err
				}
			}
			if _, err := fmt.Fprintf(table, "%d\t%.9g\t\n", neighbor.ID, neighbor.Distance); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

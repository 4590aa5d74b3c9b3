package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rvffs/store/volume/bucket"
)

func newS3SweepCommand() *cobra.Command {
	var answer *answerFlag
	var list bool
	command := &cobra.Command{
		Use:   "sweep s3://BUCKET[/PREFIX]",
		Short: "Delete what removed and settled stores have left in a bucket",
		Long: "sweep deletes the former extents of stores that were removed or settled a day ago or earlier: until then other machines\n" +
			"may read them.\n" +
			"It reads the beginning of each object below PREFIX: extents that one of them names, such as a copy that another\n" +
			"program has made of a store's object, stay. Copies elsewhere are not looked for.",
		Args:              takes("s3://BUCKET[/PREFIX]"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, arguments []string) (err error) {
			place, err := parseBucketPlace(arguments[0])
			if err != nil {
				return misused(command, err)
			}
			reached, err := bucketSite{}.reach(place.String(), !list)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, reached.Close()) }()
			found, err := reached.(*bucket.Volume).SweepRemoved(command.Context(), list)
			if found == nil {
				found = []bucket.Left{} // a list for programs, too
			}
			return errors.Join(answer.print(command.OutOrStdout(), found, func(out io.Writer) error { return printSwept(out, found, list) }), err)
		},
	}
	command.Flags().BoolVar(&list, "list", false, "change nothing, and tell what would be deleted")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// printSwept tells people of it.
func printSwept(out io.Writer, found []bucket.Left, list bool) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(out, "nothing is left of removed or settled stores")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "since\textents\tbytes\twhat becomes of it\n")
	for _, left := range found {
		what := "deleted"
		switch {
		case left.Stays != "":
			what = "it stays: " + left.Stays
		case list:
			what = "would be deleted"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", left.Removed.UTC().Format(time.RFC3339), left.Extents, left.Bytes, what)
	}
	return table.Flush()
}

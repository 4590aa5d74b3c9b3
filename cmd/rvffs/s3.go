package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/trial"
)

func newS3Command() *cobra.Command {
	command := &cobra.Command{
		Use:   "s3 COMMAND",
		Short: "Look into servers that hold buckets",
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return command.Help()
			}
			return noCommand(command, arguments[0])
		},
	}
	command.AddCommand(newS3CheckCommand(), newS3SweepCommand())
	return command
}

func newS3CheckCommand() *cobra.Command {
	var answer *answerFlag
	var endpoint *endpointFlag
	command := &cobra.Command{
		Use:   "check s3://BUCKET[/PREFIX]",
		Short: "Try what a server can do that holds a bucket",
		Long: "check writes small objects below PREFIX/.rvffs/trial, tries on them what stores in a bucket need of the server, and deletes them.\n" +
			"Rights come from where Amazon's tools take them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws.\n" +
			"The exit status is 1 when stores cannot be written there.",
		Args:              takes("s3://BUCKET[/PREFIX]"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, arguments []string) error {
			place, err := parseBucketPlace(arguments[0])
			if err != nil {
				return misused(command, err)
			}
			for _, text := range endpoint.urls {
				if err := checkEndpoint(text); err != nil {
					return misused(command, err)
				}
			}
			report, err := trial.Try(command.Context(), place.prefix, func(bareTags bool) ([]objects.Bucket, error) {
				return endpoint.open(command.Context(), place.bucket, bareTags)
			})
			if err != nil {
				return err
			}
			err = answer.print(command.OutOrStdout(), report, func(out io.Writer) error { return printTrial(out, report) })
			if err == nil && !(report.Allows(trial.Commits) && report.Allows(trial.Reading)) {
				err = fmt.Errorf("%s: stores cannot be written there", arguments[0])
			}
			return err
		},
	}
	endpoint = registerEndpoint(command.Flags())
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// printTrial is a report for people.
func printTrial(out io.Writer, report *trial.Report) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "needed for\tkept\ttime\trule\n")
	for _, rule := range report.Rules {
		kept := "yes"
		if !rule.Kept {
			kept = "NO"
		}
		text := rule.Name
		if rule.Problem != "" {
			text += ": " + strings.ReplaceAll(rule.Problem, "\n", "; ")
		}
		fmt.Fprintf(table, "%s\t%s\t%v\t%s\n", rule.For, kept, rule.Took.Round(time.Millisecond), text)
	}
	if report.BareTags {
		fmt.Fprintf(table, "\t\t\tthe server knows tags in conditions only without their quotes, and is sent them so\n")
	}
	return table.Flush()
}

package main

import (
	"github.com/spf13/cobra"

	"rvffs/store"
)

// statusOf is what status tells in JSON.
type statusOf struct {
	File string `json:"file"`
	store.Status
}

func newStatusCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "status FILE",
		Short: "Tell how a store is at this moment",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(arguments[0], store.OpenReadOnly, func(s *store.Store) error {
				status, err := s.Status(command.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(command.OutOrStdout(), statusOf{arguments[0], status})
				}
				facts := append([]fact{{"file", arguments[0]}}, statusFacts(status)...)
				return printFacts(command.OutOrStdout(), append(facts,
					fact{"stored rows", status.StoredRows}, fact{"segments", status.Segments}, fact{"damage", orNone(status.Damage)}))
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

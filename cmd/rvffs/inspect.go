package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rvffs/store"
)

// inspection is what inspect tells in JSON.
type inspection struct {
	File     string                    `json:"file"`
	Status   store.Status              `json:"status"`
	Identity store.IdentityDescription `json:"identity"`
	Profile  string                    `json:"profile"`
	Segments []store.EntryDescription  `json:"segments"`
}

func newInspectCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Tell what a store file holds",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(arguments[0], store.OpenReadOnly, func(s *store.Store) error {
				found, err := inspect(command, s, arguments[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(command.OutOrStdout(), found)
				}
				return printInspection(command, found)
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func inspect(command *cobra.Command, s *store.Store, file string) (inspection, error) {
	status, err := s.Status(command.Context())
	if err != nil {
		return inspection{}, err
	}
	profile, err := s.Profile(command.Context())
	if err != nil {
		return inspection{}, err
	}
	identity, _ := s.Identity()
	found := inspection{File: file, Status: status, Identity: store.DescribeIdentity(identity), Profile: profile.String()}
	for _, entry := range s.Current().Live() {
		found.Segments = append(found.Segments, store.DescribeEntry(entry))
	}
	return found, nil
}

func printInspection(command *cobra.Command, i inspection) error {
	out := command.OutOrStdout()
	err := printFacts(out, []fact{
		{"file", i.File},
		{"file id", i.Identity.FileID},
		{"parent id", i.Identity.ParentID},
		{"lineage depth", i.Identity.LineageDepth},
		{"profile", i.Profile},
		{"dialect", i.Status.Dialect},
		{"dimension", i.Status.Dimension},
		{"metric", i.Status.Metric},
		{"epoch", i.Status.Epoch},
		{"live vectors", i.Status.LiveVectors},
		{"deleted vectors", i.Status.DeletedVectors},
		{"bytes", i.Status.FileSize},
		{"dead bytes", fmt.Sprintf("%d (%.1f %%)", i.Status.DeadBytes, 100*i.Status.DeadSpaceRatio)},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "\n%8s  %-10s %12s %12s\n", "segment", "type", "offset", "payload"); err != nil {
		return err
	}
	for _, segment := range i.Segments {
		if _, err := fmt.Fprintf(out, "%8d  %-10s %12d %12d\n", segment.SegmentID, segment.Type, segment.Offset, segment.PayloadLength); err != nil {
			return err
		}
	}
	return nil
}

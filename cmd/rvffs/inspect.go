package main

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/state"
)

// inspection is what inspect tells in JSON.
type inspection struct {
	File     string                    `json:"file"`
	Status   store.Status              `json:"status"`
	Identity state.IdentityDescription `json:"identity"`
	Profile  string                    `json:"profile"`
	Segments []state.EntryDescription  `json:"segments"`
	// ParentFile is where the parent of a branch was found, if under another name than the branch has.
	ParentFile string `json:"parent_file,omitempty"`
}

func newInspectCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "inspect FILE",
		Short:             "Tell what a store file holds",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withStore(command.Context(), arguments[0], toRead, func(s *store.Store) error {
				found, err := inspect(command, s, arguments[0])
				if err != nil {
					return err
				}
				return answer.print(command.OutOrStdout(), found, found.print)
			})
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

func inspect(command *cobra.Command, s *store.Store, file string) (inspection, error) {
	status, err := fileStatus(command.Context(), s)
	if err != nil {
		return inspection{}, err
	}
	profile, err := s.Profile(command.Context())
	if err != nil {
		return inspection{}, err
	}
	identity, _ := s.Identity()
	found := inspection{ParentFile: movedParent(command.Context(), s, status), File: file, Status: status, Identity: state.DescribeIdentity(identity), Profile: profile.String()}
	for _, entry := range s.Current().Live() {
		described := state.DescribeEntry(entry)
		if entry.Type.IsExtension() {
			start, err := s.Current().PrefixOf(command.Context(), entry, 4)
			if name := entry.Type.Extension(start); err == nil && name != "" {
				described.Type = name
			}
		}
		found.Segments = append(found.Segments, described)
	}
	return found, nil
}

// print writes it for people.
func (i inspection) print(out io.Writer) error {
	err := printFacts(out, append([]fact{
		{"file", i.File},
		{"file id", i.Identity.FileID},
		{"parent id", i.Identity.ParentID},
		{"lineage depth", i.Identity.LineageDepth},
		{"profile", i.Profile},
	}, statusFacts(i.Status, i.ParentFile)...))
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

// movedParent is the file in which a branch finds its parent, if that has another name than the
// branch has for it.
func movedParent(ctx context.Context, s *store.Store, status store.Status) string {
	if status.Branch == nil {
		return ""
	}
	from, _, err := s.InheritsFrom(ctx)
	if err != nil || from == "" || path.Base(from) == path.Base(status.Branch.Parent) {
		return ""
	}
	return from
}

// statusFacts are what inspect and status tell of a store's state, and of the file that its parent
// is in by now; empty: it is where the branch has it.
func statusFacts(status store.Status, parent string) []fact {
	facts := []fact{
		{"dialect", status.Dialect},
		{"dimension", status.Dimension},
		{"metric", status.Metric},
		{"epoch", status.Epoch},
		{"live vectors", status.LiveVectors},
		{"deleted vectors", status.DeletedVectors},
		{"bytes", status.FileSize},
		{"dead bytes", fmt.Sprintf("%d (%.1f %%)", status.DeadBytes, 100*status.DeadSpaceRatio)},
	}
	if b := status.Branch; b != nil {
		of := b.Parent
		if parent != "" {
			of += ", which is " + parent + " now"
		}
		facts = append(facts, fact{"branch of", of}, fact{"parent's epoch", b.ParentEpoch},
			fact{"inherited vectors", b.InheritedVectors}, fact{"own vectors", b.OwnVectors})
		if b.Unlisted != "" {
			facts = append(facts, fact{"not listed", b.Unlisted})
		}
	}
	if status.Frozen {
		facts = append(facts, fact{"frozen", "nothing changes it any more"})
	}
	if status.Names > 1 {
		facts = append(facts, fact{"hard links", status.Names})
	}
	for _, tail := range status.Tails {
		facts = append(facts, fact{"to recover", fmt.Sprintf("%s in %s", tail.String(), tail.File)})
	}
	return facts
}

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/lineage/chart"
	"rvffs/store"
	"rvffs/store/state"
)

// verification is what verify tells in JSON of one file.
type verification struct {
	File   string `json:"file"`
	Status string `json:"status"` // "intact", "damaged" or "unreadable"
	Branch bool   `json:"branch,omitempty"`
	store.Verification
	Lineage lineage.Status `json:"lineage"`
	lineage.Verdict
	Error string `json:"error,omitempty"`
}

func newVerifyCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check hashes, manifest, lineage and audit chain of stores",
		Long: "verify reads every byte of the given stores. The exit status is 1 when one of them is damaged or cannot be read.\n" +
			"A store's parent is looked for among the files given, in the store's folder, and in the folders near it.",
		Args:              takes("FILE..."),
		ValidArgsFunction: offerStores,
		RunE: func(command *cobra.Command, arguments []string) error {
			family := newNearFamily(arguments)
			results := make([]verification, 0, len(arguments))
			bad := 0
			for _, file := range arguments {
				result := verifyFile(command.Context(), file, family)
				if result.Status != "intact" {
					bad++
				}
				results = append(results, result)
				if answer.json {
					continue
				}
				// People see of each file as soon as it is known.
				if err := printVerification(command.OutOrStdout(), result); err != nil {
					return err
				}
			}
			if err := answer.printJSON(command.OutOrStdout(), results); err != nil {
				return err
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d files are damaged or cannot be read", bad, len(arguments))
			}
			return nil
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

func verifyFile(ctx context.Context, file string, family *family) verification {
	result := verification{File: file, Status: "intact"}
	result.Findings = []store.Finding{}
	how := toRead
	how.among = family
	err := withStore(ctx, file, how, func(s *store.Store) error {
		result.Branch = s.Current().IsBranch()
		found, err := s.Verify(ctx)
		result.Verification = found
		if err != nil {
			return err
		}
		return result.checkLineage(ctx, s.Current(), family)
	})
	switch {
	case err != nil:
		result.Status, result.Error = "unreadable", inWords(err)
	case result.Damages > 0:
		result.Status = "damaged"
	}
	return result
}

func printVerification(out io.Writer, v verification) error {
	for _, finding := range v.Findings {
		place := ""
		if finding.Offset != nil {
			place = fmt.Sprintf("at %d: ", *finding.Offset)
		}
		if _, err := fmt.Fprintf(out, "%s: %s: %s%s\n", v.File, finding.Severity, place, finding.Text); err != nil {
			return err
		}
	}
	if v.Error != "" {
		_, err := fmt.Fprintf(out, "%s: %s: %s\n", v.File, v.Status, v.Error)
		return err
	}
	ids := "ids"
	if v.Branch {
		ids = "ids of its own as a branch"
	}
	_, err := fmt.Fprintf(out, "%s: %s, epoch %d, %d bytes, %d live and %d dead segments, %d %s, %d audit entries, lineage %s, damages %d, notes %d\n",
		chart.Printable(v.File), v.Status, v.Epoch, v.Bytes, v.Live, v.Dead, v.TotalStored, ids, v.Witnesses, v.Lineage, v.Damages, v.Notes)
	return err
}

// checkLineage judges what the store says of its parent by the files given and those in
// its folder.
func (v *verification) checkLineage(ctx context.Context, snapshot *state.Snapshot, family *family) error {
	relatives, err := family.of(ctx, v.File, snapshot)
	if err != nil {
		return err
	}
	if v.Verdict, err = store.JudgeLineage(ctx, snapshot, relatives); err != nil {
		return err
	}
	v.Lineage = v.Verdict.Verification.Status
	identity, _ := snapshot.Identity()
	if text := v.Verdict.Verification.Remark(identity); text != "" {
		severity := store.Note
		if v.Verdict.Verification.Damaged() {
			severity = store.Damage
		}
		v.add(severity, text)
	}
	if text := v.Verdict.CopiesRemark(); text != "" {
		v.add(store.Note, text)
	}
	lost, err := store.LostEnd(ctx, snapshot, family.recordsOf(ctx, identity.FileID))
	for _, text := range lost {
		v.add(store.Note, text)
	}
	return err
}

func (v *verification) add(severity store.Severity, text string) {
	if severity == store.Damage {
		v.Damages++
	} else {
		v.Notes++
	}
	v.Findings = append(v.Findings, store.Finding{Severity: severity, Text: text})
}

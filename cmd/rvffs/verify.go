package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/store"
)

// verification is what verify tells in JSON of one file.
type verification struct {
	File   string `json:"file"`
	Status string `json:"status"` // "intact", "damaged" or "unreadable"
	store.Verification
	Lineage string `json:"lineage"` // "root", "verified", "unverified", "mismatch", "parent-missing" or "unknown"
	Error   string `json:"error,omitempty"`
}

func newVerifyCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check hashes, manifest, lineage and audit chain of stores",
		Long: "verify reads every byte of the given stores. The exit status is 1 when one of them is damaged or cannot be read.\n" +
			"A store's parent is looked for among the files given and in the store's folder.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			family := newFamily(arguments)
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
	err := withStore(file, store.OpenReadOnly, func(s *store.Store) error {
		found, err := s.Verify(ctx)
		result.Verification = found
		if err != nil {
			return err
		}
		finding, err := result.checkLineage(s.Current(), family)
		if finding != nil {
			result.Findings = append(result.Findings, *finding)
		}
		return err
	})
	switch {
	case err != nil:
		result.Status, result.Error = "unreadable", err.Error()
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
	_, err := fmt.Fprintf(out, "%s: %s, epoch %d, %d bytes, %d live and %d dead segments, %d ids, %d audit entries, lineage %s, damages %d, notes %d\n",
		v.File, v.Status, v.Epoch, v.Bytes, v.Live, v.Dead, v.TotalStored, v.Witnesses, v.Lineage, v.Damages, v.Notes)
	return err
}

// checkLineage compares what the store says of its parent with the parent's file.
// Several files may carry the parent's id, as copies do: one that fits is enough.
func (v *verification) checkLineage(snapshot *store.Snapshot, family *family) (*store.Finding, error) {
	identity, known := snapshot.Identity()
	switch {
	case !known:
		v.Lineage = "unknown"
		return nil, nil
	case identity.IsRoot():
		v.Lineage = "root"
		return nil, nil
	case identity.FileID == identity.ParentID:
		return v.mismatch(lineage.CheckLink(identity, identity)), nil
	}
	candidates, err := family.find(identity.ParentID, filepath.Dir(v.File), filepath.Dir(target(v.File)))
	if err != nil {
		return nil, err
	}
	if len(candidates) == 0 {
		v.Lineage = "parent-missing"
		v.Notes++
		return &store.Finding{Severity: store.Note, Text: fmt.Sprintf("the parent %s is not among the files", identity.ParentID)}, nil
	}
	var contradiction, unmatched error
	for _, file := range candidates {
		err := withStore(file, store.OpenReadOnly, func(parent *store.Store) error {
			parentIdentity, _ := parent.Identity()
			if err := lineage.CheckLink(identity, parentIdentity); err != nil {
				return err
			}
			_, err := parent.Current().FindParentState(context.Background(), identity.ParentHash)
			return err
		})
		switch {
		case err == nil:
			v.Lineage = "verified"
			return nil, nil
		case errors.Is(err, lineage.ErrDepth), errors.Is(err, lineage.ErrNotParent):
			contradiction = fmt.Errorf("parent %s: %w", file, err)
		default:
			unmatched = fmt.Errorf("parent %s: %w", file, err)
		}
	}
	if contradiction != nil && unmatched == nil {
		return v.mismatch(contradiction), nil
	}
	// A compaction of the parent takes its past states away, so this proves nothing.
	v.Lineage = "unverified"
	v.Notes++
	return &store.Finding{Severity: store.Note, Text: unmatched.Error()}, nil
}

func (v *verification) mismatch(err error) *store.Finding {
	v.Lineage = "mismatch"
	v.Damages++
	return &store.Finding{Severity: store.Damage, Text: err.Error()}
}

// family knows which files carry which ids. Folders are read when somebody first
// looks for a parent there.
type family struct {
	files map[lineage.FileID][]string
	seen  map[string]bool // files and folders, by absolute path
	given []string        // files that are still to be read
}

func newFamily(given []string) *family {
	return &family{files: map[lineage.FileID][]string{}, seen: map[string]bool{}, given: given}
}

// find lists the files with that id among those given and those in folders.
func (f *family) find(id lineage.FileID, folders ...string) ([]string, error) {
	for _, file := range f.given {
		f.add(file)
	}
	f.given = nil
	for _, folder := range folders {
		if err := f.addFolder(folder); err != nil {
			return nil, err
		}
	}
	return f.files[id], nil
}

// addFolder remembers the ids of the stores in a folder, also of those that are
// there by a symlink.
func (f *family) addFolder(folder string) error {
	if !f.first(folder) {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		kind := entry.Type()
		if _, named := lineage.ProfileOfName(entry.Name()); named && (kind.IsRegular() || kind == fs.ModeSymlink) {
			f.add(filepath.Join(folder, entry.Name()))
		}
	}
	return nil
}

// add remembers the id of a file; one that cannot be read is nobody's parent.
func (f *family) add(file string) {
	if !f.first(file) {
		return
	}
	s, err := store.OpenReadOnly(file, store.Options{})
	if err != nil {
		return
	}
	if id := s.FileID(); !id.IsZero() {
		f.files[id] = append(f.files[id], file)
	}
	_ = s.Close()
}

// first says whether path, wherever symlinks lead it, has not been looked at before.
func (f *family) first(path string) bool {
	absolute, err := filepath.Abs(target(path))
	if err != nil {
		absolute = path
	}
	if f.seen[absolute] {
		return false
	}
	f.seen[absolute] = true
	return true
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/lineage/chart"
	"rvffs/store"
)

func newLineageCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "lineage DIR|FILE",
		Short: "Show who descends from whom, and what is true of it",
		Long: "lineage draws the stores of a directory, and of the folders in it, each below its parent, with a verdict on what it\n" +
			"says of that. Of a store it draws the ancestors, and those in its folder that descend from it.\n" +
			"The exit status is 1 when a store contradicts itself, or cannot be read.",
		Args:              takes("DIR|FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			p, err := pedigreeOf(command.Context(), arguments[0])
			if err != nil {
				return err
			}
			err = answer.print(command.OutOrStdout(), p, func(out io.Writer) error { return chart.Text(out, p) })
			if err != nil {
				return err
			}
			if p.Bad > 0 {
				return fmt.Errorf("%d of %d stores contradict what they say of their parents, or cannot be read, or inherit what cannot be read", p.Bad, len(p.Stores))
			}
			return nil
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// pedigreeOf is that of the stores in a directory, or of the relatives of a store.
func pedigreeOf(ctx context.Context, name string) (lineage.Pedigree, error) {
	if file := storeFile(name); file != followLinks(name) {
		name = file // a store's folder in a mount
	}
	one, err := siteOf(name).isStore(name)
	if err != nil {
		return lineage.Pedigree{}, err
	}
	if one {
		return relativesOf(ctx, name)
	}
	files, err := siteOf(name).stores(ctx, folderFor(name), true)
	if err != nil {
		return lineage.Pedigree{}, err
	}
	family := newFamily(files)
	family.most = store.MostParents
	accounts := make([]lineage.Account, 0, len(files))
	for _, file := range files {
		account, err := accountOf(ctx, file, family)
		if err != nil {
			return lineage.Pedigree{}, err
		}
		accounts = append(accounts, account)
	}
	return lineage.Arrange(accounts), nil
}

// relativesOf are a store, its ancestors, and those in its folder that descend from it.
func relativesOf(ctx context.Context, file string) (lineage.Pedigree, error) {
	family := newNearFamily([]string{file})
	family.most = store.MostParents
	first, err := accountOf(ctx, file, family)
	if err == nil && first.Verification.Status == lineage.StatusNoStore {
		err = errors.New(first.Verification.Reason)
	}
	if err != nil {
		return lineage.Pedigree{}, err
	}
	var over error
	chain := lineage.Climb(first, func(parent string) (lineage.Account, lineage.End) {
		account, err := accountOf(ctx, parent, family)
		over = errors.Join(over, err)
		if err != nil || account.Verification.Status == lineage.StatusNoStore {
			return account, lineage.EndUnreadable
		}
		return account, ""
	})
	accounts := chain.Chain
	told := map[string]bool{}
	for _, account := range accounts {
		told[account.File] = true
	}
	// Whoever has the right ids may be a descendant; the verdict says of which file.
	children := map[lineage.FileID][]lineage.Claim{}
	var waiting []lineage.FileID
	for _, claim := range family.claims {
		if !claim.Identity.IsRoot() {
			children[claim.Identity.ParentID] = append(children[claim.Identity.ParentID], claim)
		}
		if claim.Name == file {
			waiting = append(waiting, claim.Identity.FileID)
		}
	}
	for ; len(waiting) > 0 && over == nil; waiting = waiting[1:] {
		for _, claim := range children[waiting[0]] {
			if told[claim.Name] {
				continue
			}
			told[claim.Name] = true
			account, err := accountOf(ctx, claim.Name, family)
			over = errors.Join(over, err)
			accounts = append(accounts, account)
			waiting = append(waiting, claim.Identity.FileID)
		}
		delete(children, waiting[0])
	}
	return lineage.Arrange(accounts), over
}

// accountOf tells the lineage of the store in a file, by the files of the family. An error
// means that ctx is over.
func accountOf(ctx context.Context, file string, family *family) (account lineage.Account, err error) {
	err = withOptions(ctx, file, toRead, store.Options{}, func(s *store.Store) error {
		relatives, err := family.of(ctx, file, s.Current())
		if err == nil {
			account, err = store.AccountLineage(ctx, file, s.Current(), relatives)
		}
		if err == nil {
			account.Lacks, err = s.Lacks(ctx, s.Current())
		}
		if err == nil && !account.Lacks {
			account.Unlisted, err = s.Unlisted(ctx, s.Current())
		}
		return err
	})
	if err != nil {
		account = lineage.NoAccount(file, errors.New(inWords(err)))
	}
	return account, ctx.Err()
}

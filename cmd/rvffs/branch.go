package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/state"
	"rvffs/store/volume"
)

func newBranchCommand() *cobra.Command {
	var answer *answerFlag
	var again bool
	command := &cobra.Command{
		Use:   "branch PARENT CHILD",
		Short: "Make a store that shows the vectors of another without copying them",
		Long: "branch makes a store that shows the vectors that PARENT has now, and whose file holds only what is its own: vectors\n" +
			"that are appended to it or overwritten in it, and which of PARENT's it shows no more. PARENT may change: the branch\n" +
			"shows what it has shown. It needs PARENT's file for that, and finds it by its id beside its own, or by the path that\n" +
			"it has now. A parent that looks damaged is refused, but its vectors are not read for that: rvffs verify does it.\n" +
			"With --relist it makes nothing: CHILD is there, and PARENT, of which an older copy was put back, lists it again.",
		Args:              takes("PARENT", "CHILD"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			if again {
				return relist(command, answer, arguments[0], arguments[1])
			}
			if err := store.CheckName(filepath.Base(arguments[1])); err != nil {
				return fmt.Errorf("branch %q: %w", arguments[1], err)
			}
			if err := errors.Join(mayChange(arguments[1]), isChildOf(arguments[0], arguments[1])); err != nil {
				return err
			}
			options := store.DeriveOptions{Content: store.ContentBranch, ParentPath: siteOf(arguments[1]).seenFrom(arguments[1], arguments[0])}
			beside := filepath.Base(options.ParentPath) == options.ParentPath
			if !beside {
				options.ListedAs = siteOf(arguments[0]).seenFrom(arguments[0], arguments[1])
			}
			tried := false
			make := func(parent *store.Store) error {
				tried = true
				return makeOn(arguments[1], func(shelf volume.Shelf, name string) error {
					options.Shelf = shelf
					return parent.Derive(command.Context(), name, options)
				})
			}
			checker := state.NewChecker(state.VerifyBackground) // of what looks wrong before its content is read
			defer checker.Close()
			from := store.Options{Checker: checker, OnTail: tellTail(arguments[0])}
			err := withOptions(command.Context(), arguments[0], toChange, from, make)
			if err != nil && beside && !tried { // it is made of what may be read alone, too
				err = withOptions(command.Context(), arguments[0], toRead, from, make)
			}
			if err != nil {
				return err
			}
			return withStore(command.Context(), arguments[1], toRead, func(child *store.Store) error {
				identity, _ := child.Identity()
				return printCreated(command, answer, arguments[1], state.DescribeIdentity(identity))
			})
		},
	}
	command.Flags().BoolVar(&again, "relist", false, "make nothing, and have the parent list a branch that is there")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// relist has a store list a branch of it that is there.
func relist(command *cobra.Command, answer *answerFlag, parent, child string) error {
	return withStore(command.Context(), child, toRead, func(branch *store.Store) error {
		identity, _ := branch.Identity()
		file := store.BranchFile{
			FileID: identity.FileID, Name: siteOf(parent).seenFrom(parent, child),
			Use: func(_ context.Context, use func(*store.Store) error) error { return use(branch) },
		}
		err := withStore(command.Context(), parent, toChange, func(above *store.Store) error {
			listed, err := above.ListBranches(command.Context(), []store.BranchFile{file})
			if err == nil && !listed[identity.FileID] {
				err = fmt.Errorf("%s is no branch that shows anything of %s: rvffs verify %s tells more", child, parent, child)
			}
			return err
		})
		if err != nil {
			return err
		}
		return printCreated(command, answer, child, state.DescribeIdentity(identity))
	})
}

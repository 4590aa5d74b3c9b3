package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/catalog"
	"rvffs/store/recovery"
	"rvffs/store/state"
	"rvffs/store/volume"
)

func newCreateCommand() *cobra.Command {
	var components dimension
	var metric *choice[segments.Metric]
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "create FILE [--dimension N]",
		Short:             "Make an empty store",
		Args:              takes("FILE"),
		ValidArgsFunction: offerFiles,
		RunE: func(command *cobra.Command, arguments []string) error {
			var identity lineage.Identity
			if err := mayChange(arguments[0]); err != nil {
				return err
			}
			err := makeOn(arguments[0], func(shelf volume.Shelf, name string) error {
				create := store.CreateOptions{Dimension: int(components), Metric: metric.value}
				s, err := store.Create(command.Context(), name, create, store.Options{Shelf: shelf})
				if err != nil {
					return err
				}
				identity, _ = s.Identity()
				return s.Close()
			})
			if errors.Is(err, volume.ErrName) {
				return misused(command, err)
			}
			if err != nil {
				return err
			}
			return printCreated(command, answer, arguments[0], state.DescribeIdentity(identity))
		},
	}
	command.Flags().VarP(&components, "dimension", "d", "components of each vector, 1 to 65535; 0: the first vectors fix it")
	metric = among(command.Flags(), "metric", "m", segments.L2.String(), "distance", segments.ParseMetric, wordsOf(segments.ParseMetric))
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// created is what create and derive tell in JSON.
type created struct {
	File string `json:"file"`
	state.IdentityDescription
}

func printCreated(command *cobra.Command, answer *answerFlag, file string, identity state.IdentityDescription) error {
	return answer.printf(command.OutOrStdout(), created{file, identity}, "%s: %s\n", file, identity.FileID)
}

// opening is a way to open a store.
type opening struct {
	open    func(context.Context, string, store.Options) (*store.Store, error)
	changes bool    // what is opened
	fills   bool    // it, so that an empty one would do
	among   *family // where parents of branches are looked for, too; nil: nowhere else
	near    *family // by which folders near stores are looked through once for several of these; nil: for each
}

var (
	toRead   = opening{open: store.OpenReadOnly}
	toChange = opening{open: store.Open, changes: true}
	toFill   = opening{open: store.Open, changes: true, fills: true}
)

// withStore runs f on the store in file. What f's writing cannot leave where it is, and
// keeps beside the store, people are told of.
func withStore(ctx context.Context, file string, how opening, f func(*store.Store) error) error {
	return withOptions(ctx, file, how, store.Options{OnTail: tellTail(file)}, f)
}

// tellTail tells people of what is kept beside a store.
func tellTail(file string) func(recovery.Tail) {
	return func(tail recovery.Tail) { tell("%s: %s", file, tail.Tell(file)) }
}

func withOptions(ctx context.Context, file string, how opening, options store.Options, f func(*store.Store) error) error {
	if err := inStore(file); err != nil {
		return err
	}
	if how.changes {
		if err := mayChange(file); err != nil {
			return err
		}
	}
	options, done := withBranchParents(file, options, how)
	err := onShelf(storeFile(file), how.changes, func(shelf volume.Shelf, name string) error {
		options.Shelf, options.ByName = shelf, true
		if how.changes && options.Branches == nil {
			options.Branches = branchesOf(file, how.near)
		}
		s, err := how.open(ctx, name, options)
		if err != nil {
			return explainFile(file, how, err)
		}
		err = f(s)
		if how.changes {
			err = explainRight(file, err)
		}
		return errors.Join(err, s.Close())
	})
	if how.changes {
		showChanged(file)
	}
	return errors.Join(err, done())
}

// showChanged has the mount in whose folder a store was changed look at it, so that nobody
// who comes by a name there is shown what was before.
func showChanged(file string) {
	if folder := followLinks(file); isDirectory(folder) {
		_, _ = os.Lstat(filepath.Join(folder, catalog.NameStatus))
	}
}

// makeOn is onShelf for who makes a file there.
func makeOn(file string, use func(shelf volume.Shelf, name string) error) error {
	return explainRight(file, onShelf(file, true, use))
}

// onShelf runs use with the folder that a file is in, and its name there. What the engine
// puts beside a store then stands beside the file itself, if no symlink is left in file.
func onShelf(file string, changes bool, use func(shelf volume.Shelf, name string) error) error {
	shelf, done, err := siteOf(file).openShelf(file, changes)
	if err != nil {
		return fmt.Errorf("store %q: %w", file, err)
	}
	return errors.Join(use(shelf, filepath.Base(file)), done())
}

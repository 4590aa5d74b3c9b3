package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// derived is what derive tells in JSON.
type derived struct {
	created
	Vectors uint64 `json:"vectors"`
	Missing uint64 `json:"missing"` // ids without a vector
}

func newDeriveCommand() *cobra.Command {
	var kind *choice[lineage.DerivationType]
	var copied bool
	var list string
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "derive PARENT CHILD",
		Short: "Make a store whose lineage leads to another",
		Long: "derive makes a store that says from which other it comes, and from which state of that. It is empty; --copy\n" +
			"gives it all vectors that PARENT has now, and --ids some of them. Ids come from a file, or from standard input\n" +
			"where that is -, in any form that rvffs delete takes; those without a vector are counted and are no error.\n" +
			"A copy is there with all its vectors or not at all. A store that shows vectors without having them: rvffs branch.",
		Args:              takes("PARENT", "CHILD"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			child := arguments[1]
			if copied && command.Flags().Changed("ids") {
				return misused(command, errors.New("--copy takes all vectors, and --ids some of them: give one of the two"))
			}
			if err := store.CheckName(filepath.Base(child)); err != nil {
				return fmt.Errorf("derive %q: %w", child, err)
			}
			if err := errors.Join(mayChange(child), isChildOf(arguments[0], child)); err != nil {
				return err
			}
			options := store.DeriveOptions{Type: kind.value}
			if list != "" {
				if err := readIDs(command, list, &options); err != nil {
					return fmt.Errorf("read ids from %s: %w", list, err)
				}
				if !command.Flags().Changed("type") {
					options.Type = lineage.Filter
				}
			}
			if copied || options.IDs != nil {
				options.Content = store.ContentCopy
			}
			err := withStore(command.Context(), arguments[0], toRead, func(parent *store.Store) error {
				row := int64(4 * parent.Current().Dimension())
				var done, all atomic.Int64
				options.Copied = func(vectors, of uint64) {
					done.Store(int64(vectors) * row)
					all.Store(int64(of) * row)
				}
				stop := showProgress(command.ErrOrStderr(), func() (int64, int64) { return done.Load(), all.Load() })
				defer stop()
				return makeOn(child, func(shelf volume.Shelf, name string) error {
					options.Shelf = shelf
					return parent.Derive(command.Context(), name, options)
				})
			})
			if err != nil {
				return err
			}
			return withStore(command.Context(), child, toRead, func(made *store.Store) error {
				identity, _ := made.Identity()
				told := derived{created: created{child, state.DescribeIdentity(identity)}}
				if options.Content != store.ContentCopy {
					return printCreated(command, answer, child, told.IdentityDescription)
				}
				if told.Vectors, err = rows.Count(command.Context(), rows.Of(made.Current())); err != nil {
					return err
				}
				text := fmt.Sprintf("%s: %s, %d vectors", child, told.FileID, told.Vectors)
				if options.IDs != nil {
					told.Missing = options.IDs.Len() - told.Vectors
					text += fmt.Sprintf(", %d ids without a vector", told.Missing)
				}
				return answer.printf(command.OutOrStdout(), told, "%s\n", text)
			})
		},
	}
	kind = among(command.Flags(), "type", "t", lineage.Clone.String(), "how the child comes from its parent", lineage.ParseDerivationType, wordsOf(lineage.ParseDerivationType))
	command.Flags().BoolVar(&copied, "copy", false, "copy all live vectors of the parent")
	command.Flags().StringVar(&list, "ids", "", "copy the vectors whose ids stand in a `file`, - for standard input; the type is filter then, unless --type says another")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// readIDs reads a list of ids.
func readIDs(command *cobra.Command, list string, options *store.DeriveOptions) (err error) {
	in := command.InOrStdin()
	format := vecio.AutoIDs
	if list != "-" {
		file, err := os.Open(list)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
		if known, named := vecio.IDFormatOfSuffix(strings.ToLower(filepath.Ext(list))); named && known == vecio.RawIDs {
			format = known
		}
	}
	options.IDs = idset.New()
	decoder := vecio.NewIDDecoder(format, func(id uint64) { options.IDs.Insert(id) })
	if _, err = io.Copy(decoder, in); err == nil {
		err = decoder.Finish()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", volume.ErrInput, err)
	}
	options.Doubt = func(found, all uint64) error {
		if err := decoder.Doubt(found, all); err != nil {
			return fmt.Errorf("%w: %w", volume.ErrInput, err)
		}
		return nil
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

// exported is what export tells in JSON.
type exported struct {
	File    string `json:"file"`
	Output  string `json:"output"`
	Format  string `json:"format"`
	Vectors uint64 `json:"vectors"`
	Bytes   int64  `json:"bytes"`
}

func newExportCommand() *cobra.Command {
	var format *choice[exportFormat]
	var output string
	var own bool
	var answer *answerFlag
	var verify *verifyMode
	command := &cobra.Command{
		Use:   "export FILE [-f FORMAT] [-o OUTPUT]",
		Short: "Write the live vectors of a store in a format, or the whole store",
		Long: "export writes the live vectors of a store in a format. In the format " + wholeStore + " it is the store itself as it is at this moment,\n" +
			"with all that is in its file: of a branch that is only what is its own. So a store goes from a file into a bucket and\n" +
			"back: of an output s3://BUCKET/NAME.rvf a new store is made, and no store is replaced by another.",
		Args:              takes("FILE"),
		ValidArgsFunction: offers(offerStores, offerNothing),
		RunE: func(command *cobra.Command, arguments []string) error {
			if answer.json && output == "-" {
				return misused(command, errors.New("--json prints where the vectors go: give the vectors a file with -o"))
			}
			if _, inBucket := siteOf(output).(bucketSite); inBucket && !format.value.whole {
				return misused(command, fmt.Errorf("%s: in a bucket there are only whole stores: say -f %s", output, wholeStore))
			}
			return withCheckedStore(command.Context(), arguments[0], verify, func(s *store.Store) error {
				of := rows.Of(s.Current())
				if !own && !format.value.whole {
					var err error
					if of, err = s.Sources(command.Context(), s.Current()); err != nil {
						return err
					}
				}
				written, err := exportTo(command, arguments[0], s, of, format.value, output)
				if err != nil || !answer.json {
					return err
				}
				vectors, err := rows.Count(command.Context(), of)
				if err != nil {
					return err
				}
				return answer.printJSON(command.OutOrStdout(), exported{arguments[0], output, format.word, vectors, written})
			})
		},
	}
	format = among(command.Flags(), "format", "f", vecio.FileNPY.String(), "", parseExportFormat, formatNames())
	command.Flags().StringVarP(&output, "output", "o", "-", "`file` to write, - for standard output")
	command.Flags().BoolVar(&own, "own", false, "of a branch, only the vectors that stand in its own file, also when its parent is gone")
	answer = registerAnswer(command.Flags(), "print what was written as JSON")
	verify = registerVerify(command.Flags())
	return command
}

// formatNames are the words for formats.
func formatNames() (names []string) {
	for _, format := range vecio.FileFormats() {
		names = append(names, format.String())
	}
	return append(names, wholeStore)
}

// exportTo writes the vectors of some sources, or the whole store, and tells of how many bytes.
func exportTo(command *cobra.Command, file string, s *store.Store, of rows.Sources, format exportFormat, output string) (int64, error) {
	if format.whole {
		return s.Current().Raw().Size(), exportWhole(command, file, s, output)
	}
	view, err := rows.File(command.Context(), of, format.vectors)
	if err != nil {
		return 0, err
	}
	return view.Size(), writeView(command, file, view, content(!format.vectors.IsText()), output)
}

// pieceSize is how many bytes are exported or imported at a time.
const pieceSize = 1 << 20

// writeView copies a view of the store in file to an output, and tells on a terminal how
// far it is.
func writeView(command *cobra.Command, file string, view state.View, kind content, output string) (err error) {
	reader, err := view.Open(command.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var done atomic.Int64
	stop := showProgress(command.ErrOrStderr(), func() (int64, int64) { return done.Load(), view.Size() })
	defer stop()
	return writeOutput(command, file, output, kind, func(out io.Writer) error {
		return copyView(command.Context(), out, reader, view.Size(), &done)
	})
}

func copyView(ctx context.Context, out io.Writer, reader state.Reader, size int64, done *atomic.Int64) error {
	piece := make([]byte, pieceSize)
	for offset := int64(0); offset < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := reader.ReadContext(ctx, piece[:min(int64(len(piece)), size-offset)], offset)
		if n == 0 {
			return fmt.Errorf("read the vectors at byte %d: %w", offset, err)
		}
		if _, err := out.Write(piece[:n]); err != nil {
			return err
		}
		offset += int64(n)
		done.Store(offset)
	}
	return nil
}

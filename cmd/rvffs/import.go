package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rvffs/store"
	"rvffs/store/ingest"
	"rvffs/store/vecio"
)

// importFlushInterval bounds what is lost of a slow standard input that breaks off.
const importFlushInterval = 5 * time.Second

// imported is what import tells in JSON of one input.
type imported struct {
	File    string `json:"file"`
	Input   string `json:"input"`
	Format  string `json:"format"`
	Vectors uint64 `json:"vectors"`
	Bytes   int64  `json:"bytes"`
	Epoch   uint32 `json:"epoch"`
}

func newImportCommand() *cobra.Command {
	var allowNonFinite bool
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "import FILE INPUT...",
		Short: "Append vectors from files to a store",
		Long: "import appends the vectors of each input, one after the other. The format goes by the input's extension, or by\n" +
			"its first bytes where that says nothing. An input of - is standard input. The store must exist.\n" +
			"Each input is all or nothing, but for a standard input that brings less than 16 MiB in 5 s: of that, what\n" +
			"has come stays every 5 s.",
		Args:              takes("FILE", "INPUT..."),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			results := make([]imported, 0, len(arguments)-1)
			err := withStore(command.Context(), arguments[0], toFill, func(s *store.Store) error {
				for _, input := range arguments[1:] {
					result, err := importFrom(command, s, input, allowNonFinite)
					if err != nil {
						return fmt.Errorf("import %s: %w", input, err)
					}
					result.File = arguments[0]
					results = append(results, result)
				}
				return nil
			})
			return errors.Join(err, printLines(answer, command.OutOrStdout(), results, func(r imported) string {
				format := r.Format
				if r.Bytes == 0 {
					format = "it is empty"
				}
				return fmt.Sprintf("%s: %d vectors from %s (%s), epoch %d", r.File, r.Vectors, r.Input, format, r.Epoch)
			}))
		},
	}
	command.Flags().BoolVar(&allowNonFinite, "allow-nonfinite", false, "accept NaN and infinities in binary formats")
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}

// importFrom appends one input.
func importFrom(command *cobra.Command, s *store.Store, input string, allowNonFinite bool) (result imported, err error) {
	in := command.InOrStdin()
	size := int64(0)
	if input != "-" {
		file, err := os.Open(input)
		if err != nil {
			return imported{}, err
		}
		in = file
		defer func() { _ = file.Close() }()
		info, err := file.Stat()
		if err != nil {
			return imported{}, err
		}
		if info.IsDir() {
			return imported{}, errors.New("it is a directory: name the files in it")
		}
		size = info.Size()
	}
	interval := time.Duration(0)
	if input == "-" {
		interval = importFlushInterval
	}
	format, _ := vecio.FormatOfSuffix(strings.ToLower(filepath.Ext(input)))
	result.Input, result.Epoch = input, s.Current().Epoch()
	stream, err := s.OpenAppend(command.Context(), ingest.StreamOptions{
		Format: format, AllowNonFinite: allowNonFinite, FlushInterval: interval,
		Report: func(r ingest.StreamReport) {
			result.Format = r.Format.String()
			if result.Vectors += r.Accepted; r.Epoch > 0 {
				result.Epoch = r.Epoch
			}
		},
	})
	if err != nil {
		return imported{}, err
	}
	stop := showProgress(command.ErrOrStderr(), func() (int64, int64) { return stream.Received(), size })
	if err = pour(command.Context(), stream, in); err != nil {
		err = stream.Refuse(err)
	}
	err = errors.Join(err, stream.Close(command.Context()))
	stop()
	result.Bytes = stream.Received()
	return result, err
}

// sink is a stream into a store.
type sink interface {
	Write(ctx context.Context, p []byte) (int, error)
}

// pour writes everything that comes from in to a stream.
func pour(ctx context.Context, out sink, in io.Reader) error {
	piece := make([]byte, pieceSize)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(piece)
		if n > 0 {
			if _, err := out.Write(ctx, piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// extraction is what the extracting commands can be told.
type extraction struct {
	strict bool
	answer *answerFlag
	verify *verifyMode
}

func (x *extraction) register(command *cobra.Command) {
	command.Flags().BoolVar(&x.strict, "strict-hashes", false, "extract nothing whose hash is wrong")
	x.answer = registerAnswer(command.Flags(), "print the header as JSON")
	x.verify = registerVerify(command.Flags())
}

// judge tells about an image that is not what its header says: as a warning, or as
// the failure that it is.
func (x *extraction) judge(command *cobra.Command, integrity compute.Integrity) error {
	err := integrity.Err()
	if err == nil || x.strict || integrity == compute.IntegrityUnreadable {
		return err
	}
	_, err = fmt.Fprintf(command.ErrOrStderr(), "warning: %v\n", err)
	return err
}

// saveView writes a view of the store in file to an output, if that has a name.
func saveView(command *cobra.Command, file string, view state.View, kind content, output string) error {
	if output == "" {
		return nil
	}
	reader, err := view.Open(command.Context())
	if err != nil {
		return err
	}
	err = writeOutput(command, file, output, kind, func(out io.Writer) error {
		_, err := io.Copy(out, io.NewSectionReader(state.ReaderAt(command.Context(), reader), 0, view.Size()))
		return err
	})
	return errors.Join(err, reader.Close())
}

// report prints the header, or a line; nothing if the image goes to the standard
// output.
func (x *extraction) report(command *cobra.Command, output string, header any, format string, values ...any) error {
	if output == "-" {
		return nil
	}
	return x.answer.printf(command.OutOrStdout(), header, format, values...)
}

func newExtractKernelCommand() *cobra.Command {
	var x extraction
	var architecture *choice[segments.KernelArchitecture]
	var cmdline string
	command := &cobra.Command{
		Use:               "extract-kernel FILE OUTPUT",
		Short:             "Write a store's kernel image to a file",
		Long:              "extract-kernel writes the first kernel image of a store, or that for an architecture, to OUTPUT; - is the standard output.",
		Args:              takes("FILE", "OUTPUT"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withCheckedStore(command.Context(), arguments[0], x.verify, func(s *store.Store) error {
				kernel, err := s.ExtractKernel(command.Context(), architecture.given()...)
				if err != nil {
					return err
				}
				if err := x.judge(command, kernel.Integrity); err != nil {
					return err
				}
				if err := errors.Join(saveView(command, arguments[0], kernel.Image, binary, arguments[1]), saveView(command, arguments[0], kernel.Cmdline, text, cmdline)); err != nil {
					return err
				}
				return x.report(command, arguments[1], kernel.Describe(), "%s: %s kernel of %d bytes, hash %s\n",
					arguments[0], kernel.Header.Architecture, kernel.Image.Size(), kernel.Integrity)
			})
		},
	}
	architecture = among(command.Flags(), "arch", "", "", "", segments.ParseKernelArchitecture, wordsOf(segments.ParseKernelArchitecture))
	command.Flags().StringVar(&cmdline, "cmdline", "", "write the command line to this `file`")
	x.register(command)
	return command
}

func newExtractEBPFCommand() *cobra.Command {
	var x extraction
	var kind *choice[segments.EBPFProgramType]
	var types string
	command := &cobra.Command{
		Use:               "extract-ebpf FILE OUTPUT",
		Short:             "Write a store's eBPF program to a file",
		Long:              "extract-ebpf writes the first eBPF program of a store, or that of a type, to OUTPUT; - is the standard output.",
		Args:              takes("FILE", "OUTPUT"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withCheckedStore(command.Context(), arguments[0], x.verify, func(s *store.Store) error {
				program, err := s.ExtractEBPF(command.Context(), kind.given()...)
				if err != nil {
					return err
				}
				if err := x.judge(command, program.Integrity); err != nil {
					return err
				}
				if err := errors.Join(saveView(command, arguments[0], program.Image, binary, arguments[1]), saveView(command, arguments[0], program.BTF, binary, types)); err != nil {
					return err
				}
				return x.report(command, arguments[1], program.Describe(), "%s: %s program of %d bytes, hash %s\n",
					arguments[0], program.Header.ProgramType, program.Image.Size(), program.Integrity)
			})
		},
	}
	kind = among(command.Flags(), "type", "", "", "", segments.ParseEBPFProgramType, wordsOf(segments.ParseEBPFProgramType))
	command.Flags().StringVar(&types, "btf", "", "write the type information to this `file`")
	x.register(command)
	return command
}

func newExtractWASMCommand() *cobra.Command {
	var x extraction
	var role *choice[segments.WASMRole]
	command := &cobra.Command{
		Use:               "extract-wasm FILE OUTPUT",
		Short:             "Write a store's WebAssembly module to a file",
		Long:              "extract-wasm writes the module that starts first, or that of a role, to OUTPUT; - is the standard output.",
		Args:              takes("FILE", "OUTPUT"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withCheckedStore(command.Context(), arguments[0], x.verify, func(s *store.Store) error {
				modules, err := s.ExtractWASM(command.Context())
				if err != nil {
					return err
				}
				for _, module := range modules {
					if role.word != "" && module.Header.Role != role.value {
						continue
					}
					if err := x.judge(command, module.Integrity); err != nil {
						return err
					}
					if err := saveView(command, arguments[0], module.Image, binary, arguments[1]); err != nil {
						return err
					}
					return x.report(command, arguments[1], module.Describe(), "%s: %s module of %d bytes, hash %s\n",
						arguments[0], module.Header.Role, module.Image.Size(), module.Integrity)
				}
				return fmt.Errorf("extract WASM module from store %q: %w", arguments[0], volume.ErrNotFound)
			})
		},
	}
	role = among(command.Flags(), "role", "", "", "", segments.ParseWASMRole, wordsOf(segments.ParseWASMRole))
	x.register(command)
	return command
}

func newExtractDashboardCommand() *cobra.Command {
	var x extraction
	command := &cobra.Command{
		Use:               "extract-dashboard FILE DIRECTORY",
		Short:             "Write the files of a store's dashboard into a new directory",
		Args:              takes("FILE", "DIRECTORY"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withCheckedStore(command.Context(), arguments[0], x.verify, func(s *store.Store) error {
				dashboard, err := s.ExtractDashboard(command.Context())
				if err != nil {
					return err
				}
				if err := x.judge(command, dashboard.Integrity); err != nil {
					return err
				}
				if dashboard.Header.Compression != segments.DashboardUncompressed {
					return fmt.Errorf("the bundle is compressed with %s, which cannot be read", dashboard.Header.Compression)
				}
				if err := os.Mkdir(arguments[1], 0o777); errors.Is(err, os.ErrExist) {
					return fmt.Errorf("%s is there already: name a directory that is to be made", arguments[1])
				} else if err != nil {
					return err
				}
				for _, file := range dashboard.Files {
					name := filepath.Join(arguments[1], filepath.FromSlash(file.Name))
					if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
						return err
					}
					if err := saveView(command, arguments[0], file.View, binary, name); err != nil {
						return err
					}
				}
				return x.report(command, arguments[1], dashboard.Describe(), "%s: dashboard of %d files, hash %s\n",
					arguments[0], len(dashboard.Files), dashboard.Integrity)
			})
		},
	}
	x.register(command)
	return command
}

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/volume"
)

func newEmbedEBPFCommand() *cobra.Command {
	var types string
	var kind *choice[segments.EBPFProgramType]
	var attach *choice[segments.EBPFAttachType]
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "embed-ebpf FILE PROGRAM",
		Short: "Put an eBPF program into a store",
		Long: "embed-ebpf puts an eBPF program into a store and replaces that of the same type.\n" +
			"Program type and attach type are told from the program's sections unless flags say them.",
		Args:              takes("FILE", "PROGRAM"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			var header segments.EBPFHeader
			put := func(s *store.Store, program io.ReaderAt, size int64) (epoch uint32, err error) {
				if header, err = ebpfHeader(program, size, kind.given(), attach.given()); err != nil {
					return 0, err
				}
				header.MaxDimension = uint16(s.Current().Dimension())
				btf, err := readSmallFile(types, segments.MaxEBPF)
				if err != nil {
					return 0, err
				}
				return s.EmbedEBPF(command.Context(), program, size, btf, compute.EBPFConfig{Header: header})
			}
			return embedFile(command, arguments[0], "eBPF program", arguments[1], answer, put, func(s *store.Store) (any, error) {
				program, err := s.ExtractEBPF(command.Context(), header.ProgramType)
				if err != nil {
					return nil, err
				}
				return program.Describe(), nil
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&types, "btf", "", "a `file` with the program's type information")
	kind = among(flags, "type", "", "", "", segments.ParseEBPFProgramType, wordsOf(segments.ParseEBPFProgramType))
	attach = among(flags, "attach", "", "", "", segments.ParseEBPFAttachType, wordsOf(segments.ParseEBPFAttachType))
	answer = registerAnswer(flags, printsJSON)
	return command
}

// ebpfHeader is what a program says of itself, but for what is said of it.
func ebpfHeader(program io.ReaderAt, size int64, kinds []segments.EBPFProgramType, attaches []segments.EBPFAttachType) (segments.EBPFHeader, error) {
	header, err := segments.DetectEBPF(program, size)
	if err != nil {
		return header, fmt.Errorf("look at the program: %w", err)
	}
	for _, kind := range kinds {
		header.ProgramType = kind
	}
	for _, attach := range attaches {
		header.AttachType = attach
	}
	return header, nil
}

// readSmallFile reads a file of up to limit bytes; no name is an empty file.
func readSmallFile(name string, limit int64) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes", name, volume.ErrTooLarge, info.Size())
	}
	return os.ReadFile(name)
}

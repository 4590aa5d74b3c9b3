package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
)

func newEmbedKernelCommand() *cobra.Command {
	var architecture *choice[segments.KernelArchitecture]
	var kind *choice[segments.KernelType]
	var cmdline string
	var port uint16
	var compress, bind bool
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "embed-kernel FILE IMAGE",
		Short: "Put a kernel image into a store",
		Long: "embed-kernel puts a kernel image into a store and replaces that of the same architecture.\n" +
			"Architecture and type are told from the image unless flags say them.",
		Args:              takes("FILE", "IMAGE"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			var header segments.KernelHeader
			put := func(s *store.Store, image io.ReaderAt, size int64) (epoch uint32, err error) {
				if header, err = kernelHeader(image, size, architecture.given(), kind.given()); err != nil {
					return 0, err
				}
				if port != 0 {
					header.Port, header.Transport = port, segments.KernelTCPHTTP
				}
				config := compute.KernelConfig{Header: header, Cmdline: cmdline, Compress: compress}
				if !bind {
					return s.EmbedKernel(command.Context(), image, size, config)
				}
				root, err := s.Current().ParentHash(command.Context())
				if err != nil {
					return 0, err
				}
				return s.EmbedKernelWithBinding(command.Context(), image, size, config, segments.KernelBinding{ManifestRootHash: root, Version: 1})
			}
			return embedFile(command, arguments[0], "kernel", arguments[1], answer, put, func(s *store.Store) (any, error) {
				kernel, err := s.ExtractKernel(command.Context(), header.Architecture)
				if err != nil {
					return nil, err
				}
				return kernel.Describe(), nil
			})
		},
	}
	flags := command.Flags()
	architecture = among(flags, "arch", "", "", "", segments.ParseKernelArchitecture, wordsOf(segments.ParseKernelArchitecture))
	kind = among(flags, "type", "", "", "", segments.ParseKernelType, wordsOf(segments.ParseKernelType))
	flags.StringVar(&cmdline, "cmdline", "", "the kernel's command `line`")
	flags.Uint16Var(&port, "port", 0, "the `port` of the kernel's API")
	flags.BoolVar(&compress, "compress", false, "store the image compressed with zstd if that saves a tenth")
	flags.BoolVar(&bind, "bind", false, "bind the kernel to the manifest as it is now")
	answer = registerAnswer(flags, printsJSON)
	return command
}

// kernelHeader is what an image says of itself, but for what is said of it.
func kernelHeader(image io.ReaderAt, size int64, architectures []segments.KernelArchitecture, kinds []segments.KernelType) (segments.KernelHeader, error) {
	header, err := segments.DetectKernel(image, size)
	if err != nil {
		return header, fmt.Errorf("look at the image: %w", err)
	}
	for _, architecture := range architectures {
		header.Architecture = architecture
	}
	for _, kind := range kinds {
		header.Type = kind
	}
	return header, nil
}

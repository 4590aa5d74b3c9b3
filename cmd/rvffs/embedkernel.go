package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
)

func newEmbedKernelCommand() *cobra.Command {
	var architecture, cmdline string
	var port uint16
	command := &cobra.Command{
		Use:   "embed-kernel FILE IMAGE",
		Short: "Put a kernel image into a store",
		Args:  cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			chosen, err := segments.ParseKernelArchitecture(architecture)
			if err != nil {
				return err
			}
			image, err := os.Open(arguments[1])
			if err != nil {
				return err
			}
			info, err := image.Stat()
			if err == nil {
				err = withStore(arguments[0], store.Open, func(s *store.Store) error {
					header := segments.KernelHeader{Architecture: chosen, Type: segments.KernelCustom, Port: port}
					epoch, err := s.WriteKernel(command.Context(), header, image, info.Size(), cmdline)
					if err == nil {
						_, err = fmt.Fprintf(command.OutOrStdout(), "%s: epoch %d, kernel of %d bytes\n", arguments[0], epoch, info.Size())
					}
					return err
				})
			}
			return errors.Join(err, image.Close())
		},
	}
	command.Flags().StringVar(&architecture, "arch", "x86_64", "x86_64, aarch64, riscv64, universal or unknown")
	command.Flags().StringVar(&cmdline, "cmdline", "", "the kernel's command line")
	command.Flags().Uint16Var(&port, "port", 0, "of the kernel's API")
	return command
}

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
)

func newEmbedWASMCommand() *cobra.Command {
	var role, target string
	var priority uint8
	var compress bool
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "embed-wasm FILE MODULE",
		Short: "Put a WebAssembly module into a store",
		Long: "embed-wasm puts a WebAssembly module into a store and replaces that of the same role and target.\n" +
			"The target is told from the module unless a flag says it.",
		Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			var header segments.WASMHeader
			put := func(s *store.Store, module io.ReaderAt, size int64) (epoch uint32, err error) {
				if header, err = segments.DetectWASM(module, size); err != nil {
					return 0, fmt.Errorf("look at the module: %w", err)
				}
				if header.Role, err = segments.ParseWASMRole(role); err != nil {
					return 0, err
				}
				if target != "" {
					if header.Target, err = segments.ParseWASMTarget(target); err != nil {
						return 0, err
					}
				}
				header.BootstrapPriority = priority
				return s.EmbedWASM(command.Context(), module, size, compute.WASMConfig{Header: header, Compress: compress})
			}
			return embedFile(command, arguments[0], "WASM module", arguments[1], answer, put, func(s *store.Store) (any, error) {
				modules, err := s.ExtractWASM(command.Context())
				for _, module := range modules {
					if module.Header.Role == header.Role && module.Header.Target == header.Target {
						return module.Describe(), err
					}
				}
				return nil, err
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&role, "role", "extension", "microkernel, interpreter, combined, extension or control-plane")
	flags.StringVar(&target, "target", "", "wasm32, wasi-p1, wasi-p2, browser or bare-tile")
	flags.Uint8Var(&priority, "priority", 0, "of the module at bootstrap, the lowest first")
	flags.BoolVar(&compress, "compress", false, "store the module compressed with zstd if that saves a tenth")
	answer = registerAnswer(flags, printsJSON)
	return command
}

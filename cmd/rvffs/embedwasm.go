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
	var role *choice[segments.WASMRole]
	var target *choice[segments.WASMTarget]
	var priority uint8
	var compress bool
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "embed-wasm FILE MODULE",
		Short: "Put a WebAssembly module into a store",
		Long: "embed-wasm puts a WebAssembly module into a store and replaces that of the same role and target.\n" +
			"The target is told from the module unless a flag says it.",
		Args:              takes("FILE", "MODULE"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			var header segments.WASMHeader
			put := func(s *store.Store, module io.ReaderAt, size int64) (epoch uint32, err error) {
				if header, err = segments.DetectWASM(module, size); err != nil {
					return 0, fmt.Errorf("look at the module: %w", err)
				}
				header.Role = role.value
				if target.word != "" {
					header.Target = target.value
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
	role = among(flags, "role", "", segments.WASMExtension.String(), "", segments.ParseWASMRole, wordsOf(segments.ParseWASMRole))
	target = among(flags, "target", "", "", "", segments.ParseWASMTarget, wordsOf(segments.ParseWASMTarget))
	flags.Uint8Var(&priority, "priority", 0, "`place` of the module at bootstrap, the lowest first")
	flags.BoolVar(&compress, "compress", false, "store the module compressed with zstd if that saves a tenth")
	answer = registerAnswer(flags, printsJSON)
	return command
}

package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// commands lists the subcommands, each made by a function of its own file.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newMountCommand(),
		newUmountCommand(),
		newCreateCommand(),
		newImportCommand(),
		newExportCommand(),
		newDeleteCommand(),
		newInspectCommand(),
		newDeriveCommand(),
		newEmbedKernelCommand(),
		newExtractKernelCommand(),
		newEmbedEBPFCommand(),
		newExtractEBPFCommand(),
		newEmbedWASMCommand(),
		newExtractWASMCommand(),
		newEmbedDashboardCommand(),
		newExtractDashboardCommand(),
		newRemoveCommand(),
		newRmCommand(),
		newCompactCommand(),
		newStatusCommand(),
		newVerifyCommand(),
		newRecoverCommand(),
		newQueryCommand(),
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "rvffs",
		Short:         "Vector stores as a file system",
		Long:          "rvffs mounts a directory of RVF vector stores: each store becomes a folder of files.",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(commands()...)
	return root
}

// version is that of the module, as the build recorded it.
func version() string {
	info, known := debug.ReadBuildInfo()
	if !known || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// asHelper puts `mount` before arguments that come without a subcommand. So does
// the system's mount program call a file system: SOURCE MOUNTPOINT -o OPTIONS.
func asHelper(root *cobra.Command, arguments []string) []string {
	if len(arguments) < 2 || strings.HasPrefix(arguments[0], "-") {
		return arguments
	}
	for _, command := range root.Commands() {
		if command.Name() == arguments[0] || command.HasAlias(arguments[0]) {
			return arguments
		}
	}
	if info, err := os.Stat(arguments[0]); err != nil || !info.IsDir() {
		return arguments
	}
	return append([]string{"mount"}, arguments...)
}

// followLinks is the file that a path leads to through symlinks, or the path itself where
// it leads nowhere.
func followLinks(path string) string {
	if plain, err := filepath.EvalSymlinks(path); err == nil {
		return plain
	}
	return path
}

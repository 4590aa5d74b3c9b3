package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		newBranchCommand(),
		newLineageCommand(),
		newEmbedKernelCommand(),
		newExtractKernelCommand(),
		newEmbedEBPFCommand(),
		newExtractEBPFCommand(),
		newEmbedWASMCommand(),
		newExtractWASMCommand(),
		newEmbedDashboardCommand(),
		newExtractDashboardCommand(),
		newFreezeCommand(),
		newRemoveCommand(),
		newRmCommand(),
		newCompactCommand(),
		newSettleCommand(),
		newFlattenCommand(),
		newStatusCommand(),
		newVerifyCommand(),
		newRecoverCommand(),
		newQueryCommand(),
		newS3Command(),
		newVersionCommand(),
		newHoldersCommand(),
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "rvffs COMMAND",
		Short:         "Vector stores as a file system",
		Long:          "rvffs mounts a directory of RVF vector stores: each store becomes a folder of files.",
		Version:       version(),
		Args:          cobra.ArbitraryArgs,
		RunE:          runRoot,
		SilenceUsage:  true,
		SilenceErrors: true,
		// As far as a slip of the fingers goes.
		SuggestionsMinimumDistance: 2,
	}
	root.PersistentFlags().StringVar(new(string), "endpoint", "", "the server's `URL` for files in buckets, s3://BUCKET/NAME.rvf, where it is not Amazon's (default: AWS_ENDPOINT_URL)")
	root.PersistentPreRunE = useEndpoint
	root.SetVersionTemplate("rvffs {{.Version}}\n")
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error { return misused(command, plainly(err)) })
	root.AddCommand(commands()...)
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName { return pflag.NormalizedName(hyphens(name)) })
	root.SetHelpCommand(newHelpCommand())
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.Name() == "completion" {
			demandShell(command)
		}
		completeFlags(command)
	}
	return root
}

// ownName is the name by which this program calls itself.
const ownName = "rvffs"

// helperName begins the name by which the system's mount program calls its helpers.
const helperName = "mount."

// asHelper puts `mount` before arguments that come without a subcommand. So does
// the system's mount program call a file system, by a name of ours or of a helper:
// SOURCE MOUNTPOINT -o OPTIONS. For helpers -f, -n and -v mean other things than for us.
func asHelper(root *cobra.Command, called string, arguments []string) []string {
	if strings.HasPrefix(filepath.Base(called), helperName) {
		words := []string{"mount"}
		for _, argument := range arguments {
			switch argument {
			case "-n", "-v": // no table is written, nothing is told
			case "-f":
				words = append(words, "--fake")
			default:
				words = append(words, argument)
			}
		}
		return words
	}
	if len(arguments) < 2 || strings.HasPrefix(arguments[0], "-") {
		return arguments
	}
	for _, command := range root.Commands() {
		if command.Name() == arguments[0] || command.HasAlias(arguments[0]) {
			return arguments
		}
	}
	if !isDirectory(arguments[0]) && !asked(root, arguments) {
		return arguments
	}
	return append([]string{"mount"}, arguments...)
}

// asked reports whether arguments are those of a mount by the system's program: its mount point
// is there, but perhaps no directory of stores.
func asked(root *cobra.Command, arguments []string) bool {
	return len(arguments) > 2 && arguments[2] == "-o" && isDirectory(arguments[1]) && len(root.SuggestionsFor(arguments[0])) == 0
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rvffs/fs"
	"rvffs/store/compute"
)

// offerer is a flag value of which the words are known.
type offerer interface{ Words() []string }

// completeFlags has the shell offer the words of every flag that has any.
func completeFlags(command *cobra.Command) {
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if value, knows := flag.Value.(offerer); knows {
			_ = command.RegisterFlagCompletionFunc(flag.Name, func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
				return endings(value.Words(), begun)
			})
		}
	})
}

// endings are the words that go on as the last part of what was begun, a list with commas
// between. One that wants a value has no space behind it.
func endings(words []string, begun string) (offered []string, directive cobra.ShellCompDirective) {
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	directive = cobra.ShellCompDirectiveNoFileComp
	for _, word := range words {
		if word = before + word; strings.HasPrefix(word, begun) {
			offered = append(offered, word)
			if strings.HasSuffix(word, "=") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
	}
	return offered, directive
}

// offers is what the shell offers for one operand after the other; the last goes for all
// that follow.
func offers(each ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(command *cobra.Command, arguments []string, begun string) ([]string, cobra.ShellCompDirective) {
		return each[min(len(arguments), len(each)-1)](command, arguments, begun)
	}
}

// offerStores offers stores, and folders on the way to them.
func offerStores(_ *cobra.Command, _ []string, begun string) (offered []string, directive cobra.ShellCompDirective) {
	folder, _ := filepath.Split(begun)
	names, err := filepath.Glob(literal(folder) + "*")
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	for _, name := range names {
		if !strings.HasPrefix(name, begun) || strings.HasPrefix(filepath.Base(name), ".") {
			continue
		}
		switch {
		case mayBeStore(storeFile(name)):
			offered = append(offered, name)
		case isDirectory(name):
			offered = append(offered, name+"/")
		}
	}
	if !slices.ContainsFunc(offered, func(name string) bool { return strings.HasSuffix(name, "/") }) {
		directive = cobra.ShellCompDirectiveNoFileComp
	}
	return offered, directive
}

// literal is a name as a pattern that means nothing else.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// offerFiles leaves it to the shell, which offers files.
func offerFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// offerFolders offers directories.
func offerFolders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// offerNothing offers nothing: what comes can be anything, or nothing comes.
func offerNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// offerParts offers what a store can carry besides its vectors.
func offerParts(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return endings(compute.Folders(), begun)
}

// offerMounts offers where stores are mounted.
func offerMounts(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	mounts, err := fs.Mounts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	var places []string
	for _, m := range mounts {
		if m.Ours() {
			places = append(places, m.Point)
		}
	}
	return endings(places, begun)
}

// isDirectory reports whether a name leads to a directory.
func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

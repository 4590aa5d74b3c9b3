package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// statusMisused is the exit status of a command that was called in a way that means nothing.
const statusMisused = 2

// misuse is such a call: people see how the command is called instead.
type misuse struct {
	command *cobra.Command
	err     error
}

// misused says that a command was called in a way that means nothing.
func misused(command *cobra.Command, err error) error {
	var already *misuse
	if err == nil || errors.As(err, &already) {
		return err
	}
	return &misuse{command, err}
}

// Error gives the reason, and the line by which the command is called.
func (m *misuse) Error() string {
	path, who := m.command.CommandPath(), ""
	if m.command.HasParent() {
		who = m.command.Name() + ": "
	}
	return fmt.Sprintf("%s%v\nusage: %s\n%s --help tells more", who, m.err, m.command.UseLine(), path)
}

// Unwrap gives the reason alone.
func (m *misuse) Unwrap() error { return m.err }

// takes checks that a command is given what its usage line names: a name in brackets may be
// left out, and of one that ends in dots there may be several.
func takes(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, arguments []string) error {
		var missing []string
		for i := len(arguments); i < len(names); i++ {
			if !strings.HasPrefix(names[i], "[") {
				missing = append(missing, strings.TrimSuffix(names[i], "..."))
			}
		}
		for i, argument := range arguments {
			if argument == "" && len(names) > 0 {
				return misused(command, fmt.Errorf("%s is empty", strings.TrimSuffix(strings.Trim(names[min(i, len(names)-1)], "[]"), "...")))
			}
		}
		switch {
		case len(missing) == 1:
			return misused(command, fmt.Errorf("%s is missing", missing[0]))
		case len(missing) > 1:
			return misused(command, fmt.Errorf("%s are missing", strings.Join(missing, " and ")))
		case len(arguments) > len(names) && (len(names) == 0 || !strings.HasSuffix(strings.TrimSuffix(names[len(names)-1], "]"), "...")):
			return misused(command, fmt.Errorf("%q is one argument too many", arguments[len(names)]))
		}
		return nil
	}
}

// runRoot shows what there is to somebody who names no command.
func runRoot(root *cobra.Command, arguments []string) error {
	if len(arguments) == 0 {
		return root.Help()
	}
	return noCommand(root, arguments[0])
}

// noCommand says that a command has none of a name below it, and which it has.
func noCommand(above *cobra.Command, name string) error {
	hint := "there are " + strings.Join(namesBelow(above), ", ")
	if near := above.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return misused(above, fmt.Errorf("there is no command %q: %s", name, hint))
}

// namesBelow are the names of the commands below one that people are told of.
func namesBelow(above *cobra.Command) (names []string) {
	for _, command := range above.Commands() {
		if command.IsAvailableCommand() {
			names = append(names, command.Name())
		}
	}
	return names
}

// newHelpCommand tells of a command what its flag --help does.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell how a command is called",
		Args:  takes("[COMMAND...]"),
		ValidArgsFunction: func(command *cobra.Command, arguments []string, begun string) ([]string, cobra.ShellCompDirective) {
			about, err := commandAt(command.Root(), arguments)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return endings(namesBelow(about), begun)
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			about, err := commandAt(command.Root(), arguments)
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// commandAt is the command to which names lead, one below the other.
func commandAt(command *cobra.Command, names []string) (*cobra.Command, error) {
next:
	for _, name := range names {
		for _, below := range command.Commands() {
			if below.Name() == name || below.HasAlias(name) {
				command = below
				continue next
			}
		}
		if !command.HasSubCommands() {
			return nil, misused(command, fmt.Errorf("%q is one argument too many", name))
		}
		return nil, noCommand(command, name)
	}
	return command, nil
}

// demandShell mends the library's command, which shows its help where it does not know the
// shell, as if nothing were wrong.
func demandShell(completion *cobra.Command) {
	completion.Use = "completion SHELL"
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(command *cobra.Command, arguments []string) error {
		if len(arguments) == 0 {
			return misused(command, fmt.Errorf("SHELL is missing: say one of %s", strings.Join(namesBelow(command), ", ")))
		}
		return misused(command, fmt.Errorf("there is no script for %q: say one of %s", arguments[0], strings.Join(namesBelow(command), ", ")))
	}
	for _, shell := range completion.Commands() {
		shell.Args = takes()
	}
}

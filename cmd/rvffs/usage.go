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
		switch {
		case len(missing) > 0:
			return misused(command, fmt.Errorf("%s is missing", strings.Join(missing, " and ")))
		case len(arguments) > len(names) && !strings.HasSuffix(strings.TrimSuffix(names[len(names)-1], "]"), "..."):
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
	hint := "rvffs --help lists those there are"
	if near := root.SuggestionsFor(arguments[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return misused(root, fmt.Errorf("there is no command %q: %s", arguments[0], hint))
}

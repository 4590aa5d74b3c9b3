package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// fact is one line of what a command tells people.
type fact struct {
	name  string
	value any
}

// printFacts writes aligned lines for people.
func printFacts(out io.Writer, facts []fact) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range facts {
		if _, err := fmt.Fprintf(table, "%s\t%s\n", f.name, printable(fmt.Sprint(f.value))); err != nil {
			return err
		}
	}
	return table.Flush()
}

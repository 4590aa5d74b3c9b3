package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"rvffs/lineage/chart"
)

// answerFlag is the flag --json: whether a command tells what came of it to programs,
// and not to people.
type answerFlag struct{ json bool }

// registerAnswer declares the flag for a command.
func registerAnswer(flags *pflag.FlagSet, usage string) *answerFlag {
	a := &answerFlag{}
	flags.BoolVar(&a.json, "json", false, usage)
	return a
}

// printsJSON is what the flag means for most commands.
const printsJSON = "print JSON"

// print writes the document for programs, or lets people write what people are told.
func (a *answerFlag) print(out io.Writer, document any, people func(io.Writer) error) error {
	if a.json {
		return a.printJSON(out, document)
	}
	return people(out)
}

// printf is print for what people are told in a line. What a terminal would not take for
// letters, as names can hold it, is written as in JSON.
func (a *answerFlag) printf(out io.Writer, document any, format string, values ...any) error {
	return a.print(out, document, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, format, inLetters(values)...)
		return err
	})
}

// inLetters are values of which names are printable.
func inLetters(values []any) []any {
	shown := slices.Clone(values)
	for i, value := range shown {
		if name, is := value.(string); is {
			shown[i] = chart.Printable(name)
		}
	}
	return shown
}

// printable is text of several lines of which all that names hold is printable.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = chart.Printable(line)
	}
	return strings.Join(lines, "\n")
}

// tell tells people of what a command noticed besides its answer.
func tell(format string, values ...any) {
	_, _ = fmt.Fprintln(os.Stderr, "rvffs:", printable(fmt.Sprintf(format, values...)))
}

// printLines is print for a list, of whose members people are told a line each.
func printLines[T any](a *answerFlag, out io.Writer, list []T, line func(T) string) error {
	return a.print(out, list, func(out io.Writer) error {
		for _, one := range list {
			if _, err := fmt.Fprintln(out, printable(line(one))); err != nil {
				return err
			}
		}
		return nil
	})
}

// printJSON writes the document for programs, and nothing for people.
func (a *answerFlag) printJSON(out io.Writer, document any) error {
	if !a.json {
		return nil
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

package chart

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"rvffs/lineage"
)

const (
	// deepestDrawn is how many levels are drawn; of those further down the number is said.
	deepestDrawn = 32
	// longestName is how wide the column of names is at most, in letters.
	longestName = 80
)

// Text draws a pedigree for a terminal, one store a line.
func Text(out io.Writer, p lineage.Pedigree) error {
	width := 0
	drawn := make([]string, len(p.Stores))
	stems := make([]string, 0, deepestDrawn) // what is drawn below the store of each level
	for i := range p.Stores {
		store := &p.Stores[i]
		name := Printable(store.File)
		if store.Level > 0 {
			stems = stems[:min(store.Level-1, len(stems))]
			branch, stem := "├── ", "│   "
			if store.Last {
				branch, stem = "└── ", "    "
			}
			if store.Level > deepestDrawn {
				branch = fmt.Sprintf("level %d: ", store.Level)
			}
			drawn[i] = strings.Join(stems, "") + branch
			if store.Level < deepestDrawn {
				stems = append(stems, stem)
			}
		}
		drawn[i] += name
		if letters := utf8.RuneCountInString(drawn[i]); letters <= longestName {
			width = max(width, letters)
		}
	}
	for i, line := range drawn {
		store := p.Stores[i].Account
		pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(line)))
		said := strings.TrimRight(fmt.Sprintf("%s%s  %-10s  %s", line, pad, store.Verification.Status, details(store)), " ")
		if _, err := fmt.Fprintln(out, said); err != nil {
			return err
		}
	}
	if p.More > 0 {
		_, err := fmt.Fprintf(out, "%d more stores are not shown\n", p.More)
		return err
	}
	return nil
}

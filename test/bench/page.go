package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// section is what came of one group of measurements, as it stands in the page.
type section struct{ row, text string }

// leastRounds is from how many turns on a figure goes into the page.
const leastRounds = 5

// endSection makes a section of what was measured since the last one. Steal is the share of the
// CPUs that the host took away meanwhile.
func (b *bench) endSection(r row, steal float64) {
	b.machine.steal = steal
	b.sections = append(b.sections, section{r.name, b.report(r)})
	b.lines, b.missing = nil, b.missing[:b.missingAnyway]
	b.machine.date, b.machine.load = time.Now(), loadNow()
}

// joinSections is their text.
func joinSections(sections []section) string {
	var out strings.Builder
	for _, s := range sections {
		out.WriteString(s.text)
	}
	return out.String()
}

// The markers between which a page holds the sections.
const (
	tableBegin = "<!-- make bench: begin -->\n"
	tableEnd   = "<!-- make bench: end -->\n"
)

// headingMark begins the line above each section, where the name of its row follows.
const headingMark = "### "

// replaceSections puts sections between the markers of a page, in the place of those of the same
// rows. All stand in the order of the rows, and one of no row falls out.
func replaceSections(page string, fresh []section) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	held, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("%s: no markers for the tables", page)
	}
	all := append(slices.Clone(fresh), parseSections(held)...)
	var kept []section
	for _, r := range rows {
		if i := slices.IndexFunc(all, func(s section) bool { return s.row == r.name }); i >= 0 {
			kept = append(kept, all[i])
		}
	}
	temporary := filepath.Join(filepath.Dir(page), "."+filepath.Base(page)+".new")
	if err := os.WriteFile(temporary, []byte(before+tableBegin+joinSections(kept)+tableEnd+after), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, page)
}

// parseSections takes a page's sections apart.
func parseSections(text string) (sections []section) {
	for part := range strings.SplitSeq("\n"+text, "\n"+headingMark) {
		name, _, named := strings.Cut(part, ":")
		if named && !strings.Contains(name, "\n") {
			sections = append(sections, section{name, headingMark + strings.TrimSuffix(part, "\n") + "\n\n"})
		}
	}
	return sections
}

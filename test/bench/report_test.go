package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImplausibleFigures are called so, and decide nothing.
func TestImplausibleFigures(t *testing.T) {
	t.Parallel()
	reading := sample{26e9, 25e9, 27e9}
	for name, test := range map[string]struct {
		peer   sample
		bounds []bound
		doubt  string // begins so
		met    string
	}{
		"as it should be":  {sample{30e9, 31e9, 29e9}, []bound{{atLeast: true, of: reading, what: "reading"}}, "", "yes"},
		"within the noise": {sample{25e9, 25e9, 25e9}, []bound{{atLeast: true, of: reading, what: "reading"}}, "", "yes"},
		"page faults":      {sample{1.1e9, 1.2e9, 1e9}, []bound{{atLeast: true, of: reading, what: "reading"}}, "less than reading", "not decided"},
		"not cold":         {sample{40e9, 40e9, 40e9}, []bound{{of: reading, what: "warm"}}, "more than warm", "not decided"},
		"a restless disk":  {sample{474, 1778, 1902}, nil, "its turns differ by a factor of 4.0", "not decided"},
		"no peer":          {nil, []bound{{atLeast: true, of: reading, what: "reading"}}, "", "not measured"},
	} {
		l := line{unit: throughput, ours: sample{30e9}, theirs: test.peer, moreIsBetter: true, target: 0.7, bounds: test.bounds}
		if got := l.doubt(); got != test.doubt {
			t.Errorf("%s: the doubt is %q, want %q", name, got, test.doubt)
		}
		if _, _, met := l.verdict(); met != test.met {
			t.Errorf("%s: met: %s, want %s", name, met, test.met)
		}
		b := bench{lines: []line{l}}
		if said := strings.Contains(b.report(row{}), "**implausible**"); said != (test.doubt != "") {
			t.Errorf("%s: said in the table: %v", name, said)
		}
	}
}

// TestSectionsTakeTheirPlaces in a page: those that were measured anew are replaced, all others
// stay as they were, and what stands around them does.
func TestSectionsTakeTheirPlaces(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	const before, after = "# Figures\n\n" + tableBegin, tableEnd + "### how: it is done\n"
	of := func(name, figures string) section {
		return section{name, headingMark + name + ": about it\n\n" + figures + "\n\n"}
	}
	old := []section{of("append", "old"), of("gone", "old"), of("open", "old\n\n| more |")}
	if err := os.WriteFile(page, []byte(before+joinSections(old)+after), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceSections(page, []section{of("open", "new"), of("small", "new")}); err != nil {
		t.Fatal(err)
	}
	want := before + joinSections([]section{of("append", "old"), of("small", "new"), of("open", "new")}) + after
	if got := readText(page); got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(page, []byte("# no markers\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if replaceSections(page, old) == nil {
		t.Error("a page without markers was taken")
	}
}

package main

import (
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
		if said := strings.Contains(b.report(), "**implausible**"); said != (test.doubt != "") {
			t.Errorf("%s: said in the table: %v", name, said)
		}
	}
}

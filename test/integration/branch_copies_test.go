package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// familyWords are what people say to stores, for scripts: P makes a parent of 40 vectors, K
// takes half of them away for good, and B and N are a branch and what it shows.
const familyWords = `
P() { mkdir -p $1/o; "$rvffs" create $1/p.rvf --dimension 2; for i in $(seq 0 39); do echo "{\"id\":$i,\"vector\":[$i,1]}"; done | "$rvffs" import $1/p.rvf -; }
B() { "$rvffs" branch $1 $2; }
K() { "$rvffs" delete $1 $(seq 0 19); "$rvffs" compact $1; }
N() { "$rvffs" export $1 -f csv >/dev/null; "$rvffs" export $1 -f jsonl | grep -c vector; }
refused() { if "$@" 2>said; then echo "not refused: $*" >&2; exit 1; fi; cat said; }
`

// TestWhatIsDoneToFilesOfAFamilyTakesNothingFromABranch: where it is not known what a branch
// shows, or whether there is one, it is kept.
func TestWhatIsDoneToFilesOfAFamilyTakesNothingFromABranch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, says string }{
		"a branch is compacted while its parent is elsewhere": {
			script: `P t; B t/p.rvf t/b.rvf; B t/b.rvf t/bb.rvf; mkdir far; mv t/p.rvf far/; "$rvffs" compact t/b.rvf; mv far/p.rvf t/; N t/bb.rvf`,
		},
		"a copy is flattened":                       {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/b2.rvf; "$rvffs" flatten t/b2.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy that comes first is flattened":      {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/a.rvf; "$rvffs" flatten t/a.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy of one elsewhere is flattened":      {script: `P t; B t/p.rvf t/o/b.rvf; cp t/o/b.rvf t/b2.rvf; "$rvffs" flatten t/b2.rvf; K t/p.rvf; K t/p.rvf; N t/o/b.rvf`},
		"a copy elsewhere is flattened":             {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/o/b2.rvf; "$rvffs" flatten t/o/b2.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy is removed":                         {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/b2.rvf; "$rvffs" rm t/b2.rvf; K t/p.rvf; N t/b.rvf`},
		"a copy of one elsewhere is removed":        {script: `P t; B t/p.rvf t/o/b.rvf; cp t/o/b.rvf t/b2.rvf; "$rvffs" rm t/b2.rvf; K t/p.rvf; N t/o/b.rvf`},
		"a copy elsewhere is removed":               {script: `P t; B t/p.rvf t/o/b.rvf; mkdir t/q; cp t/o/b.rvf t/q/; "$rvffs" rm t/q/b.rvf; K t/p.rvf; N t/o/b.rvf`},
		"the parent of one that has a copy":         {`P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/o/; "$rvffs" rm t/o/b.rvf; refused "$rvffs" rm t/p.rvf; N t/b.rvf`, "b.rvf"},
		"one that was listed is not readable":       {`P t; B t/p.rvf t/o/b.rvf; cp t/o/b.rvf t/b2.rvf; cp t/o/b.rvf o; truncate -s 20 t/o/b.rvf; "$rvffs" rm t/b2.rvf; refused "$rvffs" rm t/p.rvf; K t/p.rvf; mv o t/o/b.rvf; N t/o/b.rvf`, "o/b.rvf"},
		"one of two is removed and then the parent": {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/b2.rvf; "$rvffs" rm t/b.rvf; K t/p.rvf; N t/b2.rvf; "$rvffs" rm t/b2.rvf; "$rvffs" rm t/p.rvf; echo 40`},
		"the parent is compacted elsewhere":         {script: `P t; B t/p.rvf t/b.rvf; mkdir far; mv t/p.rvf far/; K far/p.rvf; mv far/p.rvf t/; N t/b.rvf`},
		"a branch has a name that is no store's":    {`P t; B t/p.rvf t/b.rvf; mv t/b.rvf t/b.rvf.bak; K t/p.rvf; refused "$rvffs" rm t/p.rvf; mv t/b.rvf.bak t/b.rvf; N t/b.rvf`, "b.rvf"},
		"a branch and then its copy move":           {script: `P t; B t/p.rvf t/b.rvf; cp t/b.rvf t/b2.rvf; mkdir far; mv t/b.rvf far/; "$rvffs" flatten t/b2.rvf; K t/p.rvf; N far/b.rvf`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := "cd \"$1\"; rvffs=" + must(filepath.Abs(program))(t) + familyWords + test.script
			got := strings.TrimSpace(shell(t, script, t.TempDir()))
			if lines := strings.Split(got, "\n"); lines[len(lines)-1] != "40" || !strings.Contains(got, test.says) {
				t.Errorf("the branch shows other vectors than 40:\n%s", got)
			}
		})
	}
}

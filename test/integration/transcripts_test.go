package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shellBlock is what a block of a page needs: a script that comes before it, and for one that
// shows only output, or a part of it, the command.
type shellBlock struct{ before, command string }

// transcripts are the pages whose blocks are run from top to bottom in one folder. Each block of a
// page is listed.
var transcripts = map[string][]shellBlock{
	"branches.md": {
		{before: `rvffs create products.rvf --dimension 2 && seq 0 999 | sed 's/.*/[&,1]/' | rvffs import products.rvf -`},
		{before: `echo '{"id":5,"vector":[500,1]}' > s.jsonl; echo '{"id":6,"vector":[60,1]}' > p.jsonl`},
		{command: `rvffs inspect sale.rvf`},
		{before: `tar cf ../kept.tar .; mkdir offers; mv sale.rvf offers; rvffs rm --force products.rvf; tar xf ../kept.tar ./products.rvf`},
		{before: `rm -r offers; tar xf ../kept.tar`},
		{before: `rm products.rvf; tar xf ../kept.tar`},
		{before: `tar xf ../kept.tar`},
		{},
	},
	"recovery.md": {
		{before: `head -c 12800000 /dev/zero > vectors.f32; seq -s , 32 | sed 's/.*/[&]/' > one.json`},
		{},
		{},
		{before: `rm -f *.rvf; rvffs create products.rvf --dimension 2; seq 0 999 | sed 's/.*/[&,1]/' | rvffs import products.rvf -`},
		{before: `rvffs recover products.rvf; printf '\377' | dd of=products.rvf bs=1 seek=162 conv=notrunc status=none`},
	},
}

// TestTranscripts: what the documentation shows is what the program says, but for ids and times.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for page, blocks := range transcripts {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(filepath.Join("../../docs", page))
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(t.TempDir(), "here")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			shell := func(script string) string {
				command := exec.Command("bash", "-c", script)
				command.Dir = folder
				command.Env = append(environment(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
				output, _ := command.CombinedOutput() // whether it failed is shown by what it says
				return string(output)
			}
			shown := fences.FindAllStringSubmatch(string(content), -1)
			if len(shown) != len(blocks) {
				t.Fatalf("%d blocks, and %d are known here", len(shown), len(blocks))
			}
			for i, block := range blocks {
				if said := shell(block.before); strings.Contains(said, "rvffs: ") {
					t.Fatalf("before block %d: %s", i, said)
				}
				if block.command != "" {
					if got := shell(block.command); !showsPart(got, shown[i][1]) {
						t.Errorf("block %d: %s does not say\n%s but\n%s", i, block.command, shown[i][1], got)
					}
					continue
				}
				for _, step := range strings.Split("\n"+shown[i][1], "\n$ ")[1:] {
					command, want, _ := strings.Cut(step, "\n")
					if got := plainTranscript(shell(command)); got != plainTranscript(want) {
						t.Errorf("block %d: %s\nshown:\n%s\ngot:\n%s", i, command, plainTranscript(want), got)
					}
				}
			}
		})
	}
}

var (
	fences = regexp.MustCompile("(?ms)^```(?:console)?\n(.*?)^```$")
	// varies is what is another one each time: ids, and times as programs write them.
	varies = regexp.MustCompile(`\b[0-9a-f]{32,64}\b|\b[A-Z][a-z]{2} [ \d]\d (\d\d:\d\d| \d{4})|\b\d{4}-\d\d-\d\dT[\d:.]+Z`)
	spaces = regexp.MustCompile(` +`)
)

// plainTranscript is what programs said without what is another one each time, and however
// columns are filled up.
func plainTranscript(said string) string {
	lines := strings.Split(strings.TrimSpace(varies.ReplaceAllString(said, "#")), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(spaces.ReplaceAllString(line, " "))
	}
	return strings.Join(lines, "\n")
}

// showsPart reports whether the lines of a part are among those of the whole.
func showsPart(whole, part string) bool {
	said := "\n" + plainTranscript(whole) + "\n"
	for line := range strings.Lines(plainTranscript(part)) {
		if !strings.Contains(said, fmt.Sprintf("\n%s\n", strings.TrimSpace(line))) {
			return false
		}
	}
	return true
}

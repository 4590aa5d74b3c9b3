package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"rvffs/lineage"
)

// account is that of a store of a name, whose parent has another.
func account(name, parent string, status lineage.Status) lineage.Account {
	a := lineage.Account{File: name, FileID: "id of " + name, Verification: lineage.Verification{Status: status, Parent: parent}}
	if status == lineage.StatusMissing {
		a.ParentID = "11111111111111111111111111111111"
	}
	return a
}

// family has a store of each kind, and names that mean something to what reads them.
func family() lineage.Pedigree {
	verified := account("b.rvf", "a.rvf", lineage.StatusVerified)
	verified.Derivation, verified.Derived = "filter", "2026-01-02T03:04:05Z"
	verified.Verification.ParentEpoch, verified.Verification.Method = new(uint32(7)), lineage.HashShakeManifest
	wrong := account("c.rvf", "b.rvf", lineage.StatusMismatch)
	wrong.Verification.Reason = "two parents"
	return lineage.Arrange([]lineage.Account{
		account("a.rvf", "", lineage.StatusRoot), verified, wrong, account("e\n\x1b[31m\"<&>\\.rvf", "a.rvf", lineage.StatusUnmatched),
		account("orphan.rvf", "", lineage.StatusMissing), account("loop1.rvf", "loop2.rvf", lineage.StatusCycle), account("loop2.rvf", "loop1.rvf", lineage.StatusCycle),
		lineage.NoAccount("\xff.rvf", errors.New("no store")),
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := family()
	p.More = 3
	if err := Text(&out, p); err != nil {
		t.Fatal(err)
	}
	want := `a.rvf                                root
├── b.rvf                            verified    epoch 7 by shake256-manifest; filter; 2026-01-02T03:04:05Z
│   └── c.rvf                        mismatch    two parents
└── e\u000a\u001b[31m"<&>\.rvf       unmatched
loop1.rvf                            cycle
loop2.rvf                            cycle
orphan.rvf                           parent-missing  parent 11111111111111111111111111111111
\ufffd.rvf                           unreadable  no store
3 more stores are not shown
`
	if got := squeezed(out.String()); got != squeezed(want) {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
	if p.Bad != 4 {
		t.Errorf("%d stores are bad", p.Bad)
	}
}

// squeezed leaves how wide columns are to the one who draws them.
func squeezed(text string) string {
	return regexp.MustCompile(`([^ ]) {2,}`).ReplaceAllString(text, "$1  ")
}

// dotLine is what the lines of a graph look like.
var dotLine = regexp.MustCompile(`^  (\w+( -> \w+)?( \[\w+=("([^"\\\n]|\\["\\n])*"|[\w.-]+)(, \w+=("([^"\\\n]|\\["\\n])*"|[\w.-]+))*\])?|\w+=\w+);$`)

func TestDOT(t *testing.T) {
	t.Parallel()
	graph := DOT(family())
	lines := strings.Split(strings.TrimSuffix(string(graph), "\n"), "\n")
	if lines[0] != "digraph lineage {" || lines[len(lines)-1] != "}" {
		t.Errorf("it begins with %q and ends with %q", lines[0], lines[len(lines)-1])
	}
	for _, line := range lines[1 : len(lines)-1] {
		if !dotLine.MatchString(line) {
			t.Errorf("no statement: %s", line)
		}
	}
	if got := strings.Count(string(graph), "->"); got != 4 {
		t.Errorf("%d edges in %s", got, graph)
	}
	dot, err := exec.LookPath("dot")
	if err != nil {
		return
	}
	draw := exec.Command(dot, "-Tsvg")
	draw.Stdin = bytes.NewReader(graph)
	if out, err := draw.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("<svg")) {
		t.Errorf("dot: %v, %s", err, out)
	}
}

// drawn is what a picture says, and how often it draws each kind of thing.
func drawn(t *testing.T, picture []byte) (texts []string, elements map[string]int) {
	t.Helper()
	elements = map[string]int{}
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts, elements
		}
		if err != nil {
			t.Fatalf("%v in %s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
		case xml.CharData:
			texts = append(texts, string(token))
		}
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	picture := SVG(family())
	texts, elements := drawn(t, picture)
	all := strings.Join(texts, "")
	for _, want := range []string{"8 stores, of which 4 contradict", "c.rvf: mismatch; two parents", `e\u000a\u001b[31m"<&>\.rvf: unmatched`, "b.rvf: verified; epoch 7", "prefers-color-scheme: dark"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not say %q:\n%s", want, all)
		}
	}
	if elements["title"] != 9 || elements["desc"] != 1 || elements["g"] != 8 || elements["path"] != 1 {
		t.Errorf("it draws %v", elements)
	}
	if !bytes.Contains(picture, []byte(`role="list" aria-labelledby="title about"`)) {
		t.Error("it is not said what it is")
	}
}

// TestMany: pictures of many stores and of many generations are bounded, and say so.
func TestMany(t *testing.T) {
	t.Parallel()
	var wide, deep []lineage.Account
	many := 10_000
	if testing.Short() {
		many = mostDrawn + 50
	}
	for i := range many {
		wide = append(wide, account(fmt.Sprintf("%05d.rvf", i), "", lineage.StatusRoot))
		parent := ""
		if i > 0 {
			parent = fmt.Sprintf("%05d.rvf", i-1)
		}
		deep = append(deep, account(fmt.Sprintf("%05d.rvf", i), parent, lineage.StatusVerified))
	}
	wide = append(wide, account("child.rvf", fmt.Sprintf("%05d.rvf", many-1), lineage.StatusVerified))
	for name, accounts := range map[string][]lineage.Account{"wide": wide, "deep": deep} {
		p := lineage.Arrange(accounts)
		picture := SVG(p)
		texts, elements := drawn(t, picture)
		if all := strings.Join(texts, ""); elements["g"] != mostDrawn || !strings.Contains(all, fmt.Sprintf("%d more stores are not drawn", len(accounts)-mostDrawn)) {
			t.Errorf("%s: %d rows", name, elements["g"])
		} else if name == "wide" && !strings.Contains(all, "child.rvf") {
			t.Error("a family is not drawn before those without relatives")
		}
		var out bytes.Buffer
		if err := Text(&out, p); err != nil {
			t.Fatal(err)
		}
		if most := 400 * len(accounts); len(picture) > most || out.Len() > most || len(DOT(p)) > most {
			t.Errorf("%s: %d, %d and %d bytes", name, len(picture), out.Len(), len(DOT(p)))
		}
	}
}

package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"rvffs/lineage"
)

const (
	// mostDrawn is how many stores a picture shows.
	mostDrawn = 2000

	rowHeight = 22
	indent    = 20
	margin    = 16
	letter    = 8 // about as wide as one is
)

// style has the picture readable on light and on dark ground.
const style = `
  text { font: 13px ui-monospace, monospace; fill: #1b1f24; }
  .word { fill: #57606a; }
  .stem { fill: none; stroke: #8c959f; }
  .ground { fill: #ffffff; }
  .good { fill: #1a7f37; } .middle { fill: #9a6700; } .bad { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .word { fill: #9198a1; } .stem { stroke: #656c76; } .ground { fill: #0d1117; }
    .good { fill: #3fb950; } .middle { fill: #d29922; } .bad { fill: #f85149; }
  }
`

var svgClasses = [...]string{good: "good", middle: "middle", bad: "bad"}

// marks tell verdicts apart for those who do not see colours.
var marks = [...]string{good: "●", middle: "◐", bad: "✕"}

// SVG draws a pedigree as a picture: a store a row, below its parent. Of many stores the
// families are drawn first, those with relatives.
func SVG(p lineage.Pedigree) []byte {
	rows, left := drawnFirst(p)
	left += p.More
	type point struct{ x, y int }
	at := make(map[int]point, len(rows)) // of stores, by their places
	summary := fmt.Sprintf("%d stores, of which %d contradict themselves or cannot be read", len(p.Stores)+p.More, p.Bad)
	width := 2*margin + letter*len(summary)
	var body, stems bytes.Buffer
	for row, i := range rows {
		store := &p.Stores[i]
		here := point{margin + indent*min(store.Level, deepestDrawn), margin + rowHeight*(row+2)}
		at[i] = here
		if parent, drawn := at[store.Parent]; drawn && here.x > parent.x {
			fmt.Fprintf(&stems, "M%d %dV%dH%d", parent.x+4, parent.y+6, here.y-4, here.x-2)
		}
		name, word := shortened(Printable(store.File), longestName), string(store.Verification.Status)
		if store.Level > deepestDrawn {
			name = fmt.Sprintf("level %d: %s", store.Level, name)
		}
		grade := gradeOf(store.Account)
		class := svgClasses[grade]
		fmt.Fprintf(&body, `<g role="listitem"><title>%s: %s`, escaped(Printable(store.File)), escaped(word))
		if more := details(store.Account); more != "" {
			fmt.Fprintf(&body, `; %s`, escaped(more))
		}
		fmt.Fprintf(&body, `</title><text x="%d" y="%d"><tspan class="%s">%s</tspan> %s <tspan class="%s">%s</tspan>`, here.x, here.y, class, marks[grade], escaped(name), class, escaped(word))
		letters := len([]rune(name)) + len(word) + 4
		if kind := kindOf(store.Account); kind != "" {
			fmt.Fprintf(&body, ` <tspan class="word">%s</tspan>`, escaped(kind))
			letters += len(kind) + 1
		}
		if store.Lacks {
			fmt.Fprintf(&body, ` <tspan class="bad">%s</tspan>`, lacking)
			letters += len(lacking) + 1
		}
		body.WriteString("</text></g>\n")
		width = max(width, here.x+letters*letter+margin)
	}
	height := margin + rowHeight*(len(rows)+2)
	if left > 0 {
		fmt.Fprintf(&body, `<text class="word" x="%d" y="%d">%d more stores are not drawn</text>`+"\n", margin, height, left)
		height += rowHeight
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="list" aria-labelledby="title about">`+"\n", width, height, width, height)
	fmt.Fprintf(&out, "<title id=\"title\">Lineage of the stores</title>\n<desc id=\"about\">%s. A store stands below the one that it was derived from.</desc>\n", summary)
	fmt.Fprintf(&out, "<style>%s</style>\n<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n", style)
	fmt.Fprintf(&out, `<text class="word" x="%d" y="%d">%s</text>`+"\n", margin, margin+rowHeight/2, summary)
	if stems.Len() > 0 {
		fmt.Fprintf(&out, `<path class="stem" d="%s"/>`+"\n", stems.Bytes())
	}
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// drawnFirst are the stores that are drawn, by their places, and how many are not: those
// without relatives are left out where there are too many, then the last.
func drawnFirst(p lineage.Pedigree) (rows []int, left int) {
	related := make([]bool, len(p.Stores))
	for i := range p.Stores {
		related[i] = related[i] || p.Stores[i].Verification.Status != lineage.StatusRoot
		if parent := p.Stores[i].Parent; parent >= 0 {
			related[i], related[parent] = true, true
		}
	}
	take := func(wanted bool) {
		for i := range p.Stores {
			if related[i] == wanted && len(rows) < mostDrawn {
				rows = append(rows, i)
			}
		}
	}
	take(true)
	take(false)
	return rows, len(p.Stores) - len(rows)
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes all
	return b.String()
}

package chart

import (
	"bytes"
	"fmt"
	"strings"

	"rvffs/lineage"
)

var dotColors = [...]string{good: "darkgreen", middle: "darkorange3", bad: "red3"}

// DOT draws a pedigree in the language of Graphviz. Parents that are not among the stores
// are drawn by their ids.
func DOT(p lineage.Pedigree) []byte {
	var b bytes.Buffer
	b.WriteString("digraph lineage {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	absent := map[string]int{} // the numbers of nodes, by id
	for i := range p.Stores {
		store := &p.Stores[i]
		color := dotColors[gradeOf(store.Account)]
		labels := []string{store.File, string(store.Verification.Status)}
		if store.Lacks {
			labels = append(labels, lacking)
		}
		fmt.Fprintf(&b, "  n%d [label=%s, color=%s];\n", i, quoted(labels...), color)
		edge := fmt.Sprintf("n%d [label=%s, color=%s];\n", i, quoted(kindOf(store.Account)), color)
		switch {
		case store.Parent >= 0:
			fmt.Fprintf(&b, "  n%d -> %s", store.Parent, edge)
		case store.Verification.Status == lineage.StatusMissing:
			parent, drawn := absent[store.ParentID]
			if !drawn {
				parent = len(absent)
				absent[store.ParentID] = parent
				fmt.Fprintf(&b, "  absent%d [label=%s, style=dashed];\n", parent, quoted(store.ParentID, "not here"))
			}
			fmt.Fprintf(&b, "  absent%d -> %s", parent, edge)
		}
	}
	if p.More > 0 {
		fmt.Fprintf(&b, "  more [label=%s, style=dashed];\n", quoted(fmt.Sprintf("%d more stores", p.More)))
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// quoted is a string of the language, of several lines.
func quoted(lines ...string) string {
	for i, line := range lines {
		lines[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(Printable(line))
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

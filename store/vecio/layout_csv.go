package vecio

import (
	"fmt"
	"strconv"
)

// csvWords are how numbers that are not finite are written in a table.
var csvWords = numberWords{nan: "nan", positive: "inf", negative: "-inf"}

// csvLayout is that of a table with a line of names at its head. Its rows have one
// width, but no spaces, for many programs do not take " 1" for a number: a number is
// written with as many digits as fill its place, and the first one has the place
// too that the id leaves.
func csvLayout(rows uint64, dimension int) *Layout {
	const cell = numberWidth + 1
	names := []byte("id")
	for i := range dimension {
		names = fmt.Appendf(names, ",v%d", i)
	}
	end := func(index int) byte {
		if index == dimension-1 {
			return '\n'
		}
		return ','
	}
	return &Layout{
		prefix: append(names, '\n'),
		rows:   rows, inHead: min(1, dimension), cells: max(0, dimension-1), cell: cell, hasID: true,
		head: idWidth + 1 + cell,
		putHead: func(p []byte, id uint64, values []byte) {
			at := len(strconv.AppendUint(p[:0], id, 10))
			p[at] = ','
			putFullNumber(p[at+1:len(p)-1], values)
			p[len(p)-1] = end(0)
		},
		putCells: func(p []byte, first int, values []byte) {
			for ; len(p) > 0; p, values, first = p[cell:], values[4:], first+1 {
				putFullNumber(p[:numberWidth], values)
				p[numberWidth] = end(first + 1)
			}
		},
	}
}

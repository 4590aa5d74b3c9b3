package vecio

import (
	"fmt"
	"strings"
)

const (
	idWidth     = 20 // bytes of the largest id
	numberWidth = 15 // bytes of the longest float32, such as -1.17549435e-38

	jsonlBegin  = `{"id":`
	jsonlMiddle = `,"vector":[`
	jsonlEnd    = "}\n"
)

// How numbers that are not finite are written. JSON has none; these are the words
// that Python's json writes and reads.
var (
	jsonWords = numberWords{nan: "NaN", positive: "Infinity", negative: "-Infinity"}
	csvWords  = numberWords{nan: "nan", positive: "inf", negative: "-inf"}
)

// textLayout is that of rows of text whose numbers are padded with spaces.
func textLayout(rows uint64, dimension int, words numberWords, end byte) *Layout {
	const cell = numberWidth + 1
	return &Layout{
		rows: rows, dimension: dimension, cell: cell, hasID: true,
		putCells: func(p []byte, first int, values []byte) {
			for ; len(p) > 0; p, values, first = p[cell:], values[4:], first+1 {
				putNumber(p, values, words)
				p[numberWidth] = ','
				if first == dimension-1 {
					p[numberWidth] = end
				}
			}
		},
	}
}

// jsonlLayout is that of one JSON object a line.
func jsonlLayout(rows uint64, dimension int) *Layout {
	l := textLayout(rows, dimension, jsonWords, ']')
	l.head = len(jsonlBegin) + idWidth + len(jsonlMiddle)
	l.putHead = func(p []byte, id uint64) {
		copy(p, jsonlBegin)
		putPadded(p[len(jsonlBegin):], id)
		copy(p[len(jsonlBegin)+idWidth:], jsonlMiddle)
	}
	l.tail = len(jsonlEnd)
	l.putTail = func(p []byte) { copy(p, jsonlEnd) }
	return l
}

// csvLayout is that of a table with a line of names at its head.
func csvLayout(rows uint64, dimension int) *Layout {
	l := textLayout(rows, dimension, csvWords, '\n')
	var names strings.Builder
	names.WriteString("id")
	for i := range dimension {
		fmt.Fprintf(&names, ",v%d", i)
	}
	names.WriteByte('\n')
	l.prefix = []byte(names.String())
	l.head = idWidth + 1
	l.putHead = func(p []byte, id uint64) {
		putPadded(p, id)
		p[idWidth] = ','
	}
	return l
}

// putPadded writes an id into the first idWidth bytes of p, behind spaces.
func putPadded(p []byte, id uint64) {
	p = p[:idWidth]
	at := len(p)
	for more := true; more; more = id > 0 {
		at--
		p[at] = '0' + byte(id%10)
		id /= 10
	}
	for ; at > 0; at-- {
		p[at-1] = ' '
	}
}

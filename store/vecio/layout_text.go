package vecio

const (
	idWidth     = 20 // bytes of the largest id
	numberWidth = 15 // bytes of nine digits of any float32, such as -1.17549435e-38

	jsonlBegin  = `{"id":`
	jsonlMiddle = `,"vector":[`
	jsonlEnd    = "}\n"
)

// jsonWords are how numbers that are not finite are written in JSON, which has none:
// as Python's json writes and reads them.
var jsonWords = numberWords{nan: "NaN", positive: "Infinity", negative: "-Infinity"}

// jsonlLayout is that of one JSON object a line. What is shorter than its place has
// spaces before it, which JSON allows there.
func jsonlLayout(rows uint64, dimension int) *Layout {
	const cell = numberWidth + 1
	return &Layout{
		rows: rows, cells: dimension, cell: cell, hasID: true,
		head: len(jsonlBegin) + idWidth + len(jsonlMiddle),
		putHead: func(p []byte, id uint64, _ []byte) {
			copy(p, jsonlBegin)
			putPadded(p[len(jsonlBegin):], id)
			copy(p[len(jsonlBegin)+idWidth:], jsonlMiddle)
		},
		putCells: func(p []byte, first int, values []byte) {
			for ; len(p) > 0; p, values, first = p[cell:], values[4:], first+1 {
				putNumber(p, values, jsonWords)
				p[numberWidth] = ','
				if first == dimension-1 {
					p[numberWidth] = ']'
				}
			}
		},
		tail:    len(jsonlEnd),
		putTail: func(p []byte) { copy(p, jsonlEnd) },
	}
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

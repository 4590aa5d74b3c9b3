package vecio

import (
	"bytes"
	"encoding/binary"
	"math"
)

// row takes the row at the start of p, which holds its line feed and maybe more,
// so that numbers can be read with wide loads.
func (d *tableDecoder) row(p []byte) error {
	begin := len(d.rows)
	components := d.columns
	if d.idColumn >= 0 {
		components--
	}
	if components == 0 {
		return d.fail("a table without a column of values")
	}
	if d.list || components == 1 && d.headed && d.beginsList(p) {
		d.list = true
		return d.listRow(p)
	}
	if d.unsaid != nil {
		if _, _, err := d.listFields(p); err != nil {
			return err
		}
		return d.fail("%v", d.unsaid)
	}
	d.grow(4 * components)
	to := d.rows[begin:]
	var id uint64
	i := 0
	for column := range d.columns {
		if column > 0 {
			n := d.skipSeparator(p[i:])
			if n == 0 {
				return d.badRow(p, column-1)
			}
			i += n
		}
		quoted := p[i] == '"'
		if quoted {
			i += 1 + countSpaces(p[i+1:])
		}
		if column == d.idColumn {
			n := 0
			if id, n = parseID(p[i:]); n == 0 {
				return d.badRow(p, column)
			}
			i += n
		} else {
			value, n, status := parseNumber(p[i:], true)
			if status != numberOK || n > maxNumberBytes {
				word, length, known := parseNumberWord(p[i:])
				if status != numberBad || !known || !d.options.AllowNonFinite {
					return d.badRow(p, column)
				}
				value, n = word, length
			}
			binary.LittleEndian.PutUint32(to, math.Float32bits(value))
			to = to[4:]
			i += n
		}
		if quoted {
			i += countSpaces(p[i:])
			if p[i] != '"' {
				return d.badRow(p, column)
			}
			i++
		}
	}
	for p[i] == ' ' || p[i] == '\r' {
		i++
	}
	if p[i] != '\n' {
		return d.badRow(p, d.columns-1)
	}
	right, err := d.fixDimension(components)
	if err != nil {
		return err
	}
	if !right {
		return d.fail("%d columns of values where the dimension is %d", components, d.dimension)
	}
	d.headed = false
	return d.endRow(id, d.idColumn >= 0)
}

// countSpaces is the number of spaces at the start of p, which ends otherwise.
func countSpaces(p []byte) int {
	n := 0
	for p[n] == ' ' {
		n++
	}
	return n
}

// skipSeparator is the length of what stands between two columns at the start of
// p, 0 if it is not what it should be.
func (d *tableDecoder) skipSeparator(p []byte) int {
	if p[0] == d.separator && p[1] != ' ' {
		return 1
	}
	n := countSpaces(p)
	if d.separator != ' ' {
		if p[n] != d.separator {
			return 0
		}
		n += 1 + countSpaces(p[n+1:])
	}
	return n
}

// parseID reads the id at the start of p. The length is 0 if there is none.
func parseID(p []byte) (id uint64, length int) {
	for ; p[length]-'0' < 10; length++ {
		digit := uint64(p[length] - '0')
		if id > (math.MaxUint64-digit)/10 {
			return 0, 0
		}
		id = id*10 + digit
	}
	return id, length
}

// parseNumberWord reads nan, inf or infinity in any case of letters at the start
// of p, with or without a sign, and reports whether it is there.
func parseNumberWord(p []byte) (value float32, length int, known bool) {
	sign := 1
	if len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		if p[0] == '-' {
			sign = -1
		}
		length = 1
	}
	rest := p[length:]
	letters := 0
	for letters < len(rest) && letters <= len("infinity") && rest[letters]|0x20-'a' < 26 {
		letters++
	}
	switch string(bytes.ToLower(rest[:letters])) {
	case "nan":
		return float32(math.NaN()), length + letters, true
	case "inf", "infinity":
		return float32(math.Inf(sign)), length + letters, true
	}
	return 0, 0, false
}

// badRow says what is wrong with the row at the start of p, which could not be
// read beyond the given column.
func (d *tableDecoder) badRow(p []byte, column int) error {
	line := p[:bytes.IndexByte(p, '\n')]
	if loneReturn(line) {
		return d.fail("%s", loneReturns)
	}
	if head, err := splitTableHead(line, d.separator); err == nil && head.wordVector() {
		return d.fail("%v", errWordVectors)
	}
	fields := tableFields{rest: line, separator: d.separator}
	columns := 0
	var bad []byte
	for more := true; more; columns++ {
		field, another, err := fields.next()
		if err != nil {
			return d.fail("column %d: %v", columns+1, err)
		}
		if columns == column {
			bad = field
		}
		more = another
	}
	if columns != d.columns {
		return d.fail("%d columns where the first line has %d", columns, d.columns)
	}
	if column == d.idColumn {
		return d.fail("column %d, the id, is %.40q; an id is a whole number from 0 to 18446744073709551615", column+1, bad)
	}
	return d.fail("%s", badCell(column, bad))
}

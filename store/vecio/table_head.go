package vecio

import (
	"bytes"
	"errors"
	"strings"
)

// tableHead is what a line of a table tells that may be its first row or its header.
type tableHead struct {
	separator byte
	fields    [][]byte // of the line
	id        int      // the column of that name, -1 without one
	numbers   int      // columns that are numbers
	words     int      // columns that are text
	word      int      // the first of these
}

// readTableHead looks at a table's first line, its line feed left out. The
// separator is a tab if onlyTabs is set. Otherwise it is the first of tab,
// semicolon, comma and space that stands in the line outside quotes.
func readTableHead(line []byte, onlyTabs bool) (tableHead, error) {
	separator := byte('\t')
	if !onlyTabs {
		separator = tableSeparator(line)
	}
	return splitTableHead(line, separator)
}

// splitTableHead is readTableHead for a separator that is known.
func splitTableHead(line []byte, separator byte) (tableHead, error) {
	head := tableHead{separator: separator, id: -1}
	fields := tableFields{rest: line, separator: separator}
	for {
		field, more, err := fields.next()
		if err != nil {
			return head, err
		}
		switch {
		case strings.EqualFold(string(field), "id"):
			if head.id >= 0 {
				return head, errors.New(`two columns are named "id"`)
			}
			head.id = len(head.fields)
		case isTableNumber(field):
			head.numbers++
		case len(field) > 0:
			if head.words == 0 {
				head.word = len(head.fields)
			}
			head.words++
		}
		head.fields = append(head.fields, field)
		if !more {
			return head, nil
		}
	}
}

// namesID reports whether a line can be the header of a table with a column id.
func namesID(line []byte, onlyTabs bool) bool {
	head, err := readTableHead(line, onlyTabs)
	return err == nil && head.id >= 0
}

// tableSeparator is what stands between the columns of a line.
func tableSeparator(line []byte) byte {
	const order = " ,;\t"
	best, quoted := -1, false
	for _, c := range bytes.TrimSpace(line) {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted {
			best = max(best, strings.IndexByte(order, c))
		}
	}
	if best < 0 {
		return ','
	}
	return order[best]
}

// isTableNumber reports whether a row can hold the field.
func isTableNumber(field []byte) bool {
	if len(field) == 0 {
		return false
	}
	text := append(bytes.Clone(field), '\n')
	_, n, status := parseNumber(text, true)
	if status == numberBad {
		_, n, _ = parseNumberWord(text)
	}
	return n == len(field)
}

// tableFields goes through a line's fields.
type tableFields struct {
	rest      []byte
	separator byte
}

// next takes a field, without the spaces and quotes around it, and reports
// whether there is another one. A quote within quotes is left doubled.
func (f *tableFields) next() (field []byte, more bool, err error) {
	f.rest = bytes.TrimLeft(f.rest, " ")
	if len(f.rest) > 0 && f.rest[0] == '"' {
		end := 1
		for ; end < len(f.rest); end++ {
			if f.rest[end] != '"' {
				continue
			}
			if end+1 == len(f.rest) || f.rest[end+1] != '"' {
				break
			}
			end++
		}
		if end >= len(f.rest) {
			return nil, false, errors.New("a quote that is not closed in its line")
		}
		field = bytes.Trim(f.rest[1:end], " ")
		behind := f.rest[end+1:]
		f.rest = bytes.TrimLeft(behind, " \r")
		switch {
		case len(f.rest) == 0:
			return field, false, nil
		case f.separator == ' ' && len(f.rest) < len(behind):
			return field, true, nil
		case f.rest[0] == f.separator:
			f.rest = f.rest[1:]
			return field, true, nil
		}
		return nil, false, errors.New("text behind a closing quote")
	}
	end := bytes.IndexByte(f.rest, f.separator)
	if end < 0 {
		field = bytes.TrimRight(f.rest, " \r")
		f.rest = nil
		return field, false, nil
	}
	field = bytes.TrimRight(f.rest[:end], " \r")
	f.rest = f.rest[end+1:]
	if f.separator == ' ' {
		f.rest = bytes.TrimLeft(f.rest, " ")
		return field, len(bytes.TrimRight(f.rest, "\r")) > 0, nil
	}
	return field, true, nil
}

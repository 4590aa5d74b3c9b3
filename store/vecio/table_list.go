package vecio

import (
	"bytes"
	"slices"
	"strings"
)

// vectorNames are the usual ones of a column of whole vectors.
var vectorNames = []string{"embedding", "embeddings", "vector", "vectors", "emb", "vec", "values", "features"}

// namesVectors reports whether the first column has such a name.
func (h tableHead) namesVectors() bool {
	return slices.Contains(vectorNames, strings.ToLower(string(h.fields[0])))
}

// beginsList reports whether the only column of the row at the start of p that holds no
// ids begins as a whole vector does, with a bracket.
func (d *tableDecoder) beginsList(p []byte) bool {
	_, list, err := d.listFields(p)
	return err == nil && len(list) > 0 && list[0] == '['
}

// listFields are the id and the vector of such a row.
func (d *tableDecoder) listFields(p []byte) (id, list []byte, err error) {
	fields := tableFields{rest: p[:bytes.IndexByte(p, '\n')], separator: d.separator}
	columns := 0
	for more := true; more; columns++ {
		var field []byte
		if field, more, err = fields.next(); err != nil {
			return nil, nil, d.fail("column %d: %v", columns+1, err)
		}
		if columns == d.idColumn {
			id = field
		} else if list == nil {
			list = field
		}
	}
	if columns != d.columns {
		return nil, nil, d.fail("%d columns where the first line has %d; a vector in brackets stands in quotes", columns, d.columns)
	}
	return id, list, nil
}

// listRow takes the row at the start of p, whose vector stands in one column: numbers in
// brackets, with commas between them as JSON, pgvector and Python have them, or spaces as
// NumPy has.
func (d *tableDecoder) listRow(p []byte) error {
	idField, list, err := d.listFields(p)
	if err != nil {
		return err
	}
	column := d.columns - 1
	if d.idColumn == column {
		column = 0
	}
	var id uint64
	if d.idColumn >= 0 {
		n := 0
		if id, n = parseID(append(bytes.Clone(idField), '\n')); n == 0 || n != len(idField) {
			return d.badRow(p, d.idColumn)
		}
	}
	inside, opened := bytes.CutPrefix(list, []byte("["))
	inside, closed := bytes.CutSuffix(inside, []byte("]"))
	if !opened || !closed {
		return d.fail("column %d, %.40q, is no vector in brackets, as the rows above have", column+1, list)
	}
	most := d.knownDimension()
	if most == 0 {
		most = MaxDimension
	}
	for rest := bytes.TrimSpace(inside); len(rest) > 0; {
		end := bytes.IndexAny(rest, ", \t")
		if end < 0 {
			end = len(rest)
		}
		number := rest[:end]
		if !isTableNumber(number) {
			return d.fail("in the vector, %s", badCell(column, number))
		}
		value, _, status := parseNumber(append(bytes.Clone(number), '\n'), true)
		if status != numberOK || len(number) > maxNumberBytes {
			word, _, known := parseNumberWord(number)
			if status != numberBad || !known || !d.options.AllowNonFinite {
				return d.fail("in the vector, %s", badCell(column, number))
			}
			value = word
		}
		if d.values() == most {
			return d.fail("a vector of more than %d values", most)
		}
		d.addFloat(value)
		rest = bytes.TrimLeft(rest[end:], " \t")
		if behind, comma := bytes.CutPrefix(rest, []byte(",")); comma {
			if rest = bytes.TrimLeft(behind, " \t"); len(rest) == 0 {
				return d.fail("column %d: a comma behind the vector's last value", column+1)
			}
		}
	}
	values := d.values()
	if values == 0 {
		return d.fail("column %d: an empty vector", column+1)
	}
	right, err := d.fixDimension(values)
	if err != nil {
		return err
	}
	if !right {
		return d.fail("a vector of %d values where the dimension is %d", values, d.dimension)
	}
	d.headed, d.unsaid = false, nil
	return d.endRow(id, d.idColumn >= 0)
}

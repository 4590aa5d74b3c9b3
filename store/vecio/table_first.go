package vecio

import "fmt"

// firstLine is a table's first line while only the next one can tell what it is: a row,
// or names that are numbers, or something of which vectors are only a part.
type firstLine struct {
	text   []byte // with its line feed
	offset int64
	line   int64
}

// at is the error for this line.
func (f *firstLine) at(d *tableDecoder, format string, arguments ...any) error {
	return &RecordError{Format: d.format, Offset: f.offset, Line: f.line, Row: d.count, Reason: fmt.Sprintf(format, arguments...)}
}

// surelyNames is the number of columns from which 0, 1, 2 and so on are names whatever
// stands below them: no vector is like that.
const surelyNames = 16

// waits reports whether the first line, which is no line of words, has to wait for the
// second. Where the dimension is known a row's length tells that nothing but components
// is in it.
func (d *tableDecoder) waits(head tableHead) bool {
	known := d.knownDimension()
	switch {
	case d.lenient, d.named: // by a comment
		return false
	case head.countsFrom0(0):
		return known == 0 || known == len(head.fields)
	case head.onlyZero():
		return known <= 1
	case known != 0:
		return false
	}
	return len(head.fields) > 1 && isWhole(head.fields[0]) && !head.allWhole() || head.countsVectors() != ""
}

// namesAlone reports whether a first line of numbers is taken for names where nothing
// stands below it. A vector of a dimension that is known it may well be.
func (d *tableDecoder) namesAlone(head tableHead) bool {
	return head.onlyZero() && d.knownDimension() == 0 || head.countsFrom0(0) && (d.knownDimension() == 0 || len(head.fields) >= surelyNames)
}

// component is the first column that holds no ids.
func (h tableHead) component() int {
	if h.id == 0 {
		return 1
	}
	return 0
}

// countsVectors is the dimension that a first line tells which is the number of
// vectors and their dimension, as word2vec writes it; empty where it is none.
func (h tableHead) countsVectors() string {
	if h.separator != ' ' || len(h.fields) != 2 || !h.allWhole() {
		return ""
	}
	return string(h.fields[1])
}

// hint says what may be meant by a row that is not as long as the dimension.
func (h tableHead) hint(dimension int) string {
	switch {
	case h.countsVectors() == fmt.Sprint(dimension):
		return `: is it the number of vectors and their dimension, as word2vec writes them? Leave that line out, and name the column of ids "id" in a header`
	case h.countsVectors() != "" && dimension > 2:
		return fmt.Sprintf(`: is it the number of word vectors and their dimension, %s, as word2vec writes them? They need a store of that dimension; leave that line out, and name a column of ids, which are numbers, "id" in a header`, h.countsVectors())
	case len(h.fields) == dimension+1 && isWhole(h.fields[0]):
		return `: if the first column holds ids, give it a header with the name "id"`
	case len(h.fields) == 2*dimension:
		return ": if numbers have decimal commas, write points"
	}
	return ""
}

// takeFirst takes the first line, if one has waited, for what the next one makes of it;
// next is nil at the end, where a line that stands alone is a row, unless it is more likely
// a header without any.
func (d *tableDecoder) takeFirst(next []byte) error {
	first := d.first
	if first == nil {
		return nil
	}
	head, err := readTableHead(first.text[:len(first.text)-1], d.format == TSV)
	if err != nil {
		return first.at(d, "%v", err)
	}
	if next == nil && d.namesAlone(head) {
		if head.onlyZero() {
			return first.at(d, "0 alone is taken for a header, and no row came below it: if it is a vector, write 0.0, or make the store with its dimension first")
		}
		return first.at(d, "0, 1, … is taken for a header, and no row came below it: if it is a vector, write 0.0, or make the store with its dimension first")
	}
	below, err := splitTableHead(next, head.separator)
	if next != nil {
		word := err != nil || below.words > 0 && below.word == 0
		switch {
		case head.countsVectors() != "" && (word || len(below.fields) != len(head.fields) && fmt.Sprint(len(below.fields)-1) == head.countsVectors()):
			return first.at(d, "%v", errWordVectors)
		case err != nil:
			return d.fail("%v", err)
		case head.onlyZero():
			if below := string(below.fields[0]); below != "0" && below != "1" { // as of a count
				return first.at(d, "0 above other rows can be the name that pandas gives the only column, or a vector: name the column v0, or write 0.0 if it is a vector")
			}
		case !head.countsFrom0(0):
			if isWhole(below.fields[0]) && !below.allWhole() && isNextNumber(string(head.fields[0]), string(below.fields[0])) {
				return first.at(d, `the first column counts up: if it holds ids, give it a header with the name "id"; if it is a component, make the store with its dimension first`)
			}
		case string(next) == string(first.text[:len(first.text)-1]):
		case !below.allWhole() || len(head.fields) >= surelyNames:
			d.first = nil
			return d.beginHeader(head)
		default:
			return first.at(d, "0, 1, … above a row of whole numbers can be names or a vector: name the columns v0, v1, …, or write 0.0 if it is a vector")
		}
	}
	d.first = nil
	offset, line := d.offset, d.line
	d.offset, d.line = first.offset, first.line
	if err := d.beginRows(head); err != nil {
		return err
	}
	if err := d.row(first.text); err != nil {
		return err
	}
	d.offset, d.line = offset, line
	return nil
}

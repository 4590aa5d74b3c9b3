package vecio

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// maxTableLine bounds a line of a table, in bytes: 65535 values of 64 bytes each
// would be no longer.
const maxTableLine = 4 << 20

// tableDecoder reads rows of numbers in text. What separates them is told by the
// first line that is not a comment, which may be a header: a line of names, one
// of which may be id. Nothing is held but one line and a batch.
type tableDecoder struct {
	batch
	options   Options
	format    Format
	offset    int64  // of the line at hand in the stream
	line      int64  // its number, from 1
	held      []byte // its beginning, which a chunk's end cut
	ended     bool   // EndLine took it; its line feed may still come
	separator byte   // 0 until the first row or the header
	columns   int
	idColumn  int    // -1 without one
	above     []byte // the last comment above the first row
	headed    bool   // a header or a comment came, and no row yet
	named     bool   // it has a column id, and needs no row to be a header
	list      bool   // the only column beside ids holds whole vectors: "[1,2]"
	unsaid    error  // what to say of a column's name if it holds no such lists
	first     *firstLine
	lenient   bool // all names and columns will do; whoever looks what a stream is asks so
}

func newTableDecoder(f Format, s Sink, o Options) *tableDecoder {
	return &tableDecoder{batch: batch{sink: s}, options: o, format: f, line: 1, idColumn: -1}
}

func (d *tableDecoder) Format() Format    { return d.format }
func (d *tableDecoder) Settle() error     { return d.failed }
func (d *tableDecoder) Committable() bool { return true }

// Unfinished counts from the last line's end. A header alone is not finished
// either, for any line of words looks like one; but one with a column id is a
// table of no rows.
func (d *tableDecoder) Unfinished() int64 {
	if d.headed && !d.named || d.first != nil {
		return d.offset + int64(len(d.held))
	}
	return int64(len(d.held))
}

func (d *tableDecoder) Write(p []byte) (int, error) { return d.push(p, d.decode) }

// EndLine takes the last line if it is a good one, and leaves it otherwise.
func (d *tableDecoder) EndLine() error {
	if d.failed != nil || len(d.held) == 0 && d.first == nil {
		return d.failed
	}
	before := *d
	err := error(nil)
	if len(d.held) > 0 {
		err = d.takeHeld()
	}
	if err == nil {
		err = d.takeFirst(nil)
	}
	switch {
	case errors.Is(err, ErrRecord), err == nil && d.headed && len(before.held) > 0:
		*d = before
		return nil
	case err != nil:
		d.failed = err
		return err
	}
	if len(before.held) > 0 {
		d.offset += int64(len(before.held))
		d.held = d.held[:0]
		d.ended = true
	}
	d.failed = d.handOn()
	return d.failed
}

func (d *tableDecoder) Finish() error {
	if d.failed != nil || d.Unfinished() == 0 {
		return d.failed
	}
	if len(d.held) > 0 {
		count := d.count
		if d.failed = d.takeHeld(); d.failed == nil {
			d.failed = d.takeFirst(nil)
		}
		if d.failed != nil {
			return d.failed
		}
		d.count = count
		if !d.headed || d.named {
			d.failed = d.fail("the stream ends inside a line")
			return d.failed
		}
	}
	if first := d.first; first != nil {
		unknown := first.at(d, "the stream ends behind the first line, before it is told whether that is a row")
		if d.failed = d.takeFirst(nil); d.failed == nil {
			d.failed = unknown
		}
		return d.failed
	}
	d.failed = d.fail(`the stream ends behind the header: without rows a line of words is none, unless it has a column "id"`)
	return d.failed
}

// takeHeld takes the line at hand as if its line feed had come.
func (d *tableDecoder) takeHeld() error {
	return d.take(append(bytes.Clone(d.held), '\n'))
}

func (d *tableDecoder) fail(format string, arguments ...any) error {
	return &RecordError{Format: d.format, Offset: d.offset, Line: d.line, Row: d.count, Reason: fmt.Sprintf(format, arguments...)}
}

func (d *tableDecoder) decode(p []byte) error {
	if d.offset == 0 {
		if name := otherFile(d.held, p); name != "" && !d.lenient {
			return d.fail("the stream is %s, and no table", name)
		}
	}
	for d.ended && len(p) > 0 {
		switch p[0] {
		case '\n':
			d.ended = false
			d.line++
		case ' ', '\t', '\r':
		default:
			return d.fail("the line goes on, but was taken as it stood when the stream was closed")
		}
		d.offset++
		p = p[1:]
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if max(end, 0)+len(d.held) > maxTableLine || end < 0 && len(p)+len(d.held) > maxTableLine {
			return d.fail("a line of more than %d bytes", maxTableLine)
		}
		if end < 0 {
			d.held = append(d.held, p...)
			return nil
		}
		length := len(d.held) + end + 1
		var err error
		if len(d.held) > 0 {
			d.held = append(d.held, p[:end+1]...)
			err = d.take(d.held)
			d.held = d.held[:0]
		} else {
			err = d.take(p)
		}
		if err != nil {
			return err
		}
		d.offset += int64(length)
		d.line++
		p = p[end+1:]
	}
	return nil
}

// take takes the line at the start of p, which holds its line feed and maybe
// more.
func (d *tableDecoder) take(p []byte) error {
	if d.offset == 0 {
		p = bytes.TrimPrefix(p, []byte(byteOrderMark))
	}
	i := 0
	for p[i] == ' ' || p[i] == '\r' {
		i++
	}
	switch {
	case p[i] == '\n':
		return nil
	case p[i] == '#':
		if d.separator == 0 {
			d.above = append(d.above[:0], p[i+1:bytes.IndexByte(p, '\n')]...)
			d.headed, d.named = true, namesID(d.above, d.format == TSV)
		}
		return nil
	}
	line := p[:bytes.IndexByte(p, '\n')]
	if d.first != nil {
		if err := d.takeFirst(line); err != nil {
			return err
		}
	} else if d.separator == 0 {
		if row, err := d.begin(line); err != nil || !row {
			return err
		}
	}
	return d.row(p[i:])
}

// begin learns from the first line that is no comment what the columns are. It
// reports whether the line is a row that can be taken now: else it is a header, or a
// line of which the next one tells.
func (d *tableDecoder) begin(line []byte) (row bool, err error) {
	if loneReturn(line) && !d.lenient {
		return false, d.fail("%s", loneReturns)
	}
	head, err := readTableHead(line, d.format == TSV)
	if err != nil {
		return false, d.fail("%v", err)
	}
	spoiled := slices.IndexFunc(head.fields, func(field []byte) bool { return spoiledNumber(field) != "" })
	switch header := head.id >= 0 || head.numbers == 0 && head.words > 0; {
	case header && spoiled >= 0 && !d.lenient:
		return false, d.fail("neither a header nor a row: %s", badCell(spoiled, head.fields[spoiled]))
	case header:
		return false, d.beginHeader(head)
	case head.countsFrom0(1) && !isTableNumber(head.fields[0]) && !d.lenient:
		return false, d.fail("%v", head.checkNames())
	case head.wordVector() && !d.lenient:
		return false, d.fail("%v", errWordVectors)
	case head.words > 0:
		return false, d.fail("neither a header nor a row: %s", badCell(head.word, head.fields[head.word]))
	}
	if d.waits(head) {
		d.first = &firstLine{text: append(bytes.Clone(line), '\n'), offset: d.offset, line: d.line}
		d.headed = false
		return false, nil
	}
	return true, d.beginRows(head)
}

// beginHeader takes a line of names.
func (d *tableDecoder) beginHeader(head tableHead) error {
	components, wrong := len(head.fields), head.checkNames()
	if head.id >= 0 {
		components--
	}
	if d.lenient {
		wrong = nil
	}
	if wrong != nil && components == 1 && (head.id >= 0 || head.namesVectors()) && len(head.fields[head.component()]) > 0 {
		// Its rows tell whether it holds whole vectors, whose column may have any name.
		d.unsaid, wrong = wrong, nil
	}
	// What may be a table of no rows fits every store; its rows are looked at when
	// they come.
	switch known := d.knownDimension(); {
	case wrong != nil:
		return d.fail("%v", wrong)
	case components > MaxDimension:
		return d.fail("more than %d columns of values", MaxDimension)
	case head.id >= 0:
	case components > 1 && known != 0 && known != components:
		return d.fail("%d columns of values where the dimension is %d", components, known)
	}
	d.setColumns(head, head.id)
	d.headed, d.named = true, head.id >= 0
	return nil
}

// beginRows takes what is told by a first line that is a row.
func (d *tableDecoder) beginRows(head tableHead) error {
	id := -1
	if above, err := readTableHead(d.above, d.format == TSV); err == nil && above.id >= 0 {
		if len(above.fields) != len(head.fields) {
			return d.fail(`the comment above names a column "id", but has %d columns where the row has %d`, len(above.fields), len(head.fields))
		}
		if err := above.checkNames(); err != nil && !d.lenient {
			return d.fail("the comment above names the columns: %v", err)
		}
		id = above.id
	}
	components := len(head.fields)
	if id >= 0 {
		components--
	}
	switch known := d.knownDimension(); {
	case components > MaxDimension:
		return d.fail("more than %d columns of values", MaxDimension)
	case components == 0:
		return d.fail("a table without a column of values")
	case known != 0 && known != components:
		return d.fail("%d columns of values where the dimension is %d%s", components, known, head.hint(known))
	}
	d.setColumns(head, id)
	d.headed, d.named = false, id >= 0
	return nil
}

func (d *tableDecoder) setColumns(head tableHead, id int) {
	d.separator, d.columns, d.idColumn, d.above = head.separator, len(head.fields), id, nil
}

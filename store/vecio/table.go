package vecio

import (
	"bytes"
	"errors"
	"fmt"
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
	if d.headed && !d.named {
		return d.offset + int64(len(d.held))
	}
	return int64(len(d.held))
}

func (d *tableDecoder) Write(p []byte) (int, error) { return d.push(p, d.decode) }

// EndLine takes the last line if it is a good one, and leaves it otherwise.
func (d *tableDecoder) EndLine() error {
	if d.failed != nil || len(d.held) == 0 {
		return d.failed
	}
	before := *d
	switch err := d.takeHeld(); {
	case errors.Is(err, ErrRecord), err == nil && d.headed:
		*d = before
		return nil
	case err != nil:
		d.failed = err
		return err
	}
	d.offset += int64(len(before.held))
	d.held = d.held[:0]
	d.ended = true
	d.failed = d.handOn()
	return d.failed
}

func (d *tableDecoder) Finish() error {
	if d.failed != nil || d.Unfinished() == 0 {
		return d.failed
	}
	if len(d.held) > 0 {
		count := d.count
		if d.failed = d.takeHeld(); d.failed != nil {
			return d.failed
		}
		d.count = count
		if !d.headed || d.named {
			d.failed = d.fail("the stream ends inside a line")
			return d.failed
		}
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
	if d.separator == 0 {
		if header, err := d.begin(p[:bytes.IndexByte(p, '\n')]); err != nil || header {
			return err
		}
	}
	return d.row(p[i:])
}

// begin learns from the first line that is no comment what the columns are. It
// reports whether the line is a header.
func (d *tableDecoder) begin(line []byte) (header bool, err error) {
	head, err := readTableHead(line, d.format == TSV)
	if err != nil {
		return false, d.fail("%v", err)
	}
	id := head.id
	switch header = head.id >= 0 || head.numbers == 0 && head.words > 0; {
	case header:
	case head.words > 0:
		return false, d.fail("neither a header nor a row: column %d, %.40q, is not a number", head.word+1, head.wordText)
	default:
		above, err := readTableHead(d.above, d.format == TSV)
		if err != nil || above.id < 0 {
			break
		}
		if above.columns != head.columns {
			return false, d.fail(`the comment above names a column "id", but has %d columns where the row has %d`, above.columns, head.columns)
		}
		id = above.id
	}
	components := head.columns
	if id >= 0 {
		components--
	}
	// What may be a table of no rows fits every store; its rows are looked at when
	// they come.
	empty := header && id >= 0
	switch known := d.knownDimension(); {
	case components > MaxDimension:
		return false, d.fail("more than %d columns of values", MaxDimension)
	case empty:
	case components == 0:
		return false, d.fail("a table without a column of values")
	case known != 0 && known != components:
		return false, d.fail("%d columns of values where the dimension is %d", components, known)
	}
	d.separator, d.columns, d.idColumn = head.separator, head.columns, id
	d.headed, d.named, d.above = header, id >= 0, nil
	return header, nil
}

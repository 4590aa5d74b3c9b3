package vecio

// tableLook judges whether a stream is a table in text, one byte at a time.
type tableLook struct {
	state        look
	probe        *tableDecoder // what a table's decoder makes of the bytes so far
	wrong        bool          // it is not a correct table
	bytes        int
	one          [1]byte // the byte at hand, for the probe
	carriage     bool    // behind a carriage return
	continuation int     // bytes missing of a UTF-8 sequence
	recent       [4]byte
	varied       bool // it is more than four bytes over and over
	visible      bool // the line at hand is not blank
	lines        int  // that are not blank and have ended
	separators   separators
	first        separators // of the first line
	uneven       bool       // another line has others
}

// separators counts what can separate columns in a line: commas, semicolons and
// tabs. Spaces stand in any text.
type separators [3]int

// Bytes of a table that are evidence enough.
const (
	evenText      = 32 // in lines with equally many separators
	semicolonText = 16 // in rows between semicolons
)

func newTableLook() tableLook {
	probe := newTableDecoder(CSV, &probeSink{}, Options{AllowNonFinite: true})
	probe.lenient = true
	return tableLook{probe: probe}
}

func (l *tableLook) next(c byte) look {
	if l.state == lookPossible {
		l.state = l.judge(c)
	}
	return l.state
}

func (l *tableLook) judge(c byte) look {
	if !l.text(c) {
		return lookNot
	}
	place := &l.recent[l.bytes%len(l.recent)]
	l.varied = l.varied || l.bytes >= len(l.recent) && *place != c
	*place = c
	l.bytes++
	if !l.wrong {
		l.one[0] = c
		_, err := l.probe.Write(l.one[:])
		l.wrong = err != nil
	}
	switch c {
	case ',':
		l.separators[0]++
	case ';':
		l.separators[1]++
	case '\t':
		l.separators[2]++
	case '\n':
		if l.endLine(); l.rows(l.probe) || l.even() {
			return lookSure
		}
	}
	l.visible = l.visible || !isSpace(c)
	return lookPossible
}

// text reports whether c can stand in a text.
func (l *tableLook) text(c byte) bool {
	if l.carriage && c != '\n' {
		return false
	}
	l.carriage = c == '\r'
	switch {
	case l.continuation > 0:
		l.continuation--
		return c&0xc0 == 0x80
	case c < ' ':
		return isSpace(c)
	}
	known := false
	l.continuation, known = textContinuation(c)
	return known
}

// endLine leaves a line.
func (l *tableLook) endLine() {
	if l.visible {
		if l.lines == 0 {
			l.first = l.separators
		}
		l.uneven = l.uneven || l.separators != l.first
		l.lines++
	}
	l.visible, l.separators = false, separators{}
}

// rows reports whether the rows that a decoder has found are evidence enough.
func (l *tableLook) rows(d *tableDecoder) bool {
	switch {
	case l.wrong || d.separator == ';' && l.bytes < semicolonText:
		return false
	case d.columns > 1:
		return d.count > 0
	}
	return d.count > 1
}

// onlyHeader reports whether the lines so far, which have ended, are a header with
// a column id, or a comment that can be one. Of four bytes over and over only the
// first are looked at.
func (l *tableLook) onlyHeader() bool {
	return !l.wrong && l.probe.headed && l.probe.named && len(l.probe.held) == 0 && (l.varied || l.bytes <= len(l.recent))
}

// even reports whether the lines so far are like those of a table.
func (l *tableLook) even() bool {
	return l.lines > 1 && !l.uneven && l.varied && l.first != separators{} && l.bytes >= evenText
}

// likely reports whether it is a table, whose end has come, its last line feed maybe missing.
func (l *tableLook) likely() bool {
	d, good := l.ended()
	if !good {
		return false
	}
	last := *l
	last.endLine()
	return l.rows(d) || l.onlyHeader() || last.even()
}

// anyRows reports whether the bytes so far are a correct table of a row or more.
func (l *tableLook) anyRows() bool {
	d, good := l.ended()
	return good && !l.wrong && d.count > 0 && d.Unfinished() == 0
}

// ended is what the decoder makes of the bytes so far if nothing more comes; good is
// false if they are no table at all.
func (l *tableLook) ended() (d *tableDecoder, good bool) {
	if l.state != lookPossible {
		return nil, false
	}
	ended := *l.probe
	ended.sink = &probeSink{dimension: ended.sink.Dimension()}
	return &ended, l.wrong || ended.EndLine() == nil
}

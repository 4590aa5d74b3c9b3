package vecio

import "strings"

// textLook judges whether a stream is text of any kind, one byte at a time:
// printable ASCII, white space and UTF-8.
type textLook struct {
	not          bool // a byte came that stands in no text
	bytes        int
	mark         int  // bytes of a byte order mark that were seen
	first        byte // the first that is neither white space nor a mark's; 0 before
	last         byte
	lines        bool // one that is not blank has ended
	continuation int  // bytes missing of a UTF-8 sequence
}

// Bytes of text that are evidence enough.
const (
	anyText    = 64       // where one of them is no white space
	blankLimit = 64 << 10 // of white space
)

func (l *textLook) next(c byte) look {
	if !l.not {
		l.not = !l.text(c)
	}
	switch {
	case l.not:
		return lookNot
	case l.bytes >= anyText && l.visible() || l.bytes >= blankLimit:
		return lookSure
	}
	return lookPossible
}

// text takes c and reports whether it can stand in a text.
func (l *textLook) text(c byte) bool {
	l.bytes++
	switch {
	case l.mark == l.bytes-1 && l.mark < len(byteOrderMark) && c == byteOrderMark[l.mark]:
		l.mark++
	case l.first == 0 && !isSpace(c):
		l.first = c
	}
	l.last = c
	l.lines = l.lines || c == '\n' && l.first != 0
	known := false
	switch {
	case l.continuation > 0:
		l.continuation--
		return c&0xc0 == 0x80
	case c < ' ':
		return strings.IndexByte("\t\n\v\f\r", c) >= 0
	}
	l.continuation, known = textContinuation(c)
	return known
}

// visible reports whether all bytes so far are text, and not only white space.
func (l *textLook) visible() bool { return !l.not && l.first != 0 }

// kind is the verdict on a stream that is text: by its first visible byte.
func (l *textLook) kind() verdict {
	if l.first == '[' || l.first == '{' || l.first == 0 {
		return isJSON
	}
	return isTable
}

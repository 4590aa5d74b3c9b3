package vecio

// utf16Look judges whether a stream is text in UTF-16, one byte at a time: ASCII
// whose every other byte is zero, behind a byte order mark or without one.
type utf16Look struct {
	state      look
	bytes      int
	half       byte // the first byte of the character at hand
	marked     bool // a byte order mark stands in front
	bigEndian  bool
	characters int
	recent     [2]byte
	varied     bool // it is more than two characters over and over
}

// Characters in UTF-16 that are evidence enough.
const (
	anyUTF16   = 8
	endedUTF16 = 4 // when nothing more comes and there is no mark
)

func (l *utf16Look) next(c byte) look {
	if l.state == lookPossible {
		l.state = l.judge(c)
	}
	return l.state
}

func (l *utf16Look) judge(c byte) look {
	l.bytes++
	if l.bytes%2 == 1 {
		l.half = c
		if c != 0 && !isASCIIText(c) && (l.bytes > 1 || c < 0xfe) {
			return lookNot
		}
		return lookPossible
	}
	if l.bytes == 2 && l.half >= 0xfe {
		l.marked, l.bigEndian = l.half^c == 0xff^0xfe, c == 0xff
		if !l.marked {
			return lookNot
		}
		return lookPossible
	}
	if l.characters == 0 && !l.marked {
		l.bigEndian = l.half == 0
	}
	text, zero := l.half, c
	if l.bigEndian {
		text, zero = c, l.half
	}
	if zero != 0 || !isASCIIText(text) {
		return lookNot
	}
	place := &l.recent[l.characters%len(l.recent)]
	l.varied = l.varied || l.characters >= len(l.recent) && *place != text
	*place = text
	l.characters++
	if l.characters >= anyUTF16 && l.evident() {
		return lookSure
	}
	return lookPossible
}

// evident reports whether it cannot be one value over and over: the float32 0.50097656
// reads as two big-endian characters.
func (l *utf16Look) evident() bool { return l.marked || !l.bigEndian || l.varied }

// likely reports whether it is UTF-16, whose end has come.
func (l *utf16Look) likely() bool {
	if l.state != lookPossible || l.bytes%2 == 1 || !l.evident() {
		return false
	}
	return l.characters >= endedUTF16 || l.marked && l.characters > 0
}

// isASCIIText reports whether it is printable ASCII or white space.
func isASCIIText(c byte) bool { return c >= ' ' && c <= '~' || isSpace(c) }

package vecio

// latinLook judges whether a stream is text in one of the encodings that have a
// byte for each letter, such as Latin-1, one byte at a time: ASCII, and a few
// bytes from 0xa0 on.
type latinLook struct {
	not   bool
	bytes int
	high  int // bytes from 0xa0 on
}

// maxHigh is how many of 64 bytes may be letters that ASCII does not have.
const maxHigh = anyText / 8

func (l *latinLook) next(c byte) look {
	l.bytes++
	if c >= 0xa0 {
		l.high++
	}
	l.not = l.not || c < 0xa0 && !isASCIIText(c) || l.high > maxHigh
	switch {
	case l.not || l.bytes >= anyText && l.high == 0:
		return lookNot
	case l.bytes >= anyText:
		return lookSure
	}
	return lookPossible
}

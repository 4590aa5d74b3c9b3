package vecio

// vecsLook judges whether a stream is fvecs or bvecs, one byte at a time.
type vecsLook struct {
	state     look
	bytes     int
	word      uint32 // the last four bytes, the first of them lowest
	dimension int    // what the first four bytes say
	fvecs     bool   // the second row's dimension agrees, if it is fvecs
	bvecs     int    // further rows whose dimension agrees, if it is bvecs
	notBvecs  bool   // one does not
}

func (l *vecsLook) next(c byte) look {
	if l.state == lookPossible {
		l.state = l.judge(c)
	}
	return l.state
}

func (l *vecsLook) judge(c byte) look {
	l.word = l.word>>8 | uint32(c)<<24
	l.bytes++
	if l.bytes <= vecsPrefix {
		l.dimension = int(l.word)
		if l.bytes > 2 && c != 0 || l.bytes == vecsPrefix && l.word == 0 {
			return lookNot
		}
		return lookPossible
	}
	place, agrees := l.bytes-vecsPrefix, int(l.word) == l.dimension
	if place%l.byteRow() == 0 {
		if agrees {
			l.bvecs++
		} else {
			l.notBvecs = true
		}
	}
	if place == l.floatRow() {
		l.fvecs = agrees
		return lookSure
	}
	return lookPossible
}

// byteRow and floatRow are the lengths of a row in bvecs and fvecs.
func (l *vecsLook) byteRow() int  { return vecsPrefix + l.dimension }
func (l *vecsLook) floatRow() int { return vecsPrefix + 4*l.dimension }

// best is the verdict if nothing more comes, known being the store's dimension.
func (l *vecsLook) best(known int) verdict {
	if l.bytes < vecsPrefix {
		return isRaw
	}
	fvecs := l.fvecs || l.bytes == l.floatRow()
	bvecs := !l.notBvecs && (l.bvecs > 0 || l.bytes == l.byteRow())
	switch {
	case bvecs && (!fvecs || l.bvecs > 1 || l.bytes%l.byteRow() == 0):
		return isBvecs
	case fvecs || l.dimension == known:
		return isFvecs
	}
	return isRaw
}

// whole reports whether the bytes so far end at a row's end.
func (l *vecsLook) whole() bool {
	return l.bytes == l.floatRow() || !l.notBvecs && l.bytes%l.byteRow() == 0
}

package vecio

import "encoding/binary"

// countedLook judges whether a stream begins with a number of rows and their dimension,
// as fbin and u8bin do. Which of them it is its length tells, or else its first bytes.
// As float32 both words are below 10^-38 and not zero, which no values of use are; for
// that the rows must be less than 2^24.
type countedLook struct {
	state     look
	bytes     int64
	coming    int64 // bytes of the stream that are known to come
	words     [countedHead]byte
	rows      int64
	dimension int64
	usual     int // float32 that are zero or of a usual size
	word      [4]byte
}

// countedEnough is how many bytes tell what the values are.
const countedEnough = 64 << 10

// next takes a byte; known is the store's dimension, 0 if it has none.
func (l *countedLook) next(c byte, known int) look {
	if l.state == lookPossible {
		l.state = l.judge(c, known)
	}
	return l.state
}

func (l *countedLook) judge(c byte, known int) look {
	at := l.bytes
	l.bytes++
	if at < countedHead {
		l.words[at] = c
		if l.bytes == 4 && c != 0 || l.bytes > 6 && c != 0 {
			return lookNot
		}
		if l.bytes < countedHead {
			return lookPossible
		}
		l.rows, l.dimension = int64(binary.LittleEndian.Uint32(l.words[:])), int64(binary.LittleEndian.Uint32(l.words[4:]))
		if l.dimension < 1 || known != 0 && l.dimension != int64(known) {
			return lookNot
		}
		return lookPossible
	}
	l.word[at%4] = c
	if at%4 == 3 {
		// A float32 between 2^-40 and 2^40 has one of these exponents.
		exponent := binary.LittleEndian.Uint32(l.word[:]) << 1 >> 24
		if binary.LittleEndian.Uint32(l.word[:])<<1 == 0 || exponent > 127-40 && exponent < 127+40 {
			l.usual++
		}
	}
	switch {
	case l.bytes > l.length(4):
		return lookNot
	case l.bytes >= countedEnough:
		return lookSure
	}
	return lookPossible
}

// length is that of a whole file with values of so many bytes.
func (l *countedLook) length(size int64) int64 { return countedHead + l.rows*l.dimension*size }

// begun reports whether the two words have come and may be such.
func (l *countedLook) begun() bool { return l.state != lookNot && l.bytes >= countedHead }

// whole reports whether a whole file has come.
func (l *countedLook) whole() bool {
	return l.begun() && (l.bytes == l.length(4) || l.bytes == l.length(1))
}

// best is the verdict on a stream that may go on: of nineteen float32 in twenty the size
// is usual, of bytes a third.
func (l *countedLook) best() verdict {
	words := int(min(l.bytes, countedEnough)-countedHead) / 4
	switch {
	case l.bytes == l.length(4):
		return isFbin
	case l.bytes == l.length(1):
		return isU8bin
	case max(l.bytes, l.coming) > l.length(1) || l.usual*20 >= words*19:
		return isFbin
	}
	return isU8bin
}

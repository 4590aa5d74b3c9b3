package vecio

import (
	"encoding/binary"
	"math"
)

// wordsLook is what the words of a stream show, taken as float32 and as integers side by
// side. What a code takes down as cheaply one way as the other, because most of its bits
// come again or are random, shows here: by values of sizes that no vector has, and by
// integers that go up evenly where float32 would not.
type wordsLook struct {
	n         int // words
	exponents [256]int
	zeros     int
	negative  int
	fractions bool // some are no whole numbers
	halves    [2]wordsHalf

	first, last uint32
	step        uint32 // between the first two
	even        bool   // all steps are that one
	ascending   bool   // as signed integers
	widest      uint32 // step
	steps       float64
	squares     float64 // of steps
}

// wordsHalf is every second word.
type wordsHalf struct {
	n, strange, subnormal, zeros int
	least, most                  uint32
}

const (
	fewWords = 8  // that tell what is the same of all
	anyWords = 64 // that tell how values are spread
	// Steps of a list of ids or times as integers. As float32 they are a ten-thousandth
	// of a value at most.
	smallStep = 256
	// Below and above lies what no vector is made of: 10^-15 and 10^15.
	lowestUsual, highestUsual = 127 - 50, 127 + 50
)

func lookAtWords(p []byte) *wordsLook {
	l := &wordsLook{even: true, ascending: true}
	for ; len(p) >= 4; p = p[4:] {
		word := binary.LittleEndian.Uint32(p)
		half := &l.halves[l.n%2]
		if half.n == 0 {
			half.least = word
		}
		half.least, half.most = min(half.least, word), max(half.most, word)
		half.n++
		exponent := word >> 23 & 0xff
		l.exponents[exponent]++
		switch {
		case word<<1 == 0:
			l.zeros++
			half.zeros++
			l.exponents[0]--
		default:
			l.negative += int(word >> 31)
			if exponent == 0 {
				half.subnormal++
			}
			if exponent < lowestUsual || exponent > highestUsual {
				half.strange++
			}
		}
		if single := float64(math.Float32frombits(word)); single != math.Trunc(single) {
			l.fractions = true
		}
		if l.n == 0 {
			l.first = word
		} else {
			step := word - l.last
			if l.n == 1 {
				l.step = step
			}
			l.even = l.even && step == l.step
			l.ascending = l.ascending && int32(word) >= int32(l.last)
			l.widest = max(l.widest, step)
			l.steps += float64(step)
			l.squares += float64(step) * float64(step)
		}
		l.last = word
		l.n++
	}
	return l
}

// surely is what the words are if they are no float32 and show it plainly.
func (l *wordsLook) surely() guess {
	low, high := l.halves[0], l.halves[1]
	far := l.far()
	switch {
	case l.n < fewWords:
	case far != "" && high.zeros == high.n && low.zeros == 0:
		return guess{name: "int64", numpy: "<i8", far: far}
	case l.smallUpper() && high.most-high.least < fewWords: // as of times
		return guess{name: "int64", numpy: "<i8"}
	case far != "", l.counts(), l.idsInOrder():
		return guess{name: "int32", numpy: "<i4", far: far}
	}
	return guess{}
}

// likely is what the words are if nothing else tells that they are no float32.
func (l *wordsLook) likely() guess {
	switch {
	case l.smallUpper():
		return guess{name: "int64", numpy: "<i8"}
	case l.strangeHalf():
		return guess{name: "float64", numpy: "<f8"}
	case l.anySize():
		return guess{name: "int32", numpy: "<i4"}
	}
	return guess{}
}

// smallUpper reports whether the words that would be the upper halves of int64 are small
// integers, which no float32 of use are, and the lower ones are not.
func (l *wordsLook) smallUpper() bool {
	low, high := l.halves[0], l.halves[1]
	return high.n > 1 && high.subnormal > 0 && high.subnormal+high.zeros == high.n && low.subnormal+low.zeros < low.n
}

// strangeHalf reports whether many of the words that would be the lower halves of float64
// are of sizes that no vector has, and of the upper ones hardly any.
func (l *wordsLook) strangeHalf() bool {
	low, high := l.halves[0], l.halves[1]
	if high.n < 2*fewWords {
		return low.strange > 1 && 2*low.strange >= low.n && high.strange+high.zeros == 0
	}
	return 10*low.strange >= 3*low.n && 50*high.strange <= high.n && 2*high.zeros < high.n
}

// far tells the sizes of values that are all far from 1 and of one sign: "above 10¹⁵" or
// "below 10⁻¹⁵"; "" if they are not. Of float32 of such a scale half would be negative.
func (l *wordsLook) far() string {
	values := l.n - l.zeros
	lowest, highest := l.span()
	if l.negative > 0 && l.negative < values || values < fewWords || values < 2*fewWords && highest-lowest > 1 || 2*l.zeros > l.n {
		return ""
	}
	switch {
	case lowest > highestUsual:
		return "above 10¹⁵"
	case highest < lowestUsual:
		return "below 10⁻¹⁵"
	}
	return ""
}

// small tells the sizes of values that are all far below 1, of either sign.
func (l *wordsLook) small() string {
	if _, highest := l.span(); l.n > l.zeros && highest < lowestUsual {
		return "below 10⁻¹⁵"
	}
	return ""
}

// span is the smallest and the largest exponent of values that are not zero.
func (l *wordsLook) span() (lowest, highest int) {
	for lowest < len(l.exponents)-1 && l.exponents[lowest] == 0 {
		lowest++
	}
	for highest = len(l.exponents) - 1; highest > lowest && l.exponents[highest] == 0; {
		highest--
	}
	return lowest, highest
}

// counts reports whether the words go up or down by the same number, which float32 that are
// as even do only within a power of two, or whose steps are hardly ever so small.
func (l *wordsLook) counts() bool {
	lowest, highest := l.span()
	step := min(l.step, -l.step)
	return l.even && step > 0 && l.n > fewWords && l.fractions && (step <= smallStep && l.n >= 2*fewWords || highest-lowest >= 2)
}

// idsInOrder reports whether the words ascend, by small steps or by uneven ones that are
// as wide for large values as for small ones. Sorted float32 have smaller steps where they are
// dense; only where thousands ascend within a power of two are they not told from ids.
func (l *wordsLook) idsInOrder() bool {
	if !l.ascending || l.n < anyWords || l.step == 0 && l.even || !l.fractions {
		return false
	}
	if l.widest <= smallStep {
		return true
	}
	const powers, few, many = 4, 256, 4096 // powers of two, and words
	lowest, highest := l.span()
	mean := l.steps / float64(l.n-1)
	uneven := l.squares/float64(l.n-1) > 1.5*mean*mean // 2 of ids at random, 1.1 of a geometric series
	return uneven && l.zeros <= 1 && (l.n >= many || l.n >= few && highest-lowest >= powers) && l.spreadEvenly(lowest, highest)
}

// anySize reports whether values are of so many sizes that only integers of any bits are.
func (l *wordsLook) anySize() bool {
	const many, wide, uniform = 24, 40, 320
	values := l.n - l.zeros
	if values < anyWords || 2*l.zeros > l.n {
		return false
	}
	below, quarter := 0, -1
	for exponent, count := range l.exponents {
		below += count
		if quarter < 0 && 4*below >= values {
			quarter = exponent
		}
		if 4*below >= 3*values {
			if exponent-quarter >= wide {
				return true
			}
			break
		}
	}
	lowest, highest := l.span()
	return values >= uniform && highest-lowest >= many && l.spreadEvenly(lowest, highest)
}

// spreadEvenly reports whether all sizes have as many values, as numbers between two others
// have when they are read as float32 (Kolmogorov's test).
func (l *wordsLook) spreadEvenly(lowest, highest int) bool {
	values := float64(l.n - l.zeros)
	begin, end := 0.0, float64(highest-lowest+1) // in powers of two from lowest on
	if l.ascending {
		begin = float64(l.first&(1<<23-1)) / (1 << 23)
		end = float64(highest-lowest) + float64(l.last&(1<<23-1))/(1<<23)
	}
	most := 1.36/math.Sqrt(values) + 0.03
	below := 0
	for exponent := lowest; exponent < highest; exponent++ {
		below += l.exponents[exponent]
		share := (float64(exponent-lowest+1) - begin) / (end - begin)
		if math.Abs(share-float64(below)/values) > most {
			return false
		}
	}
	return true
}

// idsBetween reports whether p is rows of a dimension with an id before or behind each, of
// four bytes or eight: one column counts, or is of sizes that no float32 is of use in,
// where the others are of usual ones.
func idsBetween(p []byte, dimension int) bool {
	if dimension < 2 {
		return false
	}
	for more := range 3 { // words of an id that the dimension does not count
		width := dimension + more
		rows := len(p) / (4 * width)
		if rows < 2 {
			continue
		}
		for _, column := range []int{0, width - 1} {
			if isIDColumn(p, width, column, more) && usualBeside(p, width, column, max(more, 1)) {
				return true
			}
		}
		// Of an id of eight bytes behind its row the first half is the column before.
		if more == 2 && isIDColumn(p, width, width-2, more) && usualBeside(p, width, width-1, more) {
			return true
		}
	}
	return false
}

// isIDColumn reports whether a column of rows so many words wide holds ids. Where the width
// is that of the vectors, only what goes up is believed to be such.
func isIDColumn(p []byte, width, column, more int) bool {
	rows, strange, zeros := 0, 0, 0
	counts, floats, ascending, subnormal := true, true, true, true
	var last uint32
	for at := 4 * column; at+4 <= len(p); at += 4 * width {
		word := binary.LittleEndian.Uint32(p[at:])
		exponent := word >> 23 & 0xff
		switch {
		case word<<1 == 0:
			zeros++
		case exponent < lowestUsual || exponent > highestUsual:
			strange++
		}
		subnormal = subnormal && exponent == 0 && word>>31 == 0
		if rows > 0 {
			counts = counts && word == last+1
			ascending = ascending && word > last
			floats = floats && math.Float32frombits(word) == math.Float32frombits(last)+1
		}
		last = word
		rows++
	}
	if rows < 2 {
		return false
	}
	if more == 0 {
		return rows >= 4 && (counts || subnormal && ascending)
	}
	return counts || floats && rows > 2 || subnormal && zeros < rows || strange+zeros == rows && strange > 0 || 4*strange >= rows && rows >= fewWords
}

// usualBeside reports whether nearly all values beside a column, and the words of its ids,
// are zero or of a usual size, and not all of them zero.
func usualBeside(p []byte, width, column, words int) bool {
	from := column
	if column > 0 {
		from = column + 1 - words
	}
	usual, others, values := 0, 0, 0
	for at := 0; 4*at+4 <= len(p); at++ {
		if place := at % width; place >= from && place < from+words {
			continue
		}
		others++
		switch exponent := binary.LittleEndian.Uint32(p[4*at:]) << 1 >> 24; {
		case binary.LittleEndian.Uint32(p[4*at:])<<1 == 0:
			usual++
		case exponent > 127-24 && exponent < 127+24:
			usual++
			values++
		}
	}
	return values > 0 && 100*usual >= 99*others
}

package idset

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Run is the ids from first to last.
type Run struct{ First, Last uint64 }

// appendRun appends a run that starts no lower than the last of runs, and makes
// one run of the two if they touch.
func appendRun(runs []Run, run Run) []Run {
	if n := len(runs); n > 0 {
		last := &runs[n-1].Last
		if run.First <= *last || run.First-1 == *last {
			*last = max(*last, run.Last)
			return runs
		}
	}
	return append(runs, run)
}

// blockRuns is the number of runs that a block holds at most: few enough to move
// in no time, many enough that the block itself does not count. With this number
// full blocks of any width are little shorter than the sizes in which Go hands
// out memory.
const blockRuns = 488

// block holds ascending runs of ids as records of one width, which can be
// searched and moved as they are: where the run starts, as the distance from
// base, and how many ids follow the first, both little-endian in as many bytes as
// the largest needs.
type block struct {
	base        uint64
	records     []byte
	runs        uint16
	startWidth  uint8 // in bytes
	lengthWidth uint8
}

// recordSlack are the bytes behind the records that let each one be read and
// written as whole words.
const recordSlack = 8

// encodeBlock makes a block of at least one run. What the width of the starts can
// express beyond the runs at hand lies above them, or below.
func encodeBlock(runs []Run, roomBelow bool) *block {
	first, last := runs[0].First, runs[len(runs)-1].First
	var longest uint64
	for _, run := range runs {
		longest = max(longest, run.Last-run.First)
	}
	b := &block{base: first, runs: uint16(len(runs)), startWidth: max(1, byteWidth(last-first)), lengthWidth: byteWidth(longest)}
	if roomBelow {
		b.base = last - min(last, widthMask(b.startWidth))
	}
	b.records = make([]byte, len(runs)*b.stride()+recordSlack)
	for i, run := range runs {
		b.set(i, run)
	}
	return b
}

func byteWidth(n uint64) uint8     { return uint8((bits.Len64(n) + 7) / 8) }
func widthMask(width uint8) uint64 { return ^uint64(0) >> (64 - 8*width) }
func (b *block) stride() int       { return int(b.startWidth) + int(b.lengthWidth) }
func (b *block) last() uint64      { return b.run(int(b.runs) - 1).Last }
func (b *block) word(i int) uint64 { return binary.LittleEndian.Uint64(b.records[i:]) }

func (b *block) run(i int) Run {
	at := i * b.stride()
	first := b.base + b.word(at)&widthMask(b.startWidth)
	return Run{first, first + b.word(at+int(b.startWidth))&widthMask(b.lengthWidth)}
}

// find is the number of runs that start at id or below.
func (b *block) find(id uint64) int {
	if id < b.base {
		return 0
	}
	distance, stride, mask := id-b.base, b.stride(), widthMask(b.startWidth)
	at := 0
	for count := int(b.runs); count > 1; {
		half := count / 2
		if b.word((at+half)*stride)&mask <= distance {
			at += half
		}
		count -= half
	}
	if b.word(at*stride)&mask > distance {
		return 0
	}
	return at + 1
}

// fits reports whether the widths can express the run.
func (b *block) fits(run Run) bool {
	return run.First >= b.base && run.First-b.base <= widthMask(b.startWidth) && run.Last-run.First <= widthMask(b.lengthWidth)
}

// set makes a run that fits the one with index i.
func (b *block) set(i int, run Run) {
	at := i * b.stride()
	b.setWord(at, b.startWidth, run.First-b.base)
	b.setWord(at+int(b.startWidth), b.lengthWidth, run.Last-run.First)
}

// setWord writes the low bytes of value and leaves those behind them as they are.
func (b *block) setWord(at int, width uint8, value uint64) {
	mask := widthMask(width)
	binary.LittleEndian.PutUint64(b.records[at:], b.word(at)&^mask|value)
}

// put adds an id that no run has, and that begun runs start below. It
// reports whether it has: it does nothing when that takes other widths or one more run
// in a full block.
func (b *block) put(id uint64, begun int) bool {
	count := int(b.runs)
	run := Run{id, id}
	var before, after bool
	if begun > 0 {
		if previous := b.run(begun - 1); previous.Last+1 == id {
			before, run.First = true, previous.First
		}
	}
	if begun < count {
		if next := b.run(begun); next.First-1 == id {
			after, run.Last = true, next.Last
		}
	}
	if !b.fits(run) {
		return false
	}
	at := begun
	switch {
	case before && after:
		b.close(begun)
		at--
	case before:
		at--
	case after:
	case count == blockRuns:
		return false
	default:
		b.open(begun)
	}
	b.set(at, run)
	return true
}

// open makes room for one more run at index i.
func (b *block) open(i int) {
	stride := b.stride()
	length := len(b.records)
	if cap(b.records) < length+stride {
		// Little spare room, as most blocks have it at all times.
		room := min(length+length/8+stride, blockRuns*stride+recordSlack)
		b.records = append(slices.Grow([]byte(nil), room), b.records...)
	}
	b.records = b.records[:length+stride]
	copy(b.records[(i+1)*stride:], b.records[i*stride:length])
	b.runs++
}

// close takes the run with index i out.
func (b *block) close(i int) {
	b.records = slices.Delete(b.records, i*b.stride(), (i+1)*b.stride())
	b.runs--
	if 2*len(b.records) < cap(b.records) {
		b.records = slices.Clone(b.records)
	}
}

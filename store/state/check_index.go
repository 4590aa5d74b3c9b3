package state

import (
	"slices"
	"sync/atomic"

	"rvffs/segments"
)

// hashState is what is known of a segment's content hash.
type hashState uint32

const (
	unchecked hashState = iota
	queued              // the checker will come to it
	sound
	unhashed // it has no hash, or one of an unknown kind
	damaged
)

// settled reports whether the state is for good.
func (s hashState) settled() bool { return s >= sound }

// checkedSegment is a segment and what is known of it. Snapshots of one file that
// name the same segment share what is known.
type checkedSegment struct {
	segments.DirectoryEntry
	state *atomic.Uint32 // a hashState
}

func (c *checkedSegment) load() hashState { return hashState(c.state.Load()) }

// move changes the state, if it still is what it was, and reports whether it was.
func (c *checkedSegment) move(from, to hashState) bool {
	return c.state.CompareAndSwap(uint32(from), uint32(to))
}

// end is the offset behind the segment's last byte.
func (c *checkedSegment) end() int64 { return endOf(c.DirectoryEntry) }

func endOf(entry segments.DirectoryEntry) int64 {
	return segments.Segment{Offset: entry.Offset, Header: segments.Header{PayloadLength: entry.PayloadLength}}.End()
}

// checkIndex tells which segments some bytes of a file belong to. It is in order of
// offset, and no two segments overlap.
type checkIndex []checkedSegment

// newCheckIndex makes the index of segments in order of offset, of which those that
// known holds, too, keep their states. A directory that names bytes twice, or bytes
// behind the file's end, has the entry left out: so no file takes longer to check
// than to read.
func newCheckIndex(entries []segments.DirectoryEntry, size int64, known checkIndex) checkIndex {
	index := make(checkIndex, 0, len(entries))
	fresh := make([]atomic.Uint32, len(entries))
	var end int64
	for i, entry := range entries {
		if entry.Offset < end || endOf(entry) > size {
			continue
		}
		end = endOf(entry)
		for len(known) > 0 && known[0].Offset < entry.Offset {
			known = known[1:]
		}
		state := &fresh[i]
		if len(known) > 0 && known[0].DirectoryEntry == entry {
			state = known[0].state
		}
		index = append(index, checkedSegment{entry, state})
	}
	return index
}

// within gives the segments to which the bytes from offset on belong.
func (x checkIndex) within(offset, length int64) checkIndex {
	first, _ := slices.BinarySearchFunc(x, offset, func(c checkedSegment, offset int64) int {
		if c.end() > offset {
			return 1
		}
		return -1
	})
	last := first
	for last < len(x) && x[last].Offset < offset+length {
		last++
	}
	return x[first:last]
}

// last is where the index ends, in the file.
func (x checkIndex) last() int64 {
	if len(x) == 0 {
		return 0
	}
	return x[len(x)-1].end()
}

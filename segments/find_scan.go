package segments

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	// scanChunk is how much of a torn tail is searched at once.
	scanChunk = 256 << 10
	// scanAllowance is what a search may cost beyond twice the bytes that it
	// covers; see finder.afford.
	scanAllowance = 256 << 20
)

var magicBytes = binary.LittleEndian.AppendUint32(nil, Magic)

// Where in a header the segment type and the payload's length stand.
const (
	typeOffset          = 5
	payloadLengthOffset = 16
)

// LooksLikeManifest returns the index of the first place in p where the
// reference runtime, searching backwards for its state, believes that a
// manifest begins: the magic, any byte, and the manifest type. It returns -1
// if there is none. To search a stream chunk by chunk, put the last 5 bytes
// of a chunk before the next one.
func LooksLikeManifest(p []byte) int {
	for start := 0; ; {
		i := bytes.Index(p[start:], magicBytes)
		if i < 0 || start+i+typeOffset >= len(p) {
			return -1
		}
		if Type(p[start+i+typeOffset]) == TypeManifest {
			return start + i
		}
		start += i + 1
	}
}

// scan searches the bytes from floor to the end of the file backwards for
// the newest manifest that can be believed. It returns nil if there is none
// within the limit.
func (f *finder) scan(floor int64) (*committed, error) {
	lowest := floor
	if f.limit > 0 {
		lowest = max(floor, f.size-f.limit)
	}
	f.budget = scanAllowance
	chunk := make([]byte, min(scanChunk, f.size-lowest)+HeaderSize-1)
	var places []int
	for high := f.size; high > lowest; {
		low := max(lowest, high-scanChunk)
		// Headers that begin in front of high are seen whole.
		p := chunk[:min(high+HeaderSize-1, f.size)-low]
		if err := readFull(f.r, p, low); err != nil {
			return nil, fmt.Errorf("search at %d: %w", low, err)
		}
		f.budget += 2 * (high - low)
		places = manifestPlaces(places[:0], p, int(high-low), uint64(f.size-low))
		for i := len(places) - 1; i >= 0; i-- {
			header, err := ParseHeader(p[places[i]:])
			if err != nil {
				continue
			}
			found, err := f.believe(Segment{Header: header, Offset: low + int64(places[i])}, floor)
			if found != nil || err != nil {
				return found, err
			}
		}
		high = low
		if allZero(p) {
			high -= zerosBefore(f.r, lowest, high)
		}
	}
	return nil, nil
}

// manifestPlaces appends the indices below limit at which p looks like the
// header of a manifest with a payload of less than room bytes. Hostile bytes
// can look like one at every sixth place, which is why so little is done here.
func manifestPlaces(places []int, p []byte, limit int, room uint64) []int {
	for start := 0; start < limit; start++ {
		i := LooksLikeManifest(p[start:])
		if i < 0 {
			break
		}
		if start += i; start >= limit || len(p)-start < HeaderSize {
			break
		}
		if binary.LittleEndian.Uint64(p[start+payloadLengthOffset:]) < room {
			places = append(places, start)
		}
	}
	return places
}

// afford takes cost from the budget and reports whether there was enough.
// Without it a hostile tail could hold millions of candidates and have the
// rest of the file read for each. Honest ones come nowhere near.
func (f *finder) afford(cost int64) bool {
	f.budget -= cost
	return f.budget >= 0
}

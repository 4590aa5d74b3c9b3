package segments

import (
	"io"
	"math"
)

// Sparse is a file that knows where it has holes. Zeros hold no segment, so that
// what searches or checks a file need not read them, of which a file of some
// kilobytes can have terabytes.
type Sparse interface {
	io.ReaderAt
	// NextData is the first offset, not below the given one, at which there may be
	// other bytes than zeros; math.MaxInt64 when there are none any more.
	NextData(offset int64) int64
}

// zerosFrom is how many bytes from offset on, of length at most, are known to be
// zeros without reading.
func zerosFrom(r io.ReaderAt, offset, length int64) int64 {
	if sparse, knows := r.(Sparse); knows {
		return min(max(sparse.NextData(offset), offset)-offset, length)
	}
	return 0
}

// zerosBefore is zerosFrom for the bytes from floor up to offset, of which it asks
// for the last ones.
func zerosBefore(r io.ReaderAt, floor, offset int64) int64 {
	var zeros int64
	for step := int64(scanChunk); zeros < offset-floor; {
		length := min(step, offset-floor-zeros)
		switch {
		case zerosFrom(r, offset-zeros-length, length) == length:
			zeros += length
			step = min(2*step, math.MaxInt64/2)
		case step > scanChunk:
			step = max(step/2, scanChunk)
		default:
			return zeros
		}
	}
	return zeros
}

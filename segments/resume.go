package segments

import (
	"bytes"
	"fmt"
	"io"
)

// resumeAllowance is what looking at candidates may cost in all, in bytes beyond
// those searched; see finder.afford.
const resumeAllowance = 64 << 20

// Resume finds where segments go on behind bytes that are none, such as a payload
// that was torn and then appended to by another writer: the first place from
// from on, which may be in the midst of anything, where a whole segment with the
// right hash begins and leads from segment to segment exactly to limit. No more than
// reach bytes are searched. False means that there is none, or that it could not be
// found with a bounded effort.
func Resume(r io.ReaderAt, from, limit, reach int64) (int64, bool, error) {
	f := &finder{r: r, size: limit, budget: resumeAllowance + max(0, min(limit-from, reach))}
	end := min(limit, saturatingAdd(from, uint64(max(0, reach))))
	chunk := make([]byte, max(0, min(scanChunk, end-from)))
	for low := from; low+HeaderSize <= end; low += scanChunk - int64(len(magicBytes)) + 1 {
		p := chunk[:min(scanChunk, end-low)]
		if err := readFull(r, p, low); err != nil {
			return 0, false, fmt.Errorf("search at %d: %w", low, err)
		}
		for at := 0; ; at++ {
			next := bytes.Index(p[at:], magicBytes)
			if next < 0 {
				break
			}
			at += next
			if ok, err := f.resumes(low+int64(at), limit); ok || err != nil {
				return low + int64(at), ok, err
			}
		}
	}
	return 0, false, nil
}

// resumes reports whether a run of segments begins at offset and ends at limit.
func (f *finder) resumes(offset, limit int64) (bool, error) {
	if !f.afford(hopCost) {
		return false, nil
	}
	w := NewWalker(f.r, offset, limit)
	if !w.Next() || w.Segment().Offset != offset || !w.Segment().Hashed() {
		return false, w.Err()
	}
	first := w.Segment()
	for w.Next() {
		if !f.afford(hopCost) {
			return false, nil
		}
	}
	if w.Err() != nil || !w.Clean() || first.PayloadLength > MaxPayload || !f.afford(int64(first.PayloadLength)) {
		return false, w.Err()
	}
	verdict, err := VerifySegment(f.r, first)
	return verdict == HashMatch, err
}

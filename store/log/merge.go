package log

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

const (
	// MergeWidth is how many neighbouring vector segments of one order of size
	// become one. It weighs the bytes that are copied, about one copy of each row
	// for each order, against the directory, whose entries are written anew with
	// every commit.
	MergeWidth = 32
	// MergeLimit bounds, in bytes, what one commit merges: nobody shall wait long.
	MergeLimit = 8 << 20
)

// merge is a run of small vector segments, neighbours in the directory, whose
// rows stand in one new segment from the commit on.
type merge struct {
	into volume.Extent
	run  []segments.DirectoryEntry
}

// mergeTail merges the newest small neighbours when there are enough of them, so
// that the directory stays short however small the commits are. Order and content
// of the rows stay the same.
func (s *Session) mergeTail(ctx context.Context, d *Draft) error {
	l := s.log
	if l.apartIn != d.Base.Backing() {
		l.apart, l.apartIn = map[int64]bool{}, d.Base.Backing()
	}
	from, count := findMerge(d.Manifest.Directory, l.apart)
	if count == 0 || l.mergesAreOff() {
		return nil
	}
	run := slices.Clone(d.Manifest.Directory[from : from+count])
	var body []byte
	var rows uint32
	err := d.Base.With(ctx, state.Judging, func(base *state.Reading) (err error) {
		body, rows, err = ReadRun(base, run)
		return err
	})
	var apart NotMerged
	if errors.As(err, &apart) {
		l.apart[int64(apart)] = true
		return nil
	}
	if err != nil {
		return err
	}
	prefix := segments.EncodeVecPrefix(uint16(d.Base.Dimension()), rows)
	into := s.Extent(volume.ExtentSpec{
		Type: segments.TypeVec, Front: len(prefix), Seal: func(int64) []byte { return prefix[:] }, Length: int64(len(body)),
	})
	if err := into.Write(context.WithoutCancel(ctx), body); err != nil {
		return s.Fail(err)
	}
	into.Complete()
	if err := into.Settle(context.WithoutCancel(ctx)); err != nil {
		return s.Fail(err)
	}
	d.merged = &merge{into: into, run: run}
	d.Manifest.Directory = slices.Replace(d.Manifest.Directory, from, from+count, into.Entry())
	return nil
}

// HoldMerges switches merges off until release is called. A rewrite that has copied
// segments one by one could not take in a segment made of some of them. When it returns,
// no commit that may still merge is under way.
func (l *Log) HoldMerges(ctx context.Context) (release func(), err error) {
	if err := l.lead.Take(ctx); err != nil {
		return nil, err
	}
	defer l.lead.Give()
	l.holdMerges(1)
	return func() { l.holdMerges(-1) }, nil
}

func (l *Log) holdMerges(step int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.merging += step
}

func (l *Log) mergesAreOff() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.merging > 0
}

// findMerge finds the run of directory entries to be merged, which reaches to the
// newest vector segment: as soon as MergeWidth of one order of size are there,
// these and the smaller ones behind them. Segments at the offsets in apart stay
// what they are. Without a run the count is 0.
func findMerge(directory []segments.DirectoryEntry, apart map[int64]bool) (from, count int) {
	mergeable := func(entry segments.DirectoryEntry) bool {
		return entry.Type == segments.TypeVec && !apart[entry.Offset]
	}
	end := len(directory)
	for end > 0 && !mergeable(directory[end-1]) {
		end--
	}
	highest, ofHighest, total := 0, 0, uint64(0)
	start := end
	for ; start > 0 && mergeable(directory[start-1]); start-- {
		entry := directory[start-1]
		order := sizeOrder(entry.PayloadLength)
		if order > highest && ofHighest >= MergeWidth {
			break
		}
		if total += entry.PayloadLength; total > MergeLimit {
			break
		}
		if order > highest {
			highest, ofHighest = order, 0
		}
		if order == highest {
			ofHighest++
		}
	}
	if ofHighest < MergeWidth {
		return 0, 0
	}
	return start, end - start
}

// sizeOrder tells sizes apart that a merge of MergeWidth lies between.
func sizeOrder(payload uint64) int {
	order := 0
	for size := uint64(2 << 10); size < payload; size *= MergeWidth / 2 {
		order++
	}
	return order
}

// NotMerged is the offset of a segment that must stay as it is.
type NotMerged int64

// Error implements error.
func (o NotMerged) Error() string {
	return fmt.Sprintf("the segment at offset %d cannot be merged", int64(o))
}

// ReadRun reads the rows of all segments of a run, which is known to be small. It fails
// with NotMerged when one of them is not simply rows of the store's dimension, or is
// damaged: a merged segment would hide that.
func ReadRun(in *state.Reading, run []segments.DirectoryEntry) (body []byte, rows uint32, err error) {
	for _, entry := range run {
		payload := make([]byte, entry.PayloadLength)
		segment, err := in.ReadHeader(entry)
		if err == nil {
			err = volume.ReadFull(in, payload, segment.PayloadOffset())
		}
		if err != nil {
			return nil, 0, err
		}
		dimension, count, err := segments.ParseVecPrefix(payload)
		plain := segment.Flags == 0 && segment.Compression == segments.CompressionNone
		check := segments.NewPayloadCheck(segment.Header)
		_, _ = check.Write(payload)
		if err != nil || !plain || int(dimension) != in.Snapshot().Dimension() || check.Verdict() == segments.HashMismatch ||
			uint64(len(payload)) != segments.VecPrefixSize+uint64(count)*uint64(segments.RowSize(int(dimension))) {
			return nil, 0, NotMerged(entry.Offset)
		}
		body = append(body, payload[segments.VecPrefixSize:]...)
		rows += count
	}
	return body, rows, nil
}

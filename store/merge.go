package store

import (
	"errors"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

const (
	// mergeWidth is how many neighbouring vector segments of one order of size
	// become one. It weighs the bytes that are copied, about one copy of each row
	// for each order, against the directory, whose entries are written anew with
	// every commit.
	mergeWidth = 32
	// mergeLimit bounds, in bytes, what one commit merges: nobody shall wait long.
	mergeLimit = 8 << 20
)

// merge is a run of small vector segments, neighbours in the directory, whose
// rows stand in one new segment from the commit on.
type merge struct {
	into *extent
	run  []segments.DirectoryEntry
}

// mergeTail merges the newest small neighbours when there are enough of them, so
// that the directory stays short however small the commits are. Order and content
// of the rows stay the same.
func (w *writer) mergeTail(s *session, d *draft) error {
	if w.apartIn != d.base.Backing() {
		w.apart, w.apartIn = map[int64]bool{}, d.base.Backing()
	}
	from, count := findMerge(d.manifest.Directory, w.apart)
	if count == 0 || w.mergesAreOff() {
		return nil
	}
	run := slices.Clone(d.manifest.Directory[from : from+count])
	body, rows, err := readRun(d.base, s.file, run)
	var apart notMerged
	if errors.As(err, &apart) {
		w.apart[int64(apart)] = true
		return nil
	}
	if err != nil {
		return err
	}
	r, err := w.reserve(s, nil, len(body), func() *extent {
		return &extent{kind: segments.TypeVec, front: segments.VecPrefixSize, rows: rows}
	})
	if err != nil {
		return err
	}
	into := r.extent
	err = into.writeBody(r.file, body, r.at)
	into.pending.Done()
	if err != nil {
		return w.fail(s, err)
	}
	w.mu.Lock()
	into.sealed = true
	w.mu.Unlock()
	d.merged = &merge{into: into, run: run}
	d.manifest.Directory = slices.Replace(d.manifest.Directory, from, from+count, into.entry())
	return nil
}

func (w *writer) mergesAreOff() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.merging > 0
}

// findMerge finds the run of directory entries to be merged, which reaches to the
// newest vector segment: as soon as mergeWidth of one order of size are there,
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
		if order > highest && ofHighest >= mergeWidth {
			break
		}
		if total += entry.PayloadLength; total > mergeLimit {
			break
		}
		if order > highest {
			highest, ofHighest = order, 0
		}
		if order == highest {
			ofHighest++
		}
	}
	if ofHighest < mergeWidth {
		return 0, 0
	}
	return start, end - start
}

// sizeOrder tells sizes apart that a merge of mergeWidth lies between.
func sizeOrder(payload uint64) int {
	order := 0
	for size := uint64(2 << 10); size < payload; size *= mergeWidth / 2 {
		order++
	}
	return order
}

// notMerged is the offset of a segment that must stay as it is.
type notMerged int64

func (o notMerged) Error() string {
	return fmt.Sprintf("the segment at offset %d cannot be merged", int64(o))
}

// readRun reads the rows of all segments of the run. It fails with notMerged when
// one of them is not simply rows of the store's dimension, or is damaged: a merged
// segment would hide that.
func readRun(s *state.Snapshot, file volume.File, run []segments.DirectoryEntry) (body []byte, rows uint32, err error) {
	for _, entry := range run {
		payload := make([]byte, entry.PayloadLength)
		segment, err := state.ReadHeader(file, entry)
		if err == nil {
			err = volume.ReadFull(file, payload, segment.PayloadOffset())
		}
		if err != nil {
			return nil, 0, err
		}
		dimension, count, err := segments.ParseVecPrefix(payload)
		plain := segment.Flags == 0 && segment.Compression == segments.CompressionNone
		check := segments.NewPayloadCheck(segment.Header)
		_, _ = check.Write(payload)
		if err != nil || !plain || int(dimension) != s.Dimension() || check.Verdict() == segments.HashMismatch ||
			uint64(len(payload)) != segments.VecPrefixSize+uint64(count)*uint64(segments.RowSize(int(dimension))) {
			return nil, 0, notMerged(entry.Offset)
		}
		body = append(body, payload[segments.VecPrefixSize:]...)
		rows += count
	}
	return body, rows, nil
}

package state

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/throttle"
	"rvffs/store/volume/filelog"
)

// TestCheckIndex finds the segments that bytes belong to, in directories as they
// should not be, too.
func TestCheckIndex(t *testing.T) {
	t.Parallel()
	entry := func(offset int64, payload uint64) segments.DirectoryEntry {
		return segments.DirectoryEntry{Offset: offset, PayloadLength: payload, Type: segments.TypeVec}
	}
	index := newCheckIndex([]segments.DirectoryEntry{
		entry(-5, 10), entry(0, 36), entry(50, 1), entry(100, 36), entry(150, 1<<63), entry(200, 6), entry(300, 0), entry(400, 1),
	}, 464, nil)
	offsets := func(index checkIndex) (all []int64) {
		for i := range index {
			all = append(all, index[i].Offset)
		}
		return all
	}
	if got := offsets(index); !slices.Equal(got, []int64{0, 100, 200, 300}) {
		t.Errorf("the index holds %v", got)
	}
	for _, test := range []struct {
		offset, length int64
		want           []int64
	}{
		{0, 1, []int64{0}}, {99, 1, []int64{0}}, {99, 2, []int64{0, 100}}, {100, 1, []int64{100}}, {199, 1, []int64{100}},
		{0, 1000, []int64{0, 100, 200, 300}}, {270, 30, nil}, {270, 31, []int64{300}}, {363, 9, []int64{300}}, {364, 9, nil}, {5, 0, nil},
	} {
		got := offsets(index.within(test.offset, test.length))
		if test.length > 0 && !slices.Equal(got, test.want) {
			t.Errorf("%d bytes at %d belong to %v, want %v", test.length, test.offset, got, test.want)
		}
	}
	index[1].state.Store(uint32(damaged))
	index[2].state.Store(uint32(sound))
	later := newCheckIndex([]segments.DirectoryEntry{entry(0, 36), entry(100, 36), entry(200, 7), entry(300, 0), entry(400, 100)}, 1000, index)
	var states []hashState
	for i := range later {
		states = append(states, later[i].load())
	}
	if !slices.Equal(states, []hashState{unchecked, damaged, unchecked, unchecked, unchecked}) {
		t.Errorf("the states of the next index are %v", states)
	}
	index[3].state.Store(uint32(sound))
	if later[3].load() != sound {
		t.Error("what is found out later is not shared")
	}
}

// TestChecksRest: behind the reads a check leaves the disk to others for 70 % of its
// time; one that somebody waits for does not.
func TestChecksRest(t *testing.T) {
	t.Parallel()
	for share, want := range map[throttle.Share]float64{checkShare: 0.3, throttle.FullSpeed: 1} {
		synctest.Test(t, func(t *testing.T) {
			payload := bytes.Repeat([]byte("vectors "), 500_000)
			segment := segments.Segment{Header: segments.Header{
				Version: segments.HeaderVersion, Type: segments.TypeVec, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
			}}
			header := segment.Encode()
			file := unhurriedFile{content: append(header[:], payload...)}
			began, reads := time.Now(), (int64(segment.PayloadLength)+checkPiece-1)/checkPiece
			if verdict, err := compareHash(t.Context(), NewSnapshot(&Backing{}, &segments.State{Manifest: &segments.Manifest{}}, time.Time{}).In(file), segment, share, func() {}); err != nil || verdict != segments.HashMatch {
				t.Errorf("%v, %v", verdict, err)
			}
			worked := time.Duration(reads) * time.Millisecond
			// A last pause may be owed.
			if took := time.Since(began); float64(took) < float64(worked)/want-float64(throttle.WorthPause) || float64(took) > float64(worked)/want+1e6 {
				t.Errorf("at %d %%: %d reads of a millisecond take %v", share, reads, took)
			}
		})
	}
}

// unhurriedFile takes a millisecond for each read.
type unhurriedFile struct {
	filelog.File
	content []byte
}

func (f unhurriedFile) ReadAt(p []byte, offset int64) (int, error) {
	time.Sleep(time.Millisecond)
	return bytes.NewReader(f.content).ReadAt(p, offset)
}

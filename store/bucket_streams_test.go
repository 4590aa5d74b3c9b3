package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/ingest"
	"rvffs/store/vecio"
	"rvffs/store/volume/bucket"
	buckets "rvffs/store/volume/bucket/memory"
)

// machine opens a store in a bucket as another machine does.
func machine(t *testing.T, objects *buckets.Bucket) *Store {
	t.Helper()
	options := bucket.Options{Freshness: time.Hour, Untidy: true}
	s, err := Open(t.Context(), "a.rvf", Options{Shelf: bucket.Open(objects, options).Shelf(), TurnWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// makeStore makes one in a bucket.
func makeStore(t *testing.T, objects *buckets.Bucket, dimension int) {
	t.Helper()
	made, err := Create(t.Context(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: bucket.Open(objects, bucket.Options{}).Shelf()})
	if err = errors.Join(err, made.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestStreamsThatWaitShareACommit: the streams of one machine that end while another machine is
// ahead are in one commit, although each of them needs new ids.
func TestStreamsThatWaitShareACommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects := buckets.New()
		makeStore(t, objects, 1)
		theirs, mine := machine(t, objects), machine(t, objects)
		const count = 8
		streams := make([]*ingest.AppendStream, count)
		for i := range streams {
			var err error
			if streams[i], err = mine.OpenAppend(t.Context(), ingest.StreamOptions{}); err == nil {
				_, err = streams[i].Write(t.Context(), fmt.Appendf(nil, "[%d]\n", i))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			if _, err := theirs.Ingest(t.Context(), nil, []float32{float32(100 + i)}); err != nil {
				t.Fatal(err)
			}
		}
		before := theirs.Current().Epoch()
		objects.Delay = 10 * time.Millisecond
		var all sync.WaitGroup
		for _, s := range streams {
			all.Go(func() {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		objects.Delay = 0
		found := machine(t, objects)
		got := map[float32]int{}
		for _, vector := range contents(t, found) {
			got[vector[0]]++
		}
		for i := range count + 3 {
			value := float32(i)
			if i >= count {
				value = float32(100 + i - count)
			}
			if got[value] != 1 {
				t.Errorf("the vector %v is there %d times", value, got[value])
			}
		}
		if commits := found.Current().Epoch() - before; commits != 1 {
			t.Errorf("%d commits for %d streams", commits, count)
		}
	})
}

// TestLongStreamsGetOtherIDs: a stream that is committed as it comes goes on where another machine
// stores vectors with the ids that were handed out to it.
func TestLongStreamsGetOtherIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects := buckets.New()
		const dimension, batches, rows = 256, 6, 6144 // more than one block in each
		makeStore(t, objects, dimension)
		theirs, mine := machine(t, objects), machine(t, objects)
		objects.Delay = 10 * time.Millisecond
		stream, err := mine.OpenAppend(t.Context(), ingest.StreamOptions{Format: vecio.RawF32, FlushBytes: 4 * dimension * rows})
		if err != nil {
			t.Fatal(err)
		}
		want := map[float32]bool{}
		over := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			for other := make([]float32, dimension); ; {
				select {
				case <-over:
					return
				default:
				}
				other[0]--
				if _, err := theirs.Ingest(t.Context(), nil, other); err != nil {
					t.Errorf("ingest: %v", err)
					return
				}
				want[other[0]] = true
			}
		})
		for batch := range batches {
			var content bytes.Buffer
			for row := range rows {
				value := float32(batch*rows + row)
				encoded := binary.LittleEndian.AppendUint32(nil, math.Float32bits(value))
				content.Write(append(encoded, make([]byte, 4*(dimension-1))...))
			}
			if _, err := stream.Write(t.Context(), content.Bytes()); err != nil {
				t.Errorf("batch %d: %v", batch, err)
				break
			}
			time.Sleep(7 * time.Millisecond)
		}
		if err := stream.Close(t.Context()); err != nil {
			t.Error(err)
		}
		close(over)
		all.Wait()
		for value := range batches * rows {
			want[float32(value)] = true
		}
		objects.Delay = 0
		got := map[float32]int{}
		for _, vector := range contents(t, machine(t, objects)) {
			got[vector[0]]++
		}
		for value := range want {
			if got[value] != 1 {
				t.Errorf("the vector %v is there %d times", value, got[value])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d different vectors are there, want %d", len(got), len(want))
		}
	})
}

package store

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// TestStoresAppendedToOthersBringTheirState pours the bytes of stores into other ones:
// their files hold merged segments behind those that replace some of their rows, rows of
// streams that were given up, and dead images; what arrives is what the store shows.
func TestStoresAppendedToOthersBringTheirState(t *testing.T) {
	t.Parallel()
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	ctx := context.Background()
	first := rand.Uint64() >> 16
	for round := range rounds {
		seed := numberFrom(t, "RVFFS_SEED", first+uint64(round))
		random := rand.New(rand.NewPCG(seed, 9))
		files := &waitingFiles{FileSystem: volumes.New()}
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		files.store = s
		followWithin(s, volume.FollowLimits{Little: 100, Frozen: 1000})
		want := map[uint64][]float32{}
		loads := []*load{newLoad(t, s), newLoad(t, s)}
		value := float32(0)
		for range 20 + random.IntN(120) {
			value++
			l := loads[random.IntN(2)]
			switch random.IntN(14) {
			default: // many small commits, which are merged
				ids := run(random.Uint64N(60), 1+random.Uint64N(3))
				var vectors []float32
				for _, id := range ids {
					vectors = append(vectors, value, float32(id%1000))
				}
				bring(t, s, ids, vectors...)
				put(ids, value)(&crashMark{model: want})
			case 0:
				l.write(run(random.Uint64N(60), 1+random.Uint64N(30)), value)
			case 1:
				l.commit(want)
			case 2:
				if err := l.Rollback(); err != nil {
					t.Fatal(err)
				}
				clear(l.rows)
			case 3:
				if _, err := s.Delete(ctx, run(random.Uint64N(60), 5)); err != nil {
					t.Fatal(err)
				}
				for _, id := range s.Current().Manifest().Deleted {
					delete(want, id)
				}
			case 4:
				embedKernel(t, s, noise(100), compute.KernelConfig{})
			case 5:
				if random.IntN(4) == 0 {
					if _, err := s.Compact(ctx); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, l := range loads {
			if err := l.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range s.Current().Manifest().Deleted { // all of them come back
			bring(t, s, []uint64{id}, 9, 9)
			want[id] = []float32{9, 9}
		}
		sameContents(t, contents(t, s), want)
		raw, err := state.ViewContent(ctx, s.Current().Raw())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		pour(t, random, raw, want)
		if t.Failed() {
			t.Fatalf("RVFFS_SEED=%d", seed)
		}
	}
}

// pour appends the bytes of a store to another one, in pieces, while others write,
// commit and compact.
func pour(t *testing.T, random *rand.Rand, raw []byte, want map[uint64][]float32) {
	t.Helper()
	ctx := context.Background()
	files := &waitingFiles{FileSystem: volumes.New()}
	s, err := Create(context.Background(), "b.rvf", CreateOptions{}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	files.store = s
	followWithin(s, volume.FollowLimits{Little: 100, Frozen: 1000})
	want = maps.Clone(want)
	var reports sync.Mutex
	var accepted uint64
	stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{
		Format: []vecio.Format{vecio.Auto, vecio.Segments}[random.IntN(2)], FlushBytes: []int64{0, 0, 500, 5000}[random.IntN(4)],
		Report: func(r ingest.StreamReport) {
			reports.Lock()
			defer reports.Unlock()
			accepted += r.Accepted
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	most := []int{len(raw), 4096, 300}[random.IntN(3)]
	for piece := range slices.Chunk(raw, most) {
		if _, err := stream.Write(ctx, piece); err != nil {
			t.Fatal(err)
		}
		if len(raw)/most > 50 && random.IntN(20) > 0 {
			continue
		}
		switch random.IntN(8) {
		case 0:
			if err := stream.Commit(ctx); err != nil {
				t.Fatal(err)
			}
		case 1:
			if len(want) > 0 && s.Current().Dimension() == 2 {
				id := 1000 + random.Uint64N(1000)
				bring(t, s, []uint64{id}, 5, 5)
				want[id] = []float32{5, 5}
			}
		case 2:
			if _, err := s.Compact(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stream.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(ctx); err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, s), want)
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Error(describeFindings(found))
	}
	if accepted == 0 && len(want) > 0 {
		t.Error("nothing was reported")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestStoresCommittedInTheirMidst: what did not count when somebody asked for a commit
// may count at the store's end, when it is given up already. Then the stream is
// refused rather than a part of it lost.
func TestStoresCommittedInTheirMidst(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newStore(t)
	late := newLoad(t, s)
	late.write([]uint64{1, 2}, 1)
	bring(t, s, []uint64{3}, 3, 3)
	border := s.Current().Size()
	bring(t, s, []uint64{4}, 4, 4)
	between := s.Current().Size()
	late.commit(map[uint64][]float32{})
	raw, err := state.ViewContent(ctx, s.Current().Raw())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flushes []int64
		refused bool
		want    map[uint64][]float32
	}{
		{nil, false, map[uint64][]float32{1: {1, 1}, 2: {1, 2}, 3: {3, 3}, 4: {4, 4}}},
		{[]int64{border}, true, map[uint64][]float32{3: {3, 3}}},
		{[]int64{border, between}, true, map[uint64][]float32{3: {3, 3}, 4: {4, 4}}},
		{[]int64{int64(len(raw))}, false, map[uint64][]float32{1: {1, 1}, 2: {1, 2}, 3: {3, 3}, 4: {4, 4}}},
	} {
		other := newStore(t)
		stream, err := other.OpenAppend(context.Background(), ingest.StreamOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var done int64
		for _, flush := range append(test.flushes, int64(len(raw))) {
			if _, err := stream.Write(ctx, raw[done:flush]); err != nil {
				t.Fatal(err)
			}
			if done = flush; slices.Contains(test.flushes, flush) {
				if err := stream.Flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := stream.Close(ctx); (err != nil) != test.refused || test.refused && !errors.Is(err, volume.ErrInput) {
			t.Errorf("committed at %d of %d: %v", test.flushes, len(raw), err)
		}
		sameContents(t, contents(t, other), test.want)
	}
}

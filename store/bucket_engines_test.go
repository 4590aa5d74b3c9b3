package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"rvffs/store/ingest"
	"rvffs/store/volume/bucket"
	buckets "rvffs/store/volume/bucket/memory"
)

// TestSeveralMachinesWriteOneStore has engines at work on one store in a bucket that spoils
// answers: vectors with ids, without, deletions and compactions. What was acknowledged is
// there, once.
func TestSeveralMachinesWriteOneStore(t *testing.T) {
	t.Parallel()
	for what, options := range map[string]bucket.Options{"inline": {}, "extents": {Inline: 1, InlineBeside: 1}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			objects := buckets.New()
			var spoilt, count int
			objects.Fault = func(buckets.Request) buckets.Fault {
				if count++; count%13 != 0 {
					return buckets.None
				}
				if spoilt++; buckets.Fault(spoilt%buckets.Faults) == buckets.Older {
					return buckets.None
				}
				return buckets.Fault(spoilt % buckets.Faults)
			}
			options.Freshness = -1
			machine := func() Options { return Options{Shelf: bucket.Open(objects, options).Shelf(), TurnWait: time.Second} }
			made, err := Create(t.Context(), "a.rvf", CreateOptions{Dimension: 2}, machine())
			if err == nil {
				// What is numbered by the store gets ids above, which nobody gives.
				_, err = made.Ingest(t.Context(), []uint64{1_000_000}, []float32{-1, 0})
				err = errors.Join(err, made.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			const machines, rounds = 4, 15
			var mu sync.Mutex
			want := map[float32]uint64{-1: 1_000_000} // by their values; the id, or none
			const numbered = ^uint64(0)
			var all sync.WaitGroup
			for m := range machines {
				all.Go(func() {
					s, err := Open(context.Background(), "a.rvf", machine())
					if err != nil {
						t.Error(err)
						return
					}
					defer func() {
						if err := s.Close(); err != nil {
							t.Error(err)
						}
					}()
					for round := range rounds {
						value := float32(1000*m + 10*round)
						id := uint64(100_000*(m+1) + round)
						switch round % 5 {
						case 1:
							if _, err = s.Ingest(context.Background(), nil, []float32{value, 0, value + 1, 0}); err == nil {
								mu.Lock()
								want[value], want[value+1] = numbered, numbered
								mu.Unlock()
							}
						case 3:
							if _, err = s.Delete(context.Background(), []uint64{id - 3}); err == nil {
								mu.Lock()
								delete(want, value-30)
								mu.Unlock()
							}
						case 4:
							_, err = s.Compact(context.Background())
						default:
							if _, err = s.Ingest(context.Background(), []uint64{id}, []float32{value, 0}); err == nil {
								mu.Lock()
								want[value] = id
								mu.Unlock()
							}
						}
						if err != nil {
							t.Errorf("machine %d, round %d: %v", m, round, err)
						}
					}
				})
			}
			all.Wait()
			objects.Fault = nil
			objects.Arrive()
			s, err := OpenReadOnly(t.Context(), "a.rvf", machine())
			if err != nil {
				t.Fatal(err)
			}
			got := map[float32]uint64{}
			for id, vector := range contents(t, s) {
				if _, twice := got[vector[0]]; twice {
					t.Errorf("the vector %v is there twice", vector)
				}
				got[vector[0]] = id
			}
			for value, id := range want {
				if found, there := got[value]; !there || id != numbered && found != id {
					t.Errorf("the vector %v of id %d is there %t, with id %d", value, id, there, found)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d vectors are there, want %d", len(got), len(want))
			}
			if found, err := s.Verify(t.Context()); err != nil || found.Damages > 0 {
				t.Errorf("verify: %+v, %v", found, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDeletionSeesWhatOthersHaveStored: a deletion by who has been writing for long, and has
// heard nothing of others since, finds what these have stored.
func TestDeletionSeesWhatOthersHaveStored(t *testing.T) {
	t.Parallel()
	objects := buckets.New()
	makeStore(t, objects, 1)
	theirs, mine := machine(t, objects), machine(t, objects)
	stream, err := mine.OpenAppend(t.Context(), ingest.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write(t.Context(), []byte("{\"id\":1,\"vector\":[1]}\n")); err != nil {
		t.Fatal(err)
	}
	for round, c := range []struct {
		stored, asked     []uint64
		deleted, requests uint64
	}{
		{nil, []uint64{7}, 0, 1},                  // nothing is there: one request makes sure of that
		{[]uint64{7, 8, 9}, []uint64{7}, 1, 0},    // nothing seems to be there
		{[]uint64{5, 7}, []uint64{5, 7, 8}, 3, 0}, // something is, and something was deleted and is there again
		{[]uint64{}, []uint64{9, 1000}, 1, 2},     // what is missing is
	} {
		if len(c.stored) > 0 {
			if _, err := theirs.Ingest(t.Context(), c.stored, make([]float32, len(c.stored))); err != nil {
				t.Fatal(err)
			}
		}
		before := objects.Requests("put")
		got, err := mine.Delete(t.Context(), c.asked)
		if err != nil || got.Deleted != c.deleted || got.Missing != uint64(len(c.asked))-c.deleted {
			t.Errorf("round %d: %+v, %v", round, got, err)
		}
		if puts := objects.Requests("put") - before; c.requests > 0 && puts != int(c.requests) {
			t.Errorf("round %d: %d requests", round, puts)
		}
	}
	if err := stream.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

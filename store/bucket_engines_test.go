package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"rvffs/store/volume"
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
							if _, err = s.Compact(context.Background()); errors.Is(err, volume.ErrMoved) {
								err = nil // others were faster; it is no harm
							}
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

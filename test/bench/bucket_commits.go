package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

const (
	// commitsSpan is how long commits are counted, waitsSpan how long waits are looked at.
	commitsSpan, waitsSpan, countingSpan = 10 * time.Second, 60 * time.Second, 5 * time.Second
	// inlineSize is what one PUT of a store object with extents writes at most.
	inlineSize = 64 << 10
)

// committed is what came of writers that commit as fast as they can.
type committed struct {
	perSecond, requests, longest float64
	waits                        []time.Duration
}

// commits has so many writers by each of some mounts append one vector at a time to one store.
func (b *bench) commits(server *objectServer, place string, mounts, writers int, span time.Duration, flags ...string) (c committed, err error) {
	var points []*mounted
	defer func() {
		for _, m := range points {
			m.stop()
		}
	}()
	cache := b.path("cache-commits")
	defer os.RemoveAll(cache)
	for range mounts {
		m, err := b.mountBucket(server, place, cache, flags...)
		if err != nil {
			return c, err
		}
		points = append(points, m)
	}
	if _, err := makeStore(points[0], "one.rvf"); err != nil {
		return c, err
	}
	row := randomRows(dimension, 1)
	var mu sync.Mutex
	var failures []error
	var all sync.WaitGroup
	for _, m := range points { // each opens the store before the clock starts
		if err := appendOne(m, row); err != nil {
			return c, err
		}
	}
	before, begun := server.count.Load(), time.Now()
	for _, m := range points {
		for range writers {
			all.Go(func() {
				for time.Since(begun) < span && b.limit.Err() == nil {
					from := time.Now()
					err := appendOne(m, row)
					mu.Lock()
					c.waits = append(c.waits, time.Since(from))
					if err != nil {
						failures = append(failures, err)
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
	}
	all.Wait()
	took := time.Since(begun)
	after := server.count.Load()
	if err = errors.Join(append(failures, b.limit.Err())...); err != nil {
		return c, err
	}
	c.perSecond = float64(len(c.waits)) / took.Seconds()
	c.requests = float64(after-before) / float64(len(c.waits))
	c.longest = slices.Max(c.waits).Seconds()
	return c, nil
}

// appendOne appends a vector to the store.
func appendOne(m *mounted, row []byte) error {
	return writeOnce(filepath.Join(m.point, "one.rvf", "vectors.append.npy"), append(headerNPY(1), row...))
}

// requestsOf is how many requests a commit takes.
func (b *bench) requestsOf(server *objectServer, place string, mounts int) (float64, error) {
	c, err := b.commits(server, place, mounts, 1, countingSpan, "--endpoint", server.counting.URL)
	return c.requests, err
}

// bucketCommits counts commits of one vector by one writer, beside conditional PUTs by the same
// client, and by writers of several mounts.
func (b *bench) bucketCommits(server *objectServer) error {
	var alone, plain sample
	content := make([]byte, inlineSize/2) // what is inline grows to twice as much
	span := time.Duration(float64(commitsSpan) * min(1, b.options.scale*2))
	err := b.rounds(func(round int) error {
		c, err := b.commits(server, fmt.Sprintf("commits/%d", round), 1, 1, span/2)
		if err != nil {
			return err
		}
		alone = append(alone, c.perSecond)
		tag, err := server.client.Put(b.limit, plainKey, content, nil, objects.Condition{})
		count, begun := 0, time.Now()
		for err == nil && time.Since(begun) < span/2 {
			content[count%len(content)]++
			tag, err = server.client.Put(b.limit, plainKey, content, nil, objects.Condition{Match: tag})
			count++
		}
		plain = append(plain, float64(count)/time.Since(begun).Seconds())
		return err
	})
	if err != nil {
		return err
	}
	b.add(line{what: "commits of one vector to a store in a bucket, one writer", peer: "conditional PUTs of 32 KiB by the same client", unit: perSecond, ours: alone, theirs: plain, moreIsBetter: true})
	for _, mounts := range []int{1, 2, 4, 8, 16} {
		if mounts > 1 {
			c, err := b.commits(server, fmt.Sprintf("commits/of-%d", mounts), mounts, 1, span)
			if err != nil {
				return err
			}
			b.add(line{what: fmt.Sprintf("the same by %d mounts at once, one writer each", mounts), peer: "–", unit: perSecond, ours: sample{c.perSecond}})
		}
		requests, err := b.requestsOf(server, fmt.Sprintf("commits/counted-%d", mounts), mounts)
		if err != nil {
			return err
		}
		asked := line{what: "requests of each", peer: "–", unit: times, ours: sample{requests}}
		if mounts == 1 {
			asked.target, asked.absolute = 1.1, true
		}
		b.add(asked)
	}
	return nil
}

// bucketWaits looks for the longest wait of a writer.
func (b *bench) bucketWaits(server *objectServer) error {
	span := time.Duration(float64(waitsSpan) * min(1, b.options.scale))
	for _, of := range []struct {
		what            string
		mounts, writers int
	}{
		{"8 writers, each by a mount of his own", 8, 1}, {"3 mounts, 8 writers each", 3, 8},
	} {
		c, err := b.commits(server, fmt.Sprintf("waits/%d", of.mounts), of.mounts, of.writers, span)
		if err != nil {
			return err
		}
		slices.Sort(c.waits)
		b.add(line{what: fmt.Sprintf("the longest wait of %s, on one store for %.0f s", of.what, span.Seconds()), peer: "–", unit: millis, ours: sample{c.longest}, target: 1, absolute: true})
		b.add(line{what: "of 999 in a thousand", peer: "–", unit: millis, ours: sample{c.waits[len(c.waits)*999/1000].Seconds()}})
		b.add(line{what: "commits", peer: "–", unit: perSecond, ours: sample{c.perSecond}})
	}
	return nil
}

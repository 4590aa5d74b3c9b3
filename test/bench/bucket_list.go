package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/volume/bucket"
	"rvffs/store/volume/bucket/objects"
	"rvffs/test/objectstore"
)

// bucketList lists stores in a bucket, on a machine that knows nothing of them and on one that
// has seen them.
func (b *bench) bucketList(server *objectServer) error {
	for _, count := range []int{b.scaled(1_000), b.scaled(10_000)} {
		place := fmt.Sprintf("list/%d/", count)
		if err := b.makeMany(server, place, count); err != nil {
			return err
		}
		var fresh, used, detail, pages sample
		err := b.rounds(func(int) error {
			begun := time.Now()
			if err := b.listPages(server, place); err != nil {
				return err
			}
			pages = append(pages, time.Since(begun).Seconds())
			cache := b.path("cache-list")
			defer os.RemoveAll(cache)
			for _, into := range []*sample{&fresh, &used} {
				m, err := b.mountBucket(server, place, cache)
				if err != nil {
					return err
				}
				took, err := b.time("ls", m.point)
				*into = append(*into, took)
				if err == nil && into == &used {
					took, err = b.time("ls", "-l", m.point)
					detail = append(detail, took)
				}
				m.stop()
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		const peer = "the pages of the listing, by the same client"
		b.add(line{what: fmt.Sprintf("ls of %d stores in a bucket, on a machine that has seen none", count), peer: peer, unit: seconds2, ours: fresh, theirs: pages})
		b.add(line{what: "the same, on one that has seen them", peer: peer, unit: seconds2, ours: used, theirs: pages})
		b.add(line{what: "ls -l then", peer: peer, unit: seconds2, ours: detail, theirs: pages})
	}
	return nil
}

// seconds2 shows short spans, too.
var seconds2 = unit{"%.2f s", 1}

// makeMany makes stores in a bucket, as other machines do.
func (b *bench) makeMany(server *objectServer, place string, count int) error {
	v := bucket.Open(server.client, bucket.Options{Prefix: objectstore.Prefix + place, Name: "bench"})
	shelf := v.Shelf()
	err := eachAtOnce(count, func(i int) error {
		options := store.CreateOptions{Dimension: dimension, Metric: segments.L2}
		return store.Make(b.limit, fmt.Sprintf("store-%06d.rvf", i), options, store.Options{Shelf: shelf})
	})
	return errors.Join(err, v.Close())
}

// listPages lists all names, and keeps none.
func (b *bench) listPages(server *objectServer, place string) error {
	list := objects.List{Prefix: objectstore.Prefix + place, Delimiter: "/"}
	for {
		page, err := server.client.List(b.limit, list)
		if err != nil || page.Next == "" {
			return err
		}
		list.After = page.Next
	}
}

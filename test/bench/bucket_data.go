package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
	"rvffs/test/objectstore"
)

// plainKey is the object of the plain client.
const plainKey = objectstore.Prefix + "plain"

const (
	// partSize is that of the parts in which the plain client writes, and rangeSize that of the
	// ranges in which it reads; plainAtOnce is how many at the same time.
	partSize    = 8 << 20
	rangeSize   = 4 << 20
	plainAtOnce = 8
)

// bucketAppend pours vectors into a store in a bucket, beside a PUT of the same bytes, and one
// in parts.
func (b *bench) bucketAppend(server *objectServer) error {
	count := b.scaled(200_000)
	content, err := b.sourceRows(count)
	if err != nil {
		return err
	}
	var ours, whole, parts sample
	err = b.rounds(func(round int) error {
		begun := time.Now()
		if _, err := server.client.Put(b.limit, plainKey, content, nil, objects.Condition{}); err != nil {
			return err
		}
		whole = append(whole, float64(len(content))/time.Since(begun).Seconds())
		begun = time.Now()
		if err := b.putParts(server, plainKey, content); err != nil {
			return err
		}
		parts = append(parts, float64(len(content))/time.Since(begun).Seconds())
		cache := b.path("cache-append")
		m, err := b.mountBucket(server, "append", cache)
		if err != nil {
			return err
		}
		defer os.RemoveAll(cache)
		defer m.stop()
		store, err := makeStore(m, fmt.Sprintf("%d.rvf", round))
		if err != nil {
			return err
		}
		took, err := pourNPY(filepath.Join(store, "vectors.append.npy"), content)
		if err != nil {
			return err
		}
		ours = append(ours, float64(len(content))/took)
		return nil
	})
	what := fmt.Sprintf("append of %d × %d in one stream to a store in a bucket, durable at close", count, dimension)
	b.add(line{what: what, peer: "the same bytes by the same client, in one PUT", unit: throughput, ours: ours, theirs: whole, moreIsBetter: true, target: 0.8})
	b.add(line{what: what, peer: "the same in parts of 8 MiB, eight at a time", unit: throughput, ours: ours, theirs: parts, moreIsBetter: true})
	return err
}

// sourceRows are the first rows of the file that sourceFile makes.
func (b *bench) sourceRows(count int) ([]byte, error) {
	source, err := b.sourceFile(b.gibibyte())
	if err != nil {
		return nil, err
	}
	file, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	content := make([]byte, count*rowSize)
	_, err = io.ReadFull(file, content)
	return content, errors.Join(err, file.Close())
}

// pourNPY writes rows as an array, in writes of 1 MiB, and tells how long that took in seconds.
func pourNPY(path string, rows []byte) (float64, error) {
	begun := time.Now()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	_, err = file.Write(headerNPY(len(rows) / rowSize))
	for at := 0; at < len(rows) && err == nil; at += 1 << 20 {
		_, err = file.Write(rows[at:min(at+1<<20, len(rows))])
	}
	err = errors.Join(err, file.Close())
	return time.Since(begun).Seconds(), err
}

// putParts writes an object in parts.
func (b *bench) putParts(server *objectServer, key string, content []byte) error {
	upload, err := server.client.Begin(b.limit, key, nil)
	if err != nil {
		return err
	}
	tags := make([]objects.Tag, (len(content)+partSize-1)/partSize)
	err = eachAtOnce(len(tags), func(i int) (err error) {
		tags[i], err = server.client.PutPart(b.limit, key, upload, i+1, content[i*partSize:min((i+1)*partSize, len(content))])
		return err
	})
	if err != nil {
		return err
	}
	_, err = server.client.Complete(b.limit, key, upload, tags, objects.Condition{})
	return err
}

// readRanges reads an object in ranges, and keeps nothing of them.
func (b *bench) readRanges(server *objectServer, key string, size int64) error {
	return eachAtOnce(int((size+rangeSize-1)/rangeSize), func(i int) error {
		_, err := server.client.Get(b.limit, key, objects.Read{Offset: int64(i) * rangeSize, Length: rangeSize})
		return err
	})
}

// eachAtOnce does something for each number, for some at a time.
func eachAtOnce(count int, do func(int) error) error {
	next := make(chan int, count)
	for i := range count {
		next <- i
	}
	close(next)
	failures := make([]error, plainAtOnce)
	var all sync.WaitGroup
	for worker := range plainAtOnce {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					failures[worker] = err
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

// bucketSearch asks a store in a bucket from a machine that has nothing of it, from one that
// has kept its blocks, and once more, beside ranged reads of as many bytes.
func (b *bench) bucketSearch(server *objectServer) error {
	count := b.scaled(200_000)
	content, err := b.sourceRows(count)
	if err != nil {
		return err
	}
	cache := b.path("cache-search")
	defer os.RemoveAll(cache)
	m, err := b.mountBucket(server, "search", cache)
	if err != nil {
		return err
	}
	store, err := makeStore(m, "large.rvf")
	if err == nil {
		_, err = pourNPY(filepath.Join(store, "vectors.append.npy"), content)
	}
	m.stop()
	if err != nil {
		return err
	}
	if _, err := server.client.Put(b.limit, plainKey, content, nil, objects.Condition{}); err != nil {
		return err
	}
	var cold, kept, warm, ranged sample
	ask := func(into *sample, m *mounted) error {
		took, err := askMount(filepath.Join(m.point, "large.rvf", "query"), dimension, 1)
		*into = append(*into, float64(len(content))/took)
		return err
	}
	err = b.rounds(func(int) error {
		begun := time.Now()
		if err := b.readRanges(server, plainKey, int64(len(content))); err != nil {
			return err
		}
		ranged = append(ranged, float64(len(content))/time.Since(begun).Seconds())
		if err := os.RemoveAll(cache); err != nil {
			return err
		}
		for _, into := range []*sample{&cold, &kept} {
			m, err := b.mountBucket(server, "search", cache)
			if err != nil {
				return err
			}
			err = ask(into, m)
			if err == nil && into == &kept {
				err = ask(&warm, m)
			}
			m.stop()
			if err != nil {
				return err
			}
		}
		return nil
	})
	what := fmt.Sprintf("the first exact 10-nn of %d × %d in a bucket", count, dimension)
	const peer = "ranged GETs of as many bytes by the same client, eight at a time"
	b.add(line{what: what + ", nothing is kept", peer: peer, unit: throughput, ours: cold, theirs: ranged, moreIsBetter: true, target: 0.8})
	b.add(line{what: what + ", its blocks are kept", peer: peer, unit: throughput, ours: kept, theirs: ranged, moreIsBetter: true, target: 1})
	b.add(line{what: "the second", peer: peer, unit: throughput, ours: warm, theirs: ranged, moreIsBetter: true, target: 1})
	return err
}

// bucketMemory has a mount take a long stream and search what does not fit in its cache, and
// looks at what it holds.
func (b *bench) bucketMemory(server *objectServer) error {
	content, err := b.sourceRows(b.gibibyte())
	if err != nil {
		return err
	}
	cache := b.path("cache-memory")
	defer os.RemoveAll(cache)
	const most = 64 << 20
	m, err := b.mountBucket(server, "memory", cache, "--cache-size=64MiB")
	if err != nil {
		return err
	}
	defer m.stop()
	store, err := makeStore(m, "long.rvf")
	if err != nil {
		return err
	}
	before := m.memory("VmRSS")
	if _, err := pourNPY(filepath.Join(store, "vectors.append.npy"), content); err != nil {
		return err
	}
	streamed := m.memory("VmHWM") - before
	if _, err := askMount(filepath.Join(store, "query"), dimension, 1); err != nil {
		return err
	}
	kept, err := bytesBelow(cache)
	if err != nil {
		return err
	}
	b.add(line{what: "memory of the mount while one stream brings a store in a bucket 1 GiB, above its start", peer: "–", unit: mebibytes, ours: sample{streamed}, target: 256 << 20, absolute: true})
	b.add(line{what: "the same after an exact search of it", peer: "–", unit: mebibytes, ours: sample{m.memory("VmHWM") - before}, target: 384 << 20, absolute: true})
	b.add(line{what: "bytes of it that are kept on disk, of 64 MiB allowed", peer: "–", unit: mebibytes, ours: sample{kept}, target: most, absolute: true})
	return nil
}

// bytesBelow adds up the files in a folder.
func bytesBelow(folder string) (total float64, err error) {
	err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += float64(info.Size())
		}
		return err
	})
	return total, err
}

// headerNPY is the header of an array of so many vectors.
func headerNPY(count int) []byte {
	const size = 128
	text := fmt.Sprintf("\x93NUMPY\x01\x00%c%c{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", size-10, 0, count, dimension)
	return fmt.Appendf(nil, "%-*s\n", size-1, text)
}

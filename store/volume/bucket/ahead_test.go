package bucket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume/bucket/memory"
)

// largeObject is a bucket with an object of so many blocks, and what reads it as a store's bytes.
func largeObject(t *testing.T, blocks int, options Options) (objects *memory.Bucket, content []byte, read pinned) {
	t.Helper()
	content = make([]byte, blocks*blockSize+1000)
	for at := 0; at < len(content); at += 4096 { // each page begins with its number
		binary.BigEndian.PutUint32(content[at:], uint32(at/4096))
	}
	objects = memory.New()
	objects.Upload("large", content)
	v := Open(objects, looking(options))
	found, err := v.tailOf(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, v.Close()) })
	g := &Generation{volume: v}
	size := int64(len(content))
	g.layout.Store(&layout{spans: []span{{key: "large", match: found.tag, length: size}}, base: size, size: size})
	return objects, content, pinned{g}
}

// Who reads from front to back, as two workers of a search do, does not wait for each block.
func TestReadingAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const blocks, piece, delay = 16, 256 << 10, 100 * time.Millisecond
		objects, content, read := largeObject(t, blocks, Options{})
		objects.Delay = delay
		begun := time.Now()
		var next atomic.Int64
		var workers sync.WaitGroup
		for range 2 {
			workers.Go(func() {
				got := make([]byte, piece)
				for {
					at := next.Add(piece) - piece
					if at >= int64(len(content)) {
						return
					}
					want := content[at:min(at+piece, int64(len(content)))]
					if _, err := read.ReadAt(got[:len(want)], at); err != nil || !bytes.Equal(got[:len(want)], want) {
						t.Errorf("other bytes at %d, %v", at, err)
					}
				}
			})
		}
		workers.Wait()
		if took := time.Since(begun); took > blocks/2*delay {
			t.Errorf("%d blocks took %v, each %v", blocks, took, delay)
		}
		if got := objects.Requests("get"); got > 1+blocks+1 {
			t.Errorf("%d blocks took %d requests", blocks+1, got)
		}
	})
}

// Who reads here and there has nothing fetched that he did not ask for.
func TestNoReadingAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects, content, read := largeObject(t, 16, Options{CacheSize: 1 << 30})
		for _, block := range []int{13, 3, 10, 6, 3, 15, 8, 0} {
			got := make([]byte, 1000)
			at := int64(block)*blockSize + 5
			if _, err := read.ReadAt(got, at); err != nil || !bytes.Equal(got, content[at:at+1000]) {
				t.Fatalf("other bytes at %d, %v", at, err)
			}
		}
		synctest.Wait()
		if got := objects.Requests("get") - 1; got != 7 {
			t.Errorf("%d blocks were fetched, 7 were asked for", got)
		}
	})
}

// Blocks have each other's room, and nobody reads another's bytes in it.
func TestBlocksShareRoom(t *testing.T) {
	t.Parallel()
	_, content, read := largeObject(t, 8, Options{CacheSize: 3 * blockSize})
	var readers sync.WaitGroup
	for seed := range uint64(6) {
		readers.Go(func() {
			random, got := rand.New(rand.NewPCG(seed, 2)), make([]byte, blockSize)
			at := int64(0)
			for range 20 {
				if random.IntN(3) == 0 {
					at = random.Int64N(int64(len(content)))
				}
				want := content[at:min(at+random.Int64N(int64(len(got))), int64(len(content)))]
				if _, err := read.ReadAt(got[:len(want)], at); err != nil || !bytes.Equal(got[:len(want)], want) {
					t.Errorf("other bytes at %d, %v", at, err)
					return
				}
				if at += int64(len(want)); at == int64(len(content)) {
					at = 0
				}
			}
		})
	}
	readers.Wait()
	blocks := read.volume.blocks
	blocks.mu.Lock()
	defer blocks.mu.Unlock()
	if held := blocks.bytes; held > 3*blockSize {
		t.Errorf("%d bytes are kept", held)
	}
}

package store

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"rvffs/segments"
)

// DefaultImageMemory is how many bytes of decompressed images are kept.
const DefaultImageMemory = 512 << 20

// rememberedFailures is how many images that cannot be decompressed are known by
// name, so that nobody tries them again and again.
const rememberedFailures = 1024

// images holds what the stores of this process decompressed: memory belongs to the
// process, not to a store.
var images = imageCache{limit: DefaultImageMemory, entries: map[imageKey]*cachedImage{}}

// SetImageMemory bounds the bytes of decompressed images that the process holds.
// One image must fit, or it cannot be read.
func SetImageMemory(limit int64) {
	images.mu.Lock()
	defer images.mu.Unlock()
	images.limit = limit
	images.makeRoom(0)
}

// imageKey is the identity of something that a segment holds.
type imageKey struct {
	source *backing
	offset int64
	header segments.Header
	part   imagePart
}

// imagePart tells what of a segment was decompressed.
type imagePart uint8

const (
	wholePayload imagePart = iota
	innerImage
)

// imageCache keeps decompressed images: those that somebody has open, and as many
// more as there is room for, the one used longest ago goes first.
type imageCache struct {
	mu      sync.Mutex
	limit   int64
	used    int64 // bytes, of images that are being made too
	entries map[imageKey]*cachedImage
	idle    list.List // of *cachedImage without users, newest first
}

// cachedImage is one image, or the reason why there is none.
type cachedImage struct {
	key   imageKey
	size  int64
	ready chan struct{} // closed when what follows is valid

	memory *imageMemory
	err    error

	users int           // guarded by the cache's mu, like the next
	place *list.Element // in idle
}

// open returns a reader of the image of size bytes, which fill makes if it is not
// there. Callers that come meanwhile wait for the first.
func (c *imageCache) open(key imageKey, size int64, fill func(io.Writer) error) (Reader, error) {
	c.mu.Lock()
	entry, known := c.entries[key]
	if known {
		entry.users++
		if entry.place != nil {
			c.idle.Remove(entry.place)
			entry.place = nil
		}
	} else {
		if !c.makeRoom(size) {
			c.mu.Unlock()
			return nil, fmt.Errorf("decompress an image of %d bytes: %w: all of the memory for images is in use", size, syscall.ENOMEM)
		}
		entry = &cachedImage{key: key, size: size, users: 1, ready: make(chan struct{})}
		c.entries[key] = entry
		c.used += size
	}
	c.mu.Unlock()
	if !known {
		entry.memory, entry.err = makeImage(size, fill)
		c.settle(entry)
	}
	<-entry.ready
	if entry.err != nil {
		c.release(entry)
		return nil, entry.err
	}
	return &imageReader{cache: c, entry: entry}, nil
}

// makeImage lets fill write an image.
func makeImage(size int64, fill func(io.Writer) error) (*imageMemory, error) {
	memory, err := newImageMemory(size)
	if err != nil {
		return nil, err
	}
	if err = fill(memory); err == nil {
		err = memory.seal()
	}
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return memory, nil
}

// settle ends the making of an image. One that never can be made is remembered as
// such; other failures may pass.
func (c *imageCache) settle(entry *cachedImage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry.err != nil {
		c.used -= entry.size
		entry.size = 0
		if !errors.Is(entry.err, ErrCorrupt) {
			delete(c.entries, entry.key)
		}
	}
	close(entry.ready)
}

// release ends one use of an image.
func (c *imageCache) release(entry *cachedImage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.users--
	if entry.users > 0 || c.entries[entry.key] != entry {
		return
	}
	entry.place = c.idle.PushFront(entry)
	c.makeRoom(0)
}

// makeRoom drops idle images until size more bytes fit, and says whether they do.
// The caller holds mu.
func (c *imageCache) makeRoom(size int64) bool {
	for c.idle.Len() > 0 && (c.used+size > c.limit || c.idle.Len() > rememberedFailures) {
		oldest := c.idle.Back()
		entry := oldest.Value.(*cachedImage)
		c.idle.Remove(oldest)
		delete(c.entries, entry.key)
		c.used -= entry.size
		if entry.memory != nil {
			_ = entry.memory.Close() // nobody reads it
		}
	}
	return size <= c.limit && c.used <= c.limit-size
}

// imageReader reads one image and keeps it in memory meanwhile.
type imageReader struct {
	cache  *imageCache
	entry  *cachedImage
	closed sync.Once
}

func (r *imageReader) ReadAt(p []byte, offset int64) (int, error) {
	return r.entry.memory.ReadAt(p, offset)
}

func (r *imageReader) Close() error {
	r.closed.Do(func() { r.cache.release(r.entry) })
	return nil
}

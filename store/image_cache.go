package store

import (
	"container/list"
	"context"
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

// cachedImage is one image, or the reason why there can be none.
type cachedImage struct {
	key  imageKey
	made once[*imageMemory]

	// What follows is guarded by the cache's mu.
	size   int64
	users  int // readers, those who wait for the image, and the one who makes it
	memory *imageMemory
	err    error
	place  *list.Element // in idle
}

// open returns a reader of the image of size bytes, which fill makes if it is not
// there. Callers that come meanwhile wait for the first; the making ends when all of
// them have given up.
func (c *imageCache) open(ctx context.Context, key imageKey, size int64, fill func(context.Context, io.Writer) error) (Reader, error) {
	entry, err := c.enter(key, size)
	if err != nil {
		return nil, err
	}
	memory, err := entry.made.get(ctx, func(ctx context.Context) (*imageMemory, error) { return c.make(ctx, entry, size, fill) })
	if err != nil {
		c.release(entry)
		return nil, err
	}
	return &imageReader{cache: c, entry: entry, memory: memory}, nil
}

// enter makes the caller a user of the image, for which there is room from then on.
func (c *imageCache) enter(key imageKey, size int64) (*cachedImage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, known := c.entries[key]
	switch {
	case !known:
		if !c.makeRoom(size) {
			return nil, fmt.Errorf("decompress an image of %d bytes: %w: all of the memory for images is in use", size, syscall.ENOMEM)
		}
		entry = &cachedImage{key: key, size: size}
		c.entries[key] = entry
		c.used += size
	case entry.err != nil:
		return nil, entry.err
	case entry.place != nil:
		c.idle.Remove(entry.place)
		entry.place = nil
	}
	entry.users++
	return entry, nil
}

// make lets fill write the image. One that never can be made is remembered as such;
// other failures may pass.
func (c *imageCache) make(ctx context.Context, entry *cachedImage, size int64, fill func(context.Context, io.Writer) error) (*imageMemory, error) {
	c.mu.Lock()
	if c.entries[entry.key] != entry {
		c.mu.Unlock()
		return nil, context.Canceled // all have given up before this began
	}
	entry.users++
	c.mu.Unlock()
	memory, err := makeImage(ctx, size, fill)
	c.mu.Lock()
	entry.memory = memory
	if errors.Is(err, ErrCorrupt) {
		entry.err = err
	}
	c.mu.Unlock()
	c.release(entry)
	return memory, err
}

// makeImage lets fill write an image.
func makeImage(ctx context.Context, size int64, fill func(context.Context, io.Writer) error) (*imageMemory, error) {
	memory, err := newImageMemory(size)
	if err != nil {
		return nil, err
	}
	if err = fill(ctx, memory); err == nil {
		err = memory.seal()
	}
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return memory, nil
}

// release ends one use of an image.
func (c *imageCache) release(entry *cachedImage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.users--
	if entry.users > 0 {
		return
	}
	if entry.memory == nil {
		c.used -= entry.size
		entry.size = 0
	}
	if entry.memory == nil && entry.err == nil {
		delete(c.entries, entry.key)
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
	memory *imageMemory
	closed sync.Once
}

func (r *imageReader) ReadAt(p []byte, offset int64) (int, error) { return r.memory.ReadAt(p, offset) }

func (r *imageReader) Close() error {
	r.closed.Do(func() { r.cache.release(r.entry) })
	return nil
}

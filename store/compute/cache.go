package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// rememberedImages is how many images of a file are known by name: those that are in
// memory, and those that cannot be decompressed, so that nobody tries them again and
// again.
const rememberedImages = 1024

// imageKey is the identity of something that a segment holds.
type imageKey struct {
	source *state.Backing
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

// imageTable holds the decompressed images of a file: those that somebody has open,
// and as many more as there is memory for.
type imageTable struct {
	mu      sync.Mutex
	entries *simplelru.LRU[imageKey, *cachedImage] // nil before the first
}

// openImages keeps the decompressed images of a file.
var openImages state.Attachment[imageTable]

// cachedImage is one image, or the reason why there can be none.
type cachedImage struct {
	made memory.Cached[*imageMemory]

	mu  sync.Mutex
	err error
}

// open returns a reader of the image of size bytes, which fill makes if it is not
// there. Callers that come meanwhile wait for the first; the making ends when all of
// them have given up.
func (t *imageTable) open(ctx context.Context, budget *memory.Budget, key imageKey, size int64, fill func(context.Context, io.Writer) error) (state.Reader, error) {
	entry := t.entry(key)
	if err := entry.broken(); err != nil {
		return nil, err
	}
	image, done, err := entry.made.Get(ctx, budget, func(ctx context.Context, charge *memory.Charge) (*imageMemory, error) {
		return entry.make(ctx, charge, size, fill)
	}, func(image *imageMemory) { _ = image.Close() }) // nobody reads it
	if err != nil {
		return nil, err
	}
	return &imageReader{image: image, done: sync.OnceFunc(done)}, nil
}

func (t *imageTable) entry(key imageKey) *cachedImage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries, _ = simplelru.NewLRU[imageKey, *cachedImage](rememberedImages, nil) // it refuses only sizes of nothing
	}
	entry, known := t.entries.Get(key)
	if !known {
		entry = &cachedImage{}
		t.entries.Add(key, entry)
	}
	return entry
}

// broken is why the image never can be made; nil as long as nobody knows.
func (e *cachedImage) broken() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// make lets fill write the image. One that never can be made is remembered as such;
// other failures may pass.
func (e *cachedImage) make(ctx context.Context, charge *memory.Charge, size int64, fill func(context.Context, io.Writer) error) (*imageMemory, error) {
	if err := charge.Set(size + segments.InflateMemory(size)); err != nil {
		return nil, fmt.Errorf("decompress an image of %d bytes: %w", size, err)
	}
	image, err := newImageMemory(size)
	if err != nil {
		return nil, err
	}
	if err = fill(ctx, image); err == nil {
		err = image.seal()
	}
	if errors.Is(err, volume.ErrCorrupt) {
		e.mu.Lock()
		e.err = err
		e.mu.Unlock()
	}
	if err != nil {
		return nil, errors.Join(err, image.Close())
	}
	return image, charge.Set(size)
}

// imageReader reads one image and keeps it in memory meanwhile.
type imageReader struct {
	image *imageMemory
	done  func()
}

// ReadContext implements state.Reader. The image is in memory.
func (r *imageReader) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return r.image.ReadAt(p, offset)
}

func (r *imageReader) Close() error {
	r.done()
	return nil
}

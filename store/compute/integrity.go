package compute

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"rvffs/lineage"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Integrity is what the comparison of an image with the hash in its header came to.
type Integrity string

const (
	// IntegritySHAKE256: the hash is the SHAKE-256 of the image, as the format says.
	IntegritySHAKE256 Integrity = "shake256"
	// IntegrityFold: it is the fold that the reference runtime writes.
	IntegrityFold Integrity = "fold"
	// IntegrityUnset: the header holds no hash.
	IntegrityUnset Integrity = "unset"
	// IntegrityMismatch: the image is another one than the header says.
	IntegrityMismatch Integrity = "mismatch"
	// IntegrityUnreadable: the image cannot be read, or decompressed.
	IntegrityUnreadable Integrity = "unreadable"
)

// Err is nil unless the image is not what its header says; then the error wraps
// ErrCorrupt.
func (i Integrity) Err() error {
	switch i {
	case IntegrityMismatch:
		return fmt.Errorf("%w: the hash is that of another image", volume.ErrCorrupt)
	case IntegrityUnreadable:
		return fmt.Errorf("%w: the image cannot be read", volume.ErrCorrupt)
	}
	return nil
}

// integrityTable remembers the verdicts on the images of one file.
type integrityTable struct {
	mu       sync.Mutex
	verdicts *simplelru.LRU[imageKey, Integrity] // nil before the first
}

// imageVerdicts keeps the verdicts on a file's images.
var imageVerdicts state.Attachment[integrityTable]

func (t *integrityTable) get(key imageKey) (Integrity, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verdicts == nil {
		return "", false
	}
	return t.verdicts.Get(key)
}

// rememberedVerdicts bounds the table; no file of use holds as many images.
const rememberedVerdicts = 4096

func (t *integrityTable) put(key imageKey, verdict Integrity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verdicts == nil {
		t.verdicts, _ = simplelru.NewLRU[imageKey, Integrity](rememberedVerdicts, nil) // it refuses only sizes of nothing
	}
	t.verdicts.Add(key, verdict)
}

// hashedImage is an image with the hash that its header states.
type hashedImage struct {
	key     imageKey
	segment state.GuardedSegment // that holds it
	view    state.View
	hash    lineage.Hash
}

// integrity compares image and hash, once for each segment of a file. The error
// is one of the disk, or of ctx.
func (h hashedImage) integrity(ctx context.Context) (Integrity, error) {
	content := h.key.source.Content()
	if verdict, known := imageVerdicts.Of(content).get(h.key); known {
		return verdict, nil
	}
	verdict, err := h.compare(ctx)
	if errors.Is(err, volume.ErrCorrupt) {
		verdict, err = IntegrityUnreadable, nil
	}
	if err != nil {
		return "", err
	}
	imageVerdicts.Of(content).put(h.key, verdict)
	return verdict, nil
}

func (h hashedImage) compare(ctx context.Context) (Integrity, error) {
	reader, err := h.view.Open(ctx)
	if err != nil {
		return "", err
	}
	verdict, err := h.compareRead(state.ReaderAt(ctx, reader))
	return verdict, errors.Join(err, reader.Close())
}

func (h hashedImage) compareRead(reader io.ReaderAt) (Integrity, error) {
	if h.hash.IsZero() {
		return IntegrityUnset, nil
	}
	for _, form := range []struct {
		hasher  hash.Hash
		verdict Integrity
	}{{lineage.NewShake256(), IntegritySHAKE256}, {lineage.NewFold(), IntegrityFold}} {
		if err := volume.CopyRange(form.hasher, reader, 0, h.view.Size()); err != nil {
			return "", err
		}
		if lineage.Hash(form.hasher.Sum(nil)) == h.hash {
			return form.verdict, nil
		}
	}
	return IntegrityMismatch, nil
}

// CheckedView is a view whose bytes have a hash of their own.
type CheckedView struct {
	state.View
	image hashedImage
}

// Check compares the bytes with their hash, once; the error wraps ErrCorrupt when
// they are others.
func (v CheckedView) Check(ctx context.Context) error {
	verdict, err := v.image.integrity(ctx)
	if err != nil {
		return err
	}
	return verdict.Err()
}

package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rvffs/store/volume/bucket"
	buckets "rvffs/store/volume/bucket/memory"
)

// TestRandomHistoriesInABucketAgreeWithAMap is the same in a bucket, whose server spoils some
// of the answers. How much stands inline differs from history to history.
func TestRandomHistoriesInABucketAgreeWithAMap(t *testing.T) {
	t.Parallel()
	runHistories(t, 5_000, func(seed uint64) *history {
		h := newHistory(seed)
		h.bucket = newHistoryBucket(h)
		return h
	})
}

// historyBucket is a bucket in which a history takes place.
type historyBucket struct {
	objects *buckets.Bucket
	options bucket.Options
	spoilt  int
	mine    *bucket.Volume // of who writes; another one after each crash
}

func newHistoryBucket(h *history) *historyBucket {
	b := &historyBucket{objects: buckets.New()}
	b.options = bucket.Options{Freshness: -1, Timeout: time.Second, CommitTimeout: 20 * time.Second}
	switch h.random.IntN(3) {
	case 0:
		b.options.Inline, b.options.InlineBeside = 1, 1
	case 1:
		b.options.Inline, b.options.InlineBeside = 1+h.random.Int64N(5000), 1+h.random.Int64N(5000)
	}
	b.spoilt = h.random.IntN(3)
	b.spoil(h.random.Uint64())
	b.mine = b.another()
	return b
}

// spoil has the bucket spoil one request in so many, if any.
func (b *historyBucket) spoil(seed uint64) {
	if b.spoilt == 0 {
		return
	}
	random := rand.New(rand.NewPCG(seed, 1))
	b.objects.Fault = func(buckets.Request) buckets.Fault {
		if random.IntN(20*b.spoilt) > 0 {
			return buckets.None
		}
		if fault := buckets.Fault(random.IntN(buckets.Faults)); fault != buckets.Older {
			return fault // who has not seen the newer state cannot tell
		}
		return buckets.None
	}
}

func (b *historyBucket) another() *bucket.Volume { return bucket.Open(b.objects, b.options) }

func (b *historyBucket) names() (names []string) {
	for _, key := range b.objects.Keys("") {
		if !strings.HasPrefix(key, ".rvffs/") {
			names = append(names, key)
		}
	}
	return names
}

func (b *historyBucket) remove(name string) error {
	shelf := b.another().Shelf()
	s, err := OpenReadOnly(context.Background(), name, Options{Shelf: shelf})
	if err != nil {
		return err
	}
	return errors.Join(s.file.Remove(context.Background(), shelf), s.Close())
}

// crashInBucket has the process die somewhere in an operation, and goes on in another one.
func (h *history) crashInBucket() error {
	b := h.bucket
	before, from := h.state(), b.objects.Changes()
	if err := h.anyChange()(h); err != nil {
		return err
	}
	after, to := h.state(), b.objects.Changes()
	at := from + h.random.IntN(to-from+1)
	h.note("at change %d of %d", at-from, to-from)
	if err := b.mine.Close(); err != nil {
		return err
	}
	b.objects = b.objects.State(at)
	b.spoil(h.random.Uint64())
	b.mine = b.another()
	h.appenders, h.named = nil, 0
	return h.reviveAs(after, before)
}

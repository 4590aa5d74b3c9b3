package bucket

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/metered"
	"rvffs/store/volume/bucket/objects"
)

// blockSize is what is read of an extent at once, and has a checksum of its own.
const blockSize = 4 << 20

// blocks keeps what was read of objects that do not change, within a bound. What is in it
// can become wrong by nothing.
type blocks struct {
	most  int64 // bytes
	meter *metered.Meter

	mu      sync.Mutex // guards what follows
	bytes   int64
	charge  memory.Charge // for these
	kept    map[blockName]*list.Element
	order   list.List // the one that was used last first
	reading map[blockName]*blockRead
	footers map[string]*footer
}

// blockName is a block of an object.
type blockName struct {
	key   string
	match objects.Tag
	index int64
}

// block is what is kept of one.
type block struct {
	name    blockName
	content []byte
}

// blockRead is one that is under way.
type blockRead struct {
	done    chan struct{} // closed when the others are valid
	content []byte
	err     error
}

func newBlocks(most int64, budget *memory.Budget, meter *metered.Meter) *blocks {
	return &blocks{most: most, meter: meter, charge: budget.Charge(), kept: map[blockName]*list.Element{}, reading: map[blockName]*blockRead{}, footers: map[string]*footer{}}
}

// find is a block that is kept, or is being read, or is to be read by the caller, who then
// ends that by put.
func (b *blocks) find(name blockName) (content []byte, under *blockRead, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept, some := b.kept[name]; some {
		b.order.MoveToFront(kept)
		return kept.Value.(*block).content, nil, false
	}
	if under, some := b.reading[name]; some {
		return nil, under, false
	}
	under = &blockRead{done: make(chan struct{})}
	b.reading[name] = under
	return nil, under, true
}

// put ends a read.
func (b *blocks) put(name blockName, under *blockRead, content []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	under.content, under.err = content, err
	close(under.done)
	delete(b.reading, name)
	if err != nil || int64(len(content)) > b.most {
		return
	}
	b.kept[name] = b.order.PushFront(&block{name, content})
	b.bytes += int64(len(content))
	for b.bytes > b.most {
		last := b.order.Back()
		gone := b.order.Remove(last).(*block)
		delete(b.kept, gone.name)
		b.bytes -= int64(len(gone.content))
	}
	b.charge.Force(b.bytes)
	b.meter.Holds(b.bytes)
}

// footersKept bounds how many are.
const footersKept = 4096

// footer is one that is kept, nil without.
func (b *blocks) footer(key string) *footer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.footers[key]
}

// keepFooter keeps one.
func (b *blocks) keepFooter(key string, f *footer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.footers) >= footersKept {
		clear(b.footers)
	}
	b.footers[key] = f
}

// blockAt is the block in which a byte stands, and where that begins.
func (f *footer) blockAt(offset int64) (index int, from int64) {
	index, _ = slices.BinarySearchFunc(f.blocks, offset, func(b blockSum, at int64) int {
		if b.end <= at {
			return -1
		}
		return 1
	})
	if index > 0 {
		from = f.blocks[index-1].end
	}
	return index, from
}

// part is a block of a span.
type part struct {
	index    int64
	from, to int64
	sum      uint32
	summed   bool
}

// partsOf are the blocks in which some bytes of a span stand.
func (v *Volume) partsOf(s span, from, to int64) (parts []part, err error) {
	if !s.footer {
		for at := from / blockSize * blockSize; at < to; at += blockSize {
			parts = append(parts, part{index: at / blockSize, from: at, to: min(at+blockSize, s.length)})
		}
		return parts, nil
	}
	foot, err := v.footerOf(v.ctx, s.key, s.length)
	if err != nil {
		return nil, err
	}
	for i, at := foot.blockAt(from); at < to; i++ {
		b := foot.blocks[i]
		parts = append(parts, part{int64(i), at, b.end, b.sum, true})
		at = b.end
	}
	return parts, nil
}

// readSpan reads some of a span: each block of it once, several at a time.
func (v *Volume) readSpan(s span, p []byte, from int64) error {
	if len(p) == 0 {
		return nil
	}
	to := from + int64(len(p))
	parts, err := v.partsOf(s, from, to)
	if err != nil {
		return err
	}
	errs := make([]error, len(parts))
	var reads sync.WaitGroup
	one := func(i int) {
		b := parts[i]
		content, err := v.block(s, b)
		if errs[i] = err; err == nil {
			low, high := max(from, b.from), min(to, b.to)
			copy(p[low-from:high-from], content[low-b.from:high-b.from])
		}
	}
	for i := range parts[1:] {
		reads.Go(func() { one(i + 1) })
	}
	one(0)
	reads.Wait()
	return errors.Join(errs...)
}

// block is one of a span's, from what is kept or from the bucket.
func (v *Volume) block(s span, b part) ([]byte, error) {
	name := blockName{s.key, s.match, b.index}
	content, under, mine := v.blocks.find(name)
	if content != nil {
		v.options.Meter.Found(metered.Memory)
		return content, nil
	}
	if mine {
		content, err := v.fetch(s, b)
		v.blocks.put(name, under, content, err)
	}
	<-under.done
	return under.content, under.err
}

// fetch reads a block, and compares it with its checksum.
func (v *Volume) fetch(s span, b part) ([]byte, error) {
	name := fmt.Sprint(v.Name(), " ", s.key, " ", s.match, " ", b.from)
	right := func(content []byte) bool { return !b.summed || crc32.Checksum(content, castagnoli) == b.sum }
	if v.options.Cache != nil {
		v.finding <- struct{}{}
		content := v.options.Cache.Get(name, b.to-b.from)
		<-v.finding
		if content != nil && right(content) {
			v.options.Meter.Found(metered.Disk)
			return content, nil
		}
	}
	v.fetching <- struct{}{}
	defer func() { <-v.fetching }()
	var wrong error
	for range triesOfWrong {
		found, err := v.get(v.ctx, s.key, objects.Read{Offset: b.from, Length: b.to - b.from, Match: s.match})
		switch {
		case errors.Is(err, objects.ErrNotFound), errors.Is(err, objects.ErrCondition):
			return nil, fmt.Errorf("%w: %s is not there any more", volume.ErrStale, s.key)
		case err != nil:
			return nil, err
		case int64(len(found.Content)) != b.to-b.from:
			wrong = fmt.Errorf("%w: %s has %d of %d bytes at %d", volume.ErrCorrupt, s.key, len(found.Content), b.to-b.from, b.from)
		case !right(found.Content):
			wrong = fmt.Errorf("%w: bytes of %s from %d on are not those that were written", volume.ErrCorrupt, s.key, b.from)
		default:
			v.options.Meter.Found(metered.Server)
			if v.options.Cache != nil {
				v.options.Cache.Put(name, found.Content)
			}
			return found.Content, nil
		}
	}
	return nil, wrong
}

// footerOf is an extent's.
func (v *Volume) footerOf(ctx context.Context, key string, length int64) (*footer, error) {
	if kept := v.blocks.footer(key); kept != nil {
		return kept, nil
	}
	found, err := v.get(ctx, key, objects.Read{Offset: length})
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s is not there any more", volume.ErrStale, key)
	}
	if err != nil {
		return nil, err
	}
	f, err := parseFooter(found.Content, length)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	v.blocks.keepFooter(key, f)
	return f, nil
}

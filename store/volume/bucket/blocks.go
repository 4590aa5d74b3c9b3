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
	free    [][]byte // of blocks that nobody reads any more
	footers map[string]*footer
}

// blockName is a block of an object.
type blockName struct {
	key   string
	match objects.Tag
	index int64
}

// block is one that was read. Its content is another one's when nobody uses it and it is not
// kept.
type block struct {
	name    blockName
	content []byte
	users   int // the mu of blocks guards it, and kept
	kept    bool
}

// blockRead is one that is under way.
type blockRead struct {
	waiting int           // the mu of blocks guards it
	done    chan struct{} // closed when the others are valid
	block   *block
	err     error
}

func newBlocks(most int64, budget *memory.Budget, meter *metered.Meter) *blocks {
	return &blocks{most: most, meter: meter, charge: budget.Charge(), kept: map[blockName]*list.Element{}, reading: map[blockName]*blockRead{}, footers: map[string]*footer{}}
}

// find is a block that is kept, or is being read, or is to be read by the caller, who then
// ends that by put. Who waits for it, or finds it kept, releases it when he has used it.
func (b *blocks) find(name blockName, waits bool) (found *block, under *blockRead, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept, some := b.kept[name]; some {
		b.order.MoveToFront(kept)
		found = kept.Value.(*block)
		if waits {
			found.users++
		}
		return found, nil, false
	}
	under, some := b.reading[name]
	if !some {
		under = &blockRead{done: make(chan struct{})}
		b.reading[name] = under
	}
	if waits {
		under.waiting++
	}
	return nil, under, !some
}

// put ends a read, and returns the block, for the caller to release.
func (b *blocks) put(name blockName, under *blockRead, content []byte, err error) *block {
	b.mu.Lock()
	defer b.mu.Unlock()
	read := &block{name: name, content: content, users: under.waiting + 1}
	under.block, under.err = read, err
	close(under.done)
	delete(b.reading, name)
	if err != nil || int64(len(content)) > b.most {
		return read
	}
	read.kept = true
	b.kept[name] = b.order.PushFront(read)
	b.bytes += int64(len(content))
	for b.bytes > b.most {
		b.forget(b.order.Back())
	}
	b.charged()
	return read
}

// forget keeps a block no longer. The caller holds mu.
func (b *blocks) forget(kept *list.Element) {
	gone := b.order.Remove(kept).(*block)
	delete(b.kept, gone.name)
	b.bytes -= int64(len(gone.content))
	gone.kept = false
	b.recycle(gone)
}

// keepWritten keeps what was just written of a short extent: it is read again soon, when others
// are put together with it.
func (b *blocks) keepWritten(key string, foot *footer, content []byte) {
	if len(foot.blocks) != 1 {
		return
	}
	name := blockName{key: key}
	if _, under, mine := b.find(name, false); mine {
		b.release(b.put(name, under, content, nil))
	}
}

// charged charges for what is held. The caller holds mu.
func (b *blocks) charged() {
	held := b.bytes + int64(len(b.free))*blockSize
	b.charge.Force(held)
	b.meter.Holds(held)
}

// release is for who has used a block.
func (b *blocks) release(used *block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	used.users--
	b.recycle(used)
}

// freeKept bounds the room for blocks that is kept.
const freeKept = 4

// recycle has another block take the room of one that nobody needs. The system would have to
// clear other room. The caller holds mu.
func (b *blocks) recycle(gone *block) {
	if gone.users == 0 && !gone.kept && cap(gone.content) == blockSize && len(b.free) < freeKept {
		b.free = append(b.free, gone.content[:0])
		gone.content = nil
		b.charged()
	}
}

// room is room for a block, to be read and then put. Where no more may be kept, it is that of the
// block that was used longest ago: other room would have to be cleared by the system.
func (b *blocks) room(length int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if length <= blockSize/2 || length > blockSize {
		return make([]byte, length)
	}
	if oldest := b.order.Back(); len(b.free) == 0 && oldest != nil && b.bytes+int64(len(b.reading))*blockSize > b.most {
		b.forget(oldest)
	}
	last := len(b.free) - 1
	if last < 0 {
		return memory.Large(blockSize)[:length]
	}
	room := b.free[last]
	b.free = b.free[:last]
	b.charged()
	return room[:length]
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

// right reports whether a checksum can be that of the block.
func (b part) right(sum uint32) bool { return !b.summed || sum == b.sum }

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
		found, err := v.block(s, b)
		if errs[i] = err; err == nil {
			low, high := max(from, b.from), min(to, b.to)
			copy(p[low-from:high-from], found.content[low-b.from:high-b.from])
			v.blocks.release(found)
		}
	}
	for i := range parts[1:] {
		reads.Go(func() { one(i + 1) })
	}
	one(0)
	reads.Wait()
	return errors.Join(errs...)
}

// block is one of a span's, from what is kept or from the bucket. The caller releases it.
func (v *Volume) block(s span, b part) (*block, error) {
	name := blockName{s.key, s.match, b.index}
	found, under, mine := v.blocks.find(name, true)
	if found != nil {
		v.options.Meter.Found(metered.Memory)
		return found, nil
	}
	if mine {
		v.bring(s, b, name, under)
	}
	<-under.done
	return under.block, under.err
}

// bring reads a block for all who wait for it, and keeps it in the cache then.
func (v *Volume) bring(s span, b part, name blockName, under *blockRead) {
	content, sum, cached, err := v.fetch(s, b)
	read := v.blocks.put(name, under, content, err)
	if err == nil && !cached && v.options.Cache != nil {
		v.options.Cache.Put(v.cacheName(s, b), content, sum)
	}
	v.blocks.release(read)
}

// cacheName is that of a block in the cache.
func (v *Volume) cacheName(s span, b part) string {
	return fmt.Sprint(v.Name(), " ", s.key, " ", s.match, " ", b.from)
}

// fetch reads a block, and compares it with its checksum, which it returns. It may be in the
// cache.
func (v *Volume) fetch(s span, b part) (content []byte, sum uint32, cached bool, err error) {
	content = v.blocks.room(b.to - b.from)
	if v.options.Cache != nil {
		v.finding <- struct{}{}
		sum, kept := v.options.Cache.Get(v.cacheName(s, b), content)
		<-v.finding
		if kept && b.right(sum) {
			v.options.Meter.Found(metered.Disk)
			return content, sum, true, nil
		}
	}
	v.fetching <- struct{}{}
	defer func() { <-v.fetching }()
	var wrong error
	for range triesOfWrong {
		found, err := v.get(v.ctx, s.key, objects.Read{Offset: b.from, Length: b.to - b.from, Match: s.match, Into: content})
		switch {
		case errors.Is(err, objects.ErrNotFound), errors.Is(err, objects.ErrCondition):
			return nil, 0, false, fmt.Errorf("%w: %s is not there any more", volume.ErrStale, s.key)
		case err != nil:
			return nil, 0, false, err
		case int64(len(found.Content)) != b.to-b.from:
			wrong = fmt.Errorf("%w: %s has %d of %d bytes at %d", volume.ErrCorrupt, s.key, len(found.Content), b.to-b.from, b.from)
			continue
		}
		if sum = crc32.Checksum(found.Content, castagnoli); b.right(sum) {
			v.options.Meter.Found(metered.Server)
			return found.Content, sum, false, nil
		}
		wrong = fmt.Errorf("%w: bytes of %s from %d on are not those that were written", volume.ErrCorrupt, s.key, b.from)
	}
	return nil, 0, false, wrong
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

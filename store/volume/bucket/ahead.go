package bucket

import "sync"

// ahead has the blocks fetched that who reads a store from front to back will want next, so that
// they come side by side and not one after the other.
type ahead struct {
	mu    sync.Mutex // guards what follows
	known [sequencesKept]sequence
	use   uint64
}

// sequence is one of those who read a generation in sequence: several of a search, whose reads come
// nearly in order.
type sequence struct {
	end     int64 // of what was read
	read    int64 // how many bytes
	fetched int64 // up to where blocks were asked for
	used    uint64
}

const (
	// sequencesKept is how many read one store in sequence and are told apart, and stray how far a read
	// may be from where the last one ended.
	sequencesKept, stray = 4, 2 * blockSize
	// blocksAhead is how far it is read ahead, where the memory for blocks allows that.
	blocksAhead = 12
)

// note notes a read, and tells what should be fetched now: nothing, as a rule.
func (a *ahead) note(offset, length, window int64) (from, to int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.use++
	oldest := &a.known[0]
	for i := range a.known {
		r := &a.known[i]
		if r.used > 0 && offset >= r.end-stray && offset <= r.end+stray {
			r.used = a.use
			r.end, r.read = max(r.end, offset+length), r.read+length
			return r.more(window)
		}
		if r.used < oldest.used {
			oldest = r
		}
	}
	*oldest = sequence{end: offset + length, read: length, fetched: offset + length, used: a.use}
	return 0, 0
}

// more is what is to be fetched for one. It is as much as has been read of it, for who
// has read a little may want no more; and it begins anew when half of it is used up.
func (r *sequence) more(window int64) (from, to int64) {
	window = min(window, r.read/blockSize*blockSize)
	if from = max(r.fetched, r.end); from-r.end > window/2 || window == 0 {
		return 0, 0
	}
	r.fetched = r.end + window
	return from, r.fetched
}

// readAhead fetches the blocks of a run of bytes that are not kept, and returns at once. What it
// cannot fetch is found out by who wants it.
func (v *Volume) readAhead(l *layout, from, to int64) {
	if to = min(to, l.base); from >= to {
		return
	}
	v.beside.do(func() {
		for _, s := range l.spans {
			low, high := max(from, s.at), min(to, s.at+s.length)
			if low >= high {
				continue
			}
			parts, err := v.partsOf(s, low-s.at, high-s.at)
			if err != nil {
				return
			}
			for _, part := range parts {
				select {
				case v.aheads <- struct{}{}:
				case <-v.ctx.Done():
					return
				}
				began := v.beside.do(func() {
					defer func() { <-v.aheads }()
					v.prefetch(s, part)
				})
				if !began {
					<-v.aheads
					return
				}
			}
		}
	})
}

// prefetch fetches a block, unless it is kept, or somebody does.
func (v *Volume) prefetch(s span, b part) {
	name := blockName{s.key, s.match, b.index}
	if _, under, mine := v.blocks.find(name, false); mine {
		v.bring(s, b, name, under)
	}
}

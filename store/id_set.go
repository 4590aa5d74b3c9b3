package store

import (
	"iter"
	"slices"
)

// idSet is a set of vector ids in memory that no choice of ids can blow up: some
// bytes for a run of consecutive ids, however long, and at most about eight for an
// id that stands alone.
//
// The ids lie in blocks. Each block has a stretch of the ids for itself, and the
// stretches follow one another.
type idSet struct {
	blocks []placedBlock
	count  uint64
}

// placedBlock is a block with a bound that none of its ids is below, and all ids
// of the blocks before it are.
type placedBlock struct {
	bound uint64
	*idBlock
}

func newIDSet() *idSet { return &idSet{} }

func idSetOf(ids []uint64) *idSet {
	set := newIDSet()
	set.add(ids)
	return set
}

func (s *idSet) add(ids []uint64) {
	for len(ids) > 0 {
		count := 1
		for count < len(ids) && ids[count] == ids[count-1]+1 && ids[count] != 0 {
			count++
		}
		s.addRun(ids[0], uint64(count))
		ids = ids[count:]
	}
}

// addRun adds count ids from first upward.
func (s *idSet) addRun(first, count uint64) {
	if count <= insertsPerMerge {
		for i := range count {
			s.insert(first + i)
		}
		return
	}
	run := idRun{first, first + (count - 1)}
	s.unite(&idSet{blocks: []placedBlock{{first, encodeBlock([]idRun{run}, false)}}, count: count})
}

// insertsPerMerge is the number of ids whose insertion, one by one, costs about as
// much as making a block anew.
const insertsPerMerge = 16

func (s *idSet) contains(id uint64) bool {
	if len(s.blocks) == 0 {
		return false
	}
	block := s.blocks[searchBlocks(s.blocks, id)]
	begun := block.find(id)
	return begun > 0 && block.run(begun-1).last >= id
}

func (s *idSet) len() uint64 { return s.count }

// bytes is about how much memory the set takes.
func (s *idSet) bytes() int64 {
	const block = 64 // and what leads to it, without its records
	total := int64(cap(s.blocks)) * 16
	for _, b := range s.blocks {
		total += block + int64(cap(b.records))
	}
	return total
}

// highest is the largest id; false for an empty set.
func (s *idSet) highest() (uint64, bool) {
	if len(s.blocks) == 0 {
		return 0, false
	}
	return s.blocks[len(s.blocks)-1].last(), true
}

// unite adds all ids of other.
func (s *idSet) unite(other *idSet) {
	if s == other || len(other.blocks) == 0 {
		return
	}
	from, to := s.around(other)
	if other.count <= insertsPerMerge*uint64(to-from) {
		for theirs := startCursor(other.blocks); theirs.any; theirs.next() {
			for id := theirs.run.first; ; id++ {
				s.insert(id)
				if id == theirs.run.last {
					break
				}
			}
		}
		return
	}
	s.count += other.count - s.shared(other)
	s.blocks = slices.Replace(s.blocks, from, to, uniteBlocks(s.blocks[from:to], other.blocks)...)
}

// remove takes all ids of other out.
func (s *idSet) remove(other *idSet) {
	if s == other {
		*s = idSet{}
		return
	}
	if len(other.blocks) == 0 {
		return
	}
	from, to := s.around(other)
	s.count -= s.shared(other)
	s.blocks = slices.Replace(s.blocks, from, to, removeBlocks(s.blocks[from:to], other.blocks)...)
}

// around tells which blocks the ids of other fall into.
func (s *idSet) around(other *idSet) (from, to int) {
	if len(s.blocks) == 0 {
		return 0, 0
	}
	highest, _ := other.highest()
	return searchBlocks(s.blocks, other.blocks[0].run(0).first), searchBlocks(s.blocks, highest) + 1
}

// shared is the number of ids in both sets.
func (s *idSet) shared(other *idSet) uint64 {
	var count uint64
	for first, last := range s.overlaps(other) {
		count += last - first + 1
	}
	return count
}

// common is the set of the ids that are in both sets.
func (s *idSet) common(other *idSet) *idSet {
	both := newIDSet()
	for first, last := range s.overlaps(other) {
		both.addRun(first, last-first+1)
	}
	return both
}

// overlaps gives first and last id of each run of ids that are in both sets, in
// ascending order.
func (s *idSet) overlaps(other *idSet) iter.Seq2[uint64, uint64] {
	return func(yield func(first, last uint64) bool) {
		a, b := startCursor(s.blocks), startCursor(other.blocks)
		for a.any && b.any {
			first, last := max(a.run.first, b.run.first), min(a.run.last, b.run.last)
			switch {
			case a.run.last < first:
				a.seek(first)
				continue
			case b.run.last < first:
				b.seek(first)
				continue
			case !yield(first, last):
				return
			}
			if a.run.last == last {
				a.next()
			} else {
				b.next()
			}
		}
	}
}

// ascending lists the ids.
func (s *idSet) ascending() []uint64 {
	ids := make([]uint64, 0, s.count)
	for c := startCursor(s.blocks); c.any; c.next() {
		for id := c.run.first; ; id++ {
			ids = append(ids, id)
			if id == c.run.last {
				break
			}
		}
	}
	return ids
}

// insert adds one id and says whether it is new.
func (s *idSet) insert(id uint64) bool {
	if len(s.blocks) == 0 {
		s.blocks = []placedBlock{{id, encodeBlock([]idRun{{id, id}}, false)}}
		s.count = 1
		return true
	}
	at := searchBlocks(s.blocks, id)
	place := &s.blocks[at]
	begun := place.find(id)
	if begun > 0 && place.run(begun-1).last >= id {
		return false
	}
	s.count++
	place.bound = min(place.bound, id) // only the first block ever gets ids below its bound
	if !place.put(id, begun) {
		s.remake(at, id, begun)
	}
	return true
}

// remake encodes a block anew with one more id, which begun of its runs start
// below, or as two blocks when it is full.
func (s *idSet) remake(at int, id uint64, begun int) {
	old := s.blocks[at]
	var buffer [blockRuns + 1]idRun
	runs := buffer[:0]
	for i := range begun {
		runs = append(runs, old.run(i))
	}
	runs = appendRun(runs, idRun{id, id})
	for i := begun; i < int(old.runs); i++ {
		runs = appendRun(runs, old.run(i))
	}
	cut := len(runs)
	if cut > blockRuns {
		switch begun {
		case 0:
			cut = 1 // ids that come in descending order fill their blocks
		case blockRuns:
			cut = blockRuns // and so do ascending ones
		default:
			cut /= 2
		}
	}
	s.blocks[at].idBlock = encodeBlock(runs[:cut], begun == 0)
	if cut < len(runs) {
		s.blocks = slices.Insert(s.blocks, at+1, placedBlock{runs[cut].first, encodeBlock(runs[cut:], false)})
	}
}

// searchBlocks finds the block that id is in, if it is in any. There must be one
// block at least.
func searchBlocks(blocks []placedBlock, id uint64) int {
	at := 0
	for count := len(blocks); count > 1; {
		half := count / 2
		if blocks[at+half].bound <= id {
			at += half
		}
		count -= half
	}
	return at
}

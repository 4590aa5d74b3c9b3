package idset

import (
	"iter"
	"slices"
)

// Set is a set of vector ids in memory that no choice of ids can blow up: some
// Bytes for a run of consecutive ids, however long, and at most about eight for an
// id that stands alone.
//
// The ids lie in blocks. Each block has a stretch of the ids for itself, and the
// stretches follow one another.
type Set struct {
	blocks []placedBlock
	count  uint64
}

// placedBlock is a block with a bound that none of its ids is below, and all ids
// of the blocks before it are.
type placedBlock struct {
	bound uint64
	*block
}

// New is an empty set.
func New() *Set { return &Set{} }

// Of is the set of these ids.
func Of(ids []uint64) *Set {
	set := New()
	set.Add(ids)
	return set
}

func (s *Set) Add(ids []uint64) {
	for len(ids) > 0 {
		count := 1
		for count < len(ids) && ids[count] == ids[count-1]+1 && ids[count] != 0 {
			count++
		}
		s.AddRun(ids[0], uint64(count))
		ids = ids[count:]
	}
}

// AddRun adds count ids from first upward.
func (s *Set) AddRun(first, count uint64) {
	if count <= insertsPerMerge {
		for i := range count {
			s.Insert(first + i)
		}
		return
	}
	run := Run{first, first + (count - 1)}
	s.Unite(&Set{blocks: []placedBlock{{first, encodeBlock([]Run{run}, false)}}, count: count})
}

// insertsPerMerge is the number of ids whose insertion, one by one, costs about as
// much as making a block anew.
const insertsPerMerge = 16

func (s *Set) Contains(id uint64) bool {
	if len(s.blocks) == 0 {
		return false
	}
	block := s.blocks[searchBlocks(s.blocks, id)]
	begun := block.find(id)
	return begun > 0 && block.run(begun-1).Last >= id
}

func (s *Set) Len() uint64 { return s.count }

// Bytes is about how much memory the set takes.
func (s *Set) Bytes() int64 {
	const block = 64 // and what leads to it, without its records
	total := int64(cap(s.blocks)) * 16
	for _, b := range s.blocks {
		total += block + int64(cap(b.records))
	}
	return total
}

// Highest is the largest id; false for an empty set.
func (s *Set) Highest() (uint64, bool) {
	if len(s.blocks) == 0 {
		return 0, false
	}
	return s.blocks[len(s.blocks)-1].last(), true
}

// Unite adds all ids of other.
func (s *Set) Unite(other *Set) {
	if s == other || len(other.blocks) == 0 {
		return
	}
	from, to := s.around(other)
	if other.count <= insertsPerMerge*uint64(to-from) {
		for theirs := startCursor(other.blocks); theirs.Any; theirs.Next() {
			for id := theirs.Run.First; ; id++ {
				s.Insert(id)
				if id == theirs.Run.Last {
					break
				}
			}
		}
		return
	}
	s.count += other.count - s.Shared(other)
	s.blocks = slices.Replace(s.blocks, from, to, uniteBlocks(s.blocks[from:to], other.blocks)...)
}

// Remove takes all ids of other out.
func (s *Set) Remove(other *Set) {
	if s == other {
		*s = Set{}
		return
	}
	if len(other.blocks) == 0 {
		return
	}
	from, to := s.around(other)
	s.count -= s.Shared(other)
	s.blocks = slices.Replace(s.blocks, from, to, removeBlocks(s.blocks[from:to], other.blocks)...)
}

// around tells which blocks the ids of other fall into.
func (s *Set) around(other *Set) (from, to int) {
	if len(s.blocks) == 0 {
		return 0, 0
	}
	highest, _ := other.Highest()
	return searchBlocks(s.blocks, other.blocks[0].run(0).First), searchBlocks(s.blocks, highest) + 1
}

// Shared is the number of ids in both sets.
func (s *Set) Shared(other *Set) uint64 {
	var count uint64
	for first, last := range s.overlaps(other) {
		count += last - first + 1
	}
	return count
}

// Without is the set of the ids that are not in other.
func (s *Set) Without(other *Set) *Set {
	rest := New()
	var made blockMaker
	b := startCursor(other.blocks)
	for a := startCursor(s.blocks); a.Any; a.Next() {
		run, some := a.Run, true
		for b.Seek(run.First); some && b.Any && b.Run.First <= run.Last; b.Seek(run.First) {
			if b.Run.First > run.First {
				made.add(Run{run.First, b.Run.First - 1})
				rest.count += b.Run.First - run.First
			}
			if some = b.Run.Last < run.Last; some {
				run.First = b.Run.Last + 1
			}
		}
		if some {
			made.add(run)
			rest.count += run.Last - run.First + 1
		}
	}
	made.makeAll()
	rest.blocks = made.blocks
	return rest
}

// Common is the set of the ids that are in both sets.
func (s *Set) Common(other *Set) *Set {
	both := New()
	for first, last := range s.overlaps(other) {
		both.AddRun(first, last-first+1)
	}
	return both
}

// overlaps gives first and last id of each run of ids that are in both sets, in
// Ascending order.
func (s *Set) overlaps(other *Set) iter.Seq2[uint64, uint64] {
	return func(yield func(first, last uint64) bool) {
		a, b := startCursor(s.blocks), startCursor(other.blocks)
		for a.Any && b.Any {
			first, last := max(a.Run.First, b.Run.First), min(a.Run.Last, b.Run.Last)
			switch {
			case a.Run.Last < first:
				a.Seek(first)
				continue
			case b.Run.Last < first:
				b.Seek(first)
				continue
			case !yield(first, last):
				return
			}
			if a.Run.Last == last {
				a.Next()
			} else {
				b.Next()
			}
		}
	}
}

// Ascending lists the ids.
func (s *Set) Ascending() []uint64 {
	ids := make([]uint64, 0, s.count)
	for c := startCursor(s.blocks); c.Any; c.Next() {
		for id := c.Run.First; ; id++ {
			ids = append(ids, id)
			if id == c.Run.Last {
				break
			}
		}
	}
	return ids
}

// Insert adds one id and reports whether it is new.
func (s *Set) Insert(id uint64) bool {
	if len(s.blocks) == 0 {
		s.blocks = []placedBlock{{id, encodeBlock([]Run{{id, id}}, false)}}
		s.count = 1
		return true
	}
	at := searchBlocks(s.blocks, id)
	place := &s.blocks[at]
	begun := place.find(id)
	if begun > 0 && place.run(begun-1).Last >= id {
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
func (s *Set) remake(at int, id uint64, begun int) {
	old := s.blocks[at]
	var buffer [blockRuns + 1]Run
	runs := buffer[:0]
	for i := range begun {
		runs = append(runs, old.run(i))
	}
	runs = appendRun(runs, Run{id, id})
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
	s.blocks[at].block = encodeBlock(runs[:cut], begun == 0)
	if cut < len(runs) {
		s.blocks = slices.Insert(s.blocks, at+1, placedBlock{runs[cut].First, encodeBlock(runs[cut:], false)})
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

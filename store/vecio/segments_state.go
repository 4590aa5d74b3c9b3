package vecio

import (
	"cmp"
	"encoding/binary"
	"slices"

	"rvffs/segments"
)

// storeState is what a stream of segments says of a store: where its vector segments
// stand, and which of them the last manifest names, in which order. A store file holds
// rows that do not count, such as those of streams that were given up, and
// segments that stand behind others whose rows replace theirs.
type storeState struct {
	vectors []placedVectors // in the order of the stream
	named   []placedVectors // vector segments of the manifest at hand; of each offset and length
	order   []Run           // of the rows up to the last manifest; nil: as they came
	settled int             // vectors in front of the last manifest that could be understood
	doubt   error           // a segment that counts, or may, and that nothing vouches for

	branch   bool // the manifest at hand names what makes a store a branch
	any      bool // there was a manifest
	lost     bool // the stream is not one store from its start: it tells no order
	epoch    uint32
	identity [4 + 16]byte
}

// placedVectors is one vector segment.
type placedVectors struct {
	offset int64
	length uint64 // of the payload
	run    Run
	bad    error // nothing vouches for it
}

// maxPlacedVectors bounds how many vector segments a stream can have whose order is
// told by a manifest.
const maxPlacedVectors = 1 << 20

// begin notes a vector segment at an offset of the stream.
func (s *storeState) begin(offset int64, header segments.Header, first int64) {
	if len(s.vectors) == maxPlacedVectors {
		s.lose()
	}
	if !s.lost {
		s.vectors = append(s.vectors, placedVectors{offset: offset, length: header.PayloadLength, run: Run{First: first}})
	}
}

// end notes that the vector segment is complete, behind so many rows in all.
func (s *storeState) end(rows int64, bad error) {
	if s.doubt == nil {
		s.doubt = bad
	}
	if s.lost {
		return
	}
	last := &s.vectors[len(s.vectors)-1]
	last.run.Count, last.bad = rows-last.run.First, bad
}

func (s *storeState) lose() { *s = storeState{lost: true, any: true, doubt: s.doubt} }

// name takes an entry of the directory of the manifest at hand.
func (s *storeState) name(entry []byte) {
	kind := segments.Type(entry[24])
	s.branch = s.branch || isOfBranch(kind)
	if kind == segments.TypeVec && !s.lost {
		s.named = append(s.named, placedVectors{offset: int64(binary.LittleEndian.Uint64(entry[8:])), length: binary.LittleEndian.Uint64(entry[16:])})
	}
}

// open reports whether a later manifest may still change what counts: what was begun
// early can be committed late.
func (s *storeState) open() bool { return s.any && !s.lost }

// settle takes the manifest at hand for the state of the store. Where it is another
// store's, or names what the stream has not brought, nothing is known about orders.
func (s *storeState) settle(epoch uint32, identity [4 + 16]byte) {
	if s.any && (identity != s.identity || epoch < s.epoch) {
		s.lose()
	}
	s.any, s.epoch, s.identity = true, epoch, identity
	if s.lost {
		return
	}
	var order []Run
	var doubt error
	seen := make(map[int]bool, len(s.named))
	for _, named := range s.named {
		at, found := slices.BinarySearchFunc(s.vectors, named.offset, func(v placedVectors, offset int64) int { return cmp.Compare(v.offset, offset) })
		if !found || s.vectors[at].length != named.length || seen[at] {
			s.lose()
			return
		}
		seen[at] = true
		if doubt == nil {
			doubt = s.vectors[at].bad
		}
		order = appendRuns(order, s.vectors[at].run)
	}
	s.order, s.doubt, s.settled = order, doubt, len(s.vectors)
}

// runs is the order of all rows, of which there are so many; nil: as they came.
func (s *storeState) runs(rows int64) []Run {
	if s.lost || !s.any {
		return nil
	}
	order := slices.Clone(s.order)
	for _, v := range s.vectors[s.settled:] {
		order = appendRuns(order, v.run)
	}
	if len(order) == 0 && rows == 0 || len(order) == 1 && order[0] == (Run{0, rows}) {
		return nil
	}
	return append([]Run{}, order...)
}

// appendRuns appends a run of rows, to the last one if it goes on there.
func appendRuns(runs []Run, run Run) []Run {
	if run.Count == 0 {
		return runs
	}
	if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == run.First {
		runs[last].Count += run.Count
		return runs
	}
	return append(runs, run)
}

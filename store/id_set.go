package store

import "github.com/RoaringBitmap/roaring/v2/roaring64"

// idSet is a set of vector ids, small where ids lie close together.
type idSet struct {
	bitmap *roaring64.Bitmap
}

func newIDSet() *idSet { return &idSet{bitmap: roaring64.New()} }

func idSetOf(ids []uint64) *idSet {
	set := newIDSet()
	set.add(ids)
	return set
}

func (s *idSet) add(ids []uint64) { s.bitmap.AddMany(ids) }

// addRun adds count ids from first upward.
func (s *idSet) addRun(first, count uint64) {
	if count == 0 {
		return
	}
	last := first + (count - 1)
	s.bitmap.AddRange(first, last) // the end is exclusive, and cannot be past the highest id
	s.bitmap.Add(last)
}

func (s *idSet) contains(id uint64) bool { return s.bitmap.Contains(id) }
func (s *idSet) len() uint64             { return s.bitmap.GetCardinality() }

// highest is the largest id; false for an empty set.
func (s *idSet) highest() (uint64, bool) {
	if s.bitmap.IsEmpty() {
		return 0, false
	}
	return s.bitmap.Maximum(), true
}

// unite adds all ids of other.
func (s *idSet) unite(other *idSet) { s.bitmap.Or(other.bitmap) }

// remove takes all ids of other out.
func (s *idSet) remove(other *idSet) { s.bitmap.AndNot(other.bitmap) }

// shared is the number of ids in both sets.
func (s *idSet) shared(other *idSet) uint64 { return s.bitmap.AndCardinality(other.bitmap) }

// ascending lists the ids.
func (s *idSet) ascending() []uint64 { return s.bitmap.ToArray() }

// insert adds one id and says whether it is new.
func (s *idSet) insert(id uint64) bool { return s.bitmap.CheckedAdd(id) }

package catalog

import (
	"container/list"
	"context"
	"sync"
	"time"

	"rvffs/store"
)

// Neighbors is the file about the nearest neighbors of one stored vector.
type Neighbors struct {
	// Number is the file's inode number, Text what it says.
	Number uint64
	Text   []byte
	// Generation, Time, Origin and File are those of the snapshot in which it says so.
	Generation uint64
	Time       time.Time
	Origin     store.Origin
	File       store.FileInfo
}

// Neighbors searches for the ten vectors nearest to the stored one of this id,
// which is left out itself. The kernel asks again and again for names, so what
// was found is kept for some time.
func (s *Store) Neighbors(ctx context.Context, id uint64) (found Neighbors, err error) {
	err = s.withNewest(ctx, func(snapshot *store.Snapshot) error {
		known, kept := s.neighbors.find(id)
		if kept && known.Generation == snapshot.Generation() {
			found = known
			return nil
		}
		answers, err := snapshot.Nearest(ctx, []store.Query{{ID: id, K: store.DefaultNeighbors}})
		if err == nil {
			text := store.AppendAnswers(nil, answers)
			found = s.neighbors.keep(id, Neighbors{Text: text, Generation: snapshot.Generation(), Time: snapshot.Time(), Origin: snapshot.Origin(), File: snapshot.File()}, s.catalog)
		}
		return err
	})
	return found, err
}

// neighborFiles keeps the files of the ids that were asked for last.
type neighborFiles struct {
	mu     sync.Mutex
	byUse  list.List // of *neighborFile, the newest first
	places map[uint64]*list.Element
	span   numberSpan
	given  uint64 // numbers given out
}

type neighborFile struct {
	id uint64
	Neighbors
}

// keptNeighbors bounds the files that a store keeps. As long as one is kept, its
// inode number stays the same; after that it is another's, at the earliest when
// all others of the span were given out.
const keptNeighbors = 1024

// find is what was kept about an id.
func (n *neighborFiles) find(id uint64) (Neighbors, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	place, known := n.places[id]
	if !known {
		return Neighbors{}, false
	}
	n.byUse.MoveToFront(place)
	return place.Value.(*neighborFile).Neighbors, true
}

// keep remembers what was found, under the number that the file has or gets.
func (n *neighborFiles) keep(id uint64, found Neighbors, c *Catalog) Neighbors {
	n.mu.Lock()
	defer n.mu.Unlock()
	if place, known := n.places[id]; known {
		n.byUse.MoveToFront(place)
		file := place.Value.(*neighborFile)
		found.Number = file.Number
		file.Neighbors = found
		return found
	}
	if n.places == nil {
		n.places = map[uint64]*list.Element{}
	}
	found.Number = n.span.number(c, n.given)
	n.given++
	n.places[id] = n.byUse.PushFront(&neighborFile{id, found})
	if n.byUse.Len() > keptNeighbors {
		delete(n.places, n.byUse.Remove(n.byUse.Back()).(*neighborFile).id)
	}
	return found
}

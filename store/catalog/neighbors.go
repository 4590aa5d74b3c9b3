package catalog

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Neighbors is the file about the nearest neighbors of one stored vector.
type Neighbors struct {
	// Number is the file's inode number, Text what it says.
	Number uint64
	Text   []byte
	// Generation, Time, Origin and File are those of the snapshot in which it says so.
	Generation uint64
	Time       time.Time
	Origin     state.Origin
	File       volume.FileInfo

	of rows.Sources // which are searched
}

// View shows the text.
func (n Neighbors) View() state.View { return viewOf(n.of, state.TextView(n.Text)) }

// Neighbors searches for the ten vectors nearest to the stored one of this id,
// which is left out itself. The kernel asks again and again for names, so what
// was found is kept for some time.
func (s *Store) Neighbors(ctx context.Context, id uint64) (found Neighbors, err error) {
	err = s.withNewest(ctx, func(snapshot *state.Snapshot) error {
		known, kept := s.neighbors.find(id, s.catalog.options.Memory)
		if kept && known.Generation == snapshot.Generation() {
			found = known
			return nil
		}
		of, err := s.sources(ctx, snapshot)
		if err != nil {
			return err
		}
		answers, err := search.Nearest(ctx, of, []search.Query{{ID: id, K: search.DefaultNeighbors}})
		if err == nil {
			text := search.AppendAnswers(nil, answers)
			found = s.neighbors.keep(id, Neighbors{Text: text, of: of, Generation: snapshot.Generation(), Time: snapshot.Time(), Origin: snapshot.Origin(), File: snapshot.File()}, s.catalog)
		}
		return err
	})
	return found, err
}

// neighborFiles keeps the files of the ids that were asked for last, while there is
// memory for them.
type neighborFiles struct {
	mu    sync.Mutex
	kept  *memory.Kept // of a *neighborTable; nil before the first
	span  numberSpan
	given uint64 // numbers given out
}

// neighborTable is what is kept, by id.
type neighborTable = simplelru.LRU[uint64, Neighbors]

const (
	// keptNeighbors bounds the files that a store keeps. As long as one is kept, its
	// inode number stays the same; after that it is another's, at the earliest when
	// all others of the span were given out.
	keptNeighbors = 1024
	// neighborFileBytes is about what one of them takes in memory, with its text.
	neighborFileBytes = 1024
)

// use runs act with the table, which is empty if it was pushed out.
func (n *neighborFiles) use(budget *memory.Budget, act func(*neighborTable)) {
	n.mu.Lock()
	table, there := memory.Used[*neighborTable](n.kept)
	if !there {
		table, _ = simplelru.NewLRU[uint64, Neighbors](keptNeighbors, nil) // it refuses only sizes of nothing
		charge := budget.Charge()
		n.kept = memory.Keep(&charge, n, table, nil)
	}
	act(table)
	for n.kept.Resize(int64(neighborFileBytes*table.Len())) != nil {
		table.RemoveOldest()
	}
	kept := n.kept
	n.mu.Unlock()
	kept.Done()
}

// find is what was kept about an id.
func (n *neighborFiles) find(id uint64, budget *memory.Budget) (found Neighbors, known bool) {
	n.use(budget, func(table *neighborTable) { found, known = table.Get(id) })
	return found, known
}

// keep remembers what was found, under the number that the file has or gets.
func (n *neighborFiles) keep(id uint64, found Neighbors, c *Catalog) Neighbors {
	n.use(c.options.Memory, func(table *neighborTable) {
		if former, known := table.Peek(id); known {
			found.Number = former.Number
		} else {
			found.Number = n.span.number(c, n.given)
			n.given++
		}
		table.Add(id, found)
	})
	return found
}

package idset

import "slices"

// Cursor goes through the runs of a set in ascending order.
type Cursor struct {
	blocks  []placedBlock // the one at hand and all behind it
	index   int           // of the run in its block
	Run     Run           // the one at hand
	Any     bool          // there is one
	forgets bool          // blocks that are done with, so that their memory is free
}

// Cursor begins at the first run. The set must not change while it is used.
func (s *Set) Cursor() Cursor { return startCursor(s.blocks) }

func startCursor(blocks []placedBlock) Cursor {
	c := Cursor{blocks: blocks}
	c.load()
	return c
}

func (c *Cursor) load() {
	if c.Any = len(c.blocks) > 0; c.Any {
		c.Run = c.blocks[0].run(c.index)
	}
}

// Next goes on to the next run.
func (c *Cursor) Next() {
	c.index++
	if c.index < int(c.blocks[0].runs) {
		c.load()
		return
	}
	c.nextBlock()
}

func (c *Cursor) nextBlock() {
	if c.forgets {
		c.blocks[0].block = nil
	}
	c.blocks, c.index = c.blocks[1:], 0
	c.load()
}

// Seek goes on to the first run that ends at id or above.
func (c *Cursor) Seek(id uint64) {
	for range 8 { // mostly it is near
		if !c.Any || c.Run.Last >= id {
			return
		}
		c.Next()
	}
	if !c.Any {
		return
	}
	if at := searchBlocks(c.blocks, id); at > 0 {
		c.blocks, c.index = c.blocks[at:], 0
	}
	c.index = max(c.index, c.blocks[0].find(id)-1)
	c.load()
	if c.Run.Last < id {
		c.Next()
	}
}

// blockMaker makes blocks of runs that come in ascending order.
type blockMaker struct {
	blocks []placedBlock
	runs   []Run // of no block yet
}

func (m *blockMaker) add(run Run) {
	m.runs = appendRun(m.runs, run)
	if len(m.runs) == 2*blockRuns {
		m.make(blockRuns)
	}
}

// make makes a block of the first count runs.
func (m *blockMaker) make(count int) {
	if count == 0 {
		return
	}
	m.blocks = append(m.blocks, placedBlock{m.runs[0].First, encodeBlock(m.runs[:count], false)})
	m.runs = slices.Delete(m.runs, 0, count)
}

// isBelow reports whether all ids so far are lower.
func (m *blockMaker) isBelow(id uint64) bool {
	return len(m.runs) == 0 || m.runs[len(m.runs)-1].Last < id
}

// take adds a block as it is, unless that would leave one that is hardly filled.
func (m *blockMaker) take(block placedBlock) {
	const few = blockRuns / 4
	if block.runs >= few && (len(m.runs) == 0 || len(m.runs) >= few) {
		m.makeAll()
		m.blocks = append(m.blocks, block)
		return
	}
	for i := range int(block.runs) {
		m.add(block.run(i))
	}
	if len(m.runs) > blockRuns {
		m.make(len(m.runs) / 2)
	}
}

func (m *blockMaker) makeAll() {
	if len(m.runs) > blockRuns {
		m.make(len(m.runs) / 2)
	}
	m.make(len(m.runs))
}

// uniteBlocks makes blocks of the ids in both, and uses up the blocks in mine.
func uniteBlocks(mine, theirs []placedBlock) []placedBlock {
	var made blockMaker
	a, b := startCursor(mine), startCursor(theirs)
	a.forgets = true
	for a.Any || b.Any {
		switch {
		case a.Any && a.index == 0 && made.isBelow(a.Run.First) && (!b.Any || a.blocks[0].last() < b.Run.First):
			made.take(a.blocks[0])
			a.nextBlock()
		case !b.Any || a.Any && a.Run.First <= b.Run.First:
			made.add(a.Run)
			a.Next()
		default:
			made.add(b.Run)
			b.Next()
		}
	}
	made.makeAll()
	return made.blocks
}

// removeBlocks makes blocks of the ids in mine and not in theirs, and uses up the
// blocks in mine.
func removeBlocks(mine, theirs []placedBlock) []placedBlock {
	var made blockMaker
	a, b := startCursor(mine), startCursor(theirs)
	a.forgets = true
	for a.Any {
		b.Seek(a.Run.First)
		if a.index == 0 && (!b.Any || a.blocks[0].last() < b.Run.First) {
			made.take(a.blocks[0])
			a.nextBlock()
			continue
		}
		rest, some := a.Run, true
		for some && b.Any && b.Run.First <= rest.Last {
			if b.Run.First > rest.First {
				made.add(Run{rest.First, b.Run.First - 1})
			}
			if some = b.Run.Last < rest.Last; some {
				rest.First = b.Run.Last + 1
				b.Next()
			}
		}
		if some {
			made.add(rest)
		}
		a.Next()
	}
	made.makeAll()
	return made.blocks
}

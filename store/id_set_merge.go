package store

import "slices"

// runCursor goes through the runs of blocks in ascending order.
type runCursor struct {
	blocks  []placedBlock // the one at hand and all behind it
	index   int           // of the run in its block
	run     idRun
	any     bool // there is a run
	forgets bool // blocks that are done with, so that their memory is free
}

func startCursor(blocks []placedBlock) runCursor {
	c := runCursor{blocks: blocks}
	c.load()
	return c
}

func (c *runCursor) load() {
	if c.any = len(c.blocks) > 0; c.any {
		c.run = c.blocks[0].run(c.index)
	}
}

func (c *runCursor) next() {
	c.index++
	if c.index < int(c.blocks[0].runs) {
		c.load()
		return
	}
	c.nextBlock()
}

func (c *runCursor) nextBlock() {
	if c.forgets {
		c.blocks[0].idBlock = nil
	}
	c.blocks, c.index = c.blocks[1:], 0
	c.load()
}

// seek goes on to the first run that ends at id or above.
func (c *runCursor) seek(id uint64) {
	for range 8 { // mostly it is near
		if !c.any || c.run.last >= id {
			return
		}
		c.next()
	}
	if !c.any {
		return
	}
	if at := searchBlocks(c.blocks, id); at > 0 {
		c.blocks, c.index = c.blocks[at:], 0
	}
	c.index = max(c.index, c.blocks[0].find(id)-1)
	c.load()
	if c.run.last < id {
		c.next()
	}
}

// blockMaker makes blocks of runs that come in ascending order.
type blockMaker struct {
	blocks []placedBlock
	runs   []idRun // of no block yet
}

func (m *blockMaker) add(run idRun) {
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
	m.blocks = append(m.blocks, placedBlock{m.runs[0].first, encodeBlock(m.runs[:count], false)})
	m.runs = slices.Delete(m.runs, 0, count)
}

// isBelow says whether all ids so far are lower.
func (m *blockMaker) isBelow(id uint64) bool {
	return len(m.runs) == 0 || m.runs[len(m.runs)-1].last < id
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
	for a.any || b.any {
		switch {
		case a.any && a.index == 0 && made.isBelow(a.run.first) && (!b.any || a.blocks[0].last() < b.run.first):
			made.take(a.blocks[0])
			a.nextBlock()
		case !b.any || a.any && a.run.first <= b.run.first:
			made.add(a.run)
			a.next()
		default:
			made.add(b.run)
			b.next()
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
	for a.any {
		b.seek(a.run.first)
		if a.index == 0 && (!b.any || a.blocks[0].last() < b.run.first) {
			made.take(a.blocks[0])
			a.nextBlock()
			continue
		}
		rest, some := a.run, true
		for some && b.any && b.run.first <= rest.last {
			if b.run.first > rest.first {
				made.add(idRun{rest.first, b.run.first - 1})
			}
			if some = b.run.last < rest.last; some {
				rest.first = b.run.last + 1
				b.next()
			}
		}
		if some {
			made.add(rest)
		}
		a.next()
	}
	made.makeAll()
	return made.blocks
}

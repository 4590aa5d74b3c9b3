package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

const (
	blockSize      = 4 << 20 // bytes that are written at a time, where there is memory
	firstBlockSize = 64 << 10
	blockCount     = 3 // of each appender, in use or waiting to be
)

// Appender brings vectors into a store. What it is given is on its way to the
// disk at once, in memory of a fixed size, and becomes part of the store with
// Commit. It is for one goroutine.
//
// One small block is enough to go on with. Where memory is short it is written
// again and again, and waited for each time.
type Appender struct {
	vectors *Vectors
	origin  state.Origin // the file that all of it goes to; zero: any
	session *log.Session // nil while nothing is to be committed
	block   *block       // being filled
	extents []*rowExtent
	rows    uint64        // since the last commit
	memory  memory.Charge // of the blocks

	// The goroutine below exists while blocks are on their way.
	work    chan *block
	blocks  int
	free    chan *block
	current *rowExtent       // belongs to the goroutine while it runs
	ids     rows.GrowingSets // charges for the ids of the extents; belongs to it as well

	behind sync.WaitGroup // commits under way while the stream goes on, one at most

	mu      sync.Mutex
	err     error     // of the goroutine, or of a commit behind
	settled []settled // commits behind that are over
}

// NewAppender starts to append to the file of an origin, or if that is zero to any. Commit
// or Rollback must be the last that is asked of it.
func (v *Vectors) NewAppender(origin state.Origin) *Appender {
	return &Appender{vectors: v, origin: origin, free: make(chan *block, blockCount), memory: v.env.Memory.Charge()}
}

// afford waits, for some seconds or until ctx ends, for the memory without which
// nothing can be appended. Append takes it unasked.
func (a *Appender) afford(ctx context.Context) error {
	if a.memory.Held() > 0 {
		return nil
	}
	dimension := a.Dimension()
	if dimension == 0 {
		dimension = vecio.MaxDimension
	}
	return a.memory.Await(ctx, blockMemory(firstBlockBytes(4*dimension), 4*dimension))
}

// relent gives back what afford has waited for if nothing was appended.
func (a *Appender) relent() {
	if a.block == nil && a.work == nil {
		a.memory.Free()
	}
}

// Dimension is the number of components that the vectors must have, 0 as long as
// any will do.
func (a *Appender) Dimension() int {
	if a.session == nil {
		return a.vectors.env.Head.Current().Dimension()
	}
	return a.vectors.dimension(a.session)
}

// Join takes the writer lock, if this process does not hold it yet, and waits for
// it for a while. Append does so by itself.
func (a *Appender) Join(ctx context.Context) error {
	if a.session != nil {
		return nil
	}
	session, err := a.vectors.env.Begin(state.OnlyIn(ctx, a.origin))
	a.session = session
	return err
}

// Joined reports whether the appender takes part in a session: from the first vectors
// until they are committed or given up.
func (a *Appender) Joined() bool { return a.session != nil }

// SetDimension fixes the dimension of a store that has none yet.
func (a *Appender) SetDimension(ctx context.Context, dimension int) error {
	if dimension < 1 || dimension > 65535 {
		return fmt.Errorf("%w: dimension %d is not within 1 to 65535", volume.ErrInput, dimension)
	}
	if err := a.Join(ctx); err != nil {
		return err
	}
	return a.vectors.fixDimension(a.session, dimension)
}

// Append takes vectors: rows of dimension little-endian float32 each, and an id
// for each row; without ids (nil) they get the highest id in use + 1 and upward.
func (a *Appender) Append(ctx context.Context, ids []uint64, rows []byte) error {
	if err := a.Join(ctx); err != nil {
		return err
	}
	width := 4 * a.Dimension()
	if width == 0 || len(rows)%width != 0 || ids != nil && len(ids) != len(rows)/width {
		return fmt.Errorf("%w: %d bytes and %d ids are no rows of %d components", volume.ErrInput, len(rows), len(ids), width/4)
	}
	v := a.vectors
	if err := v.knowIDs(ctx, a.session); err != nil {
		return err
	}
	if ids != nil {
		v.useIDs(a.session, ids)
	} else if err := v.checkRoom(a.session, len(rows)/width); err != nil {
		return err
	}
	for len(rows) > 0 {
		room := a.room(width)
		count := min(room, len(rows)/width)
		if ids != nil {
			a.encode(ids[:count], rows[:count*width], width)
			ids = ids[count:]
		} else {
			a.encodeUnnumbered(rows[:count*width], width)
		}
		rows = rows[count*width:]
		a.rows += uint64(count)
		if count == room {
			if err := a.submit(width); err != nil {
				return err
			}
		}
	}
	return a.failure()
}

// room is the number of rows that the block at hand can still take.
func (a *Appender) room(width int) int {
	if a.block == nil {
		first := firstBlockBytes(width)
		a.memory.Force(max(a.memory.Held(), blockMemory(first, width)))
		a.block = newBlock(first)
	}
	return (cap(a.block.bytes) - len(a.block.bytes)) / (width + 8)
}

func (a *Appender) encode(ids []uint64, rows []byte, width int) {
	b := a.block
	b.bytes = appendRows(b.bytes, ids, rows, width)
	b.ids.Add(ids)
	b.rows += uint32(len(ids))
}

// encodeUnnumbered leaves the ids open until the block is written: a stream that
// is refused before has then used none up.
func (a *Appender) encodeUnnumbered(rows []byte, width int) {
	b := a.block
	count := len(rows) / width
	for i := range count {
		b.bytes = binary.LittleEndian.AppendUint64(b.bytes, 0)
		b.bytes = append(b.bytes, rows[i*width:(i+1)*width]...)
	}
	b.unnumbered = append(b.unnumbered, rowRun{b.rows, uint32(count)})
	b.rows += uint32(count)
}

// submit hands the full block on. A small one grows instead, if there is memory.
func (a *Appender) submit(width int) error {
	if cap(a.block.bytes) < blockSize && a.memory.Spare(blockMemory(blockSize, width)) {
		grown := make([]byte, len(a.block.bytes), blockSize)
		copy(grown, a.block.bytes)
		a.block.bytes = grown
		return nil
	}
	if a.work == nil {
		a.work = make(chan *block, blockCount)
		go a.writeBlocks(a.work)
	}
	a.work <- a.block
	a.blocks++
	a.block = nil
	if a.blocks < blockCount && a.memory.Spare(blockMemory(blockSize, width)) {
		a.block = newBlock(blockSize)
	} else {
		a.block = <-a.free
		a.blocks--
	}
	return a.failure()
}

// writeBlocks is the goroutine that writes; it ends when work is closed.
func (a *Appender) writeBlocks(work <-chan *block) {
	for b := range work {
		if b.marker != nil {
			a.commitBehind(b.marker, b.received)
			continue
		}
		if a.failure() == nil {
			if err := a.writeBlock(b); err != nil {
				a.fail(err)
			}
		}
		b.bytes, b.rows, b.ids, b.given, b.unnumbered = b.bytes[:0], 0, idset.New(), idset.New(), nil
		a.free <- b
	}
	close(a.free)
}

func (a *Appender) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

func (a *Appender) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// writeBlock puts one block into the file.
func (a *Appender) writeBlock(b *block) error {
	if err := b.numberRows(a.vectors, a.session); err != nil {
		return err
	}
	err := volume.ErrSealed
	for errors.Is(err, volume.ErrSealed) {
		if a.current == nil {
			a.current = newRowExtent(a.session, a.vectors.dimension(a.session))
			a.extents = append(a.extents, a.current)
		}
		if err = a.current.Write(context.Background(), b.bytes); errors.Is(err, volume.ErrSealed) {
			a.ids.Settle(a.current.ids, a.current.given)
			a.current = nil
		}
	}
	if err != nil {
		return a.session.Fail(err)
	}
	e := a.current
	e.rows += b.rows
	e.ids.Unite(b.ids)
	e.given.Unite(b.given)
	if !a.ids.Begun() {
		charge := a.vectors.env.Memory.Charge()
		a.ids = rows.NewGrowingSets(&charge, 0)
	}
	return a.ids.Follow(e.ids, e.given)
}

// drain ends the goroutine that writes when all that it was given is written.
func (a *Appender) drain() {
	if a.work == nil {
		return
	}
	close(a.work)
	for range a.free {
		a.blocks--
	}
	a.work, a.blocks = nil, 0
	a.free = make(chan *block, blockCount)
	a.behind.Wait()
}

// Commit makes all vectors durable and visible, and returns the epoch and how many
// were not before. Without any it does nothing. What is looked for before anything is
// written ends with ctx: then all stays as it is, to be committed again or rolled back. A
// commit that writes goes on. Every other error rolls back.
func (a *Appender) Commit(ctx context.Context) (epoch uint32, count uint64, err error) {
	if a.session == nil {
		return a.vectors.env.Head.Current().Epoch(), 0, nil
	}
	err = a.Flush()
	over := a.takeSettled()
	for _, s := range over {
		epoch, count = s.epoch, count+s.count
	}
	if err == nil && a.rows > 0 {
		b := &brought{a.vectors, a.session, a.extents, a.rows, a.ids}
		epoch, err = a.vectors.Commit(ctx, a.session, b.change())
		if !slices.Equal(a.extents, b.extents) {
			a.extents, a.ids, a.current = b.extents, b.ids, nil
		}
		if ended(ctx, err) {
			a.settleAgain(over)
			return 0, 0, err
		}
	}
	if err != nil {
		return 0, 0, errors.Join(err, a.Rollback())
	}
	count += a.rows
	return epoch, count, a.leave()
}

// Flush writes what is still in memory.
func (a *Appender) Flush() error {
	if a.session == nil {
		return nil
	}
	a.drain()
	err := a.failure()
	if err == nil && a.block != nil && len(a.block.bytes) > 0 {
		err = a.writeBlock(a.block)
	}
	a.block = nil
	return err
}

// CommitWith makes all vectors part of another change of the same session, which also
// deletes stored ids, and hides ids that a branch shows of its parent's.
func (a *Appender) CommitWith(ctx context.Context, session *log.Session, c log.Change, deleted, hidden []uint64) (uint32, error) {
	if err := a.Flush(); err != nil {
		return 0, err
	}
	c.Added = append(extentsOf(a.extents), c.Added...)
	c.Content = vectorChange{added: a.extents, deleted: deleted, hidden: hidden}
	epoch, err := a.vectors.Commit(ctx, session, c)
	if err == nil {
		a.extents = nil
	}
	return epoch, err
}

// Rollback gives up all vectors since the last commit.
func (a *Appender) Rollback() error {
	if a.session == nil {
		return nil
	}
	a.drain()
	a.session.Drop(extentsOf(a.extents)...)
	return a.leave()
}

// leave ends the part of the appender in the session.
func (a *Appender) leave() error {
	session := a.session
	a.session, a.extents, a.current, a.block, a.rows = nil, nil, nil, nil, 0
	a.ids.Free()
	a.memory.Free()
	a.mu.Lock()
	a.err = nil
	a.mu.Unlock()
	return session.End()
}

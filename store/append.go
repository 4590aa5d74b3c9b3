package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	store   *Store
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

// settled is a commit that was made while its stream went on.
type settled struct {
	epoch    uint32
	count    uint64 // vectors
	received int64  // bytes that the stream had brought when it was asked for
}

// block is a run of encoded rows.
type block struct {
	bytes      []byte
	rows       uint32
	ids        *idset.Set
	given      *idset.Set // of the ids, those that were handed out
	unnumbered []rowRun   // rows that get their ids when the block is written
	marker     bool       // no rows: what came before is to be committed
	received   int64      // with marker: bytes of the stream so far
}

// rowRun is a run of rows in a block.
type rowRun struct{ first, count uint32 }

// NewAppender starts to append. Commit or Rollback must be the last that is asked
// of it.
func (s *Store) NewAppender() *Appender {
	return &Appender{store: s, free: make(chan *block, blockCount), memory: s.options.Memory.Charge()}
}

// Afford waits, for some seconds or until ctx ends, for the memory without which
// nothing can be appended. Append takes it unasked.
func (a *Appender) Afford(ctx context.Context) error {
	if a.memory.Held() > 0 {
		return nil
	}
	dimension := a.Dimension()
	if dimension == 0 {
		dimension = vecio.MaxDimension
	}
	return a.memory.Await(ctx, blockMemory(firstBlockBytes(4*dimension), 4*dimension))
}

// Relent gives back what Afford has waited for if nothing was appended.
func (a *Appender) Relent() {
	if a.block == nil && a.work == nil {
		a.memory.Free()
	}
}

// firstBlockBytes is the size of the first block, for vectors of width bytes.
func firstBlockBytes(width int) int { return max(firstBlockSize, width+8) }

// blockMemory is what a block takes in memory at most, with its ids.
func blockMemory(bytes, width int) int64 { return int64(bytes + bytes/(width+8)*8) }

// Dimension is the number of components that the vectors must have, 0 as long as
// any will do.
func (a *Appender) Dimension() int {
	if a.session == nil {
		return a.store.Current().Dimension()
	}
	return a.store.vectors.dimension(a.session)
}

// Join takes the writer lock, if this process does not hold it yet, and waits for
// it for a while. Append does so by itself.
func (a *Appender) Join(ctx context.Context) error {
	if a.session != nil {
		return nil
	}
	session, err := a.store.log.Begin(state.OnlyIn(ctx, a.origin))
	a.session = session
	return err
}

// SetDimension fixes the dimension of a store that has none yet.
func (a *Appender) SetDimension(ctx context.Context, dimension int) error {
	if dimension < 1 || dimension > 65535 {
		return fmt.Errorf("%w: dimension %d is not within 1 to 65535", volume.ErrInput, dimension)
	}
	if err := a.Join(ctx); err != nil {
		return err
	}
	return a.store.vectors.fixDimension(a.session, dimension)
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
	v := a.store.vectors
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

// appendRows encodes vectors as a VEC payload holds them.
func appendRows(encoded []byte, ids []uint64, rows []byte, width int) []byte {
	for i, id := range ids {
		encoded = binary.LittleEndian.AppendUint64(encoded, id)
		encoded = append(encoded, rows[i*width:(i+1)*width]...)
	}
	return encoded
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

// number gives the rows that brought no ids the next free ones.
func (b *block) number(v *vectors, s *log.Session) error {
	size := len(b.bytes) / max(1, int(b.rows))
	for _, run := range b.unnumbered {
		first, err := v.takeIDs(s, int(run.count))
		if err != nil {
			return err
		}
		for i := range run.count {
			binary.LittleEndian.PutUint64(b.bytes[int(run.first+i)*size:], first+uint64(i))
		}
		b.ids.AddRun(first, uint64(run.count))
		b.given.AddRun(first, uint64(run.count))
	}
	b.unnumbered = b.unnumbered[:0]
	return nil
}

func newBlock(bytes int) *block {
	return &block{bytes: make([]byte, 0, bytes), ids: idset.New(), given: idset.New()}
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
		if b.marker {
			a.commitBehind(b.received)
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

// CommitBehind commits what has been handed on so far while the stream goes on, and
// says whether it could: as long as little has come, Commit is as good. An error
// comes with the next call. What has come is so many bytes of the stream.
func (a *Appender) CommitBehind(received int64) bool {
	if a.work == nil {
		return false
	}
	a.work <- &block{marker: true, received: received}
	return true
}

// commitBehind belongs to the goroutine that writes.
func (a *Appender) commitBehind(received int64) {
	extents, ids := a.extents, a.ids
	a.extents, a.current, a.ids = nil, nil, rows.GrowingSets{}
	if len(extents) == 0 {
		return
	}
	var count uint64
	for _, e := range extents {
		count += uint64(e.rows)
	}
	a.behind.Wait()
	session := a.session
	session.Join()
	a.behind.Go(func() {
		defer ids.Free()
		epoch, err := a.store.commit(context.Background(), session, ingestion(extents, count))
		if err != nil {
			session.Drop(extentsOf(extents)...)
		}
		if err = errors.Join(err, session.End()); err != nil {
			a.fail(err)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.settled = append(a.settled, settled{epoch, count, received})
	})
}

// takeSettled gives the commits behind that are over since it was last asked.
func (a *Appender) takeSettled() []settled {
	a.mu.Lock()
	defer a.mu.Unlock()
	over := a.settled
	a.settled = nil
	for _, s := range over {
		a.rows -= s.count
	}
	return over
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
	if err := b.number(a.store.vectors, a.session); err != nil {
		return err
	}
	err := volume.ErrSealed
	for errors.Is(err, volume.ErrSealed) {
		if a.current == nil {
			a.current = newRowExtent(a.session, a.store.vectors.dimension(a.session))
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
		charge := a.store.options.Memory.Charge()
		a.ids = rows.NewGrowingSets(&charge, 0)
	}
	return a.ids.Follow(e.ids, e.given)
}

// drain ends the goroutine when all that it was given is written.
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
// were not before. Without any it does nothing. It goes on without its caller: what a
// writer has brought whole stays when he is killed.
func (a *Appender) Commit() (epoch uint32, count uint64, err error) {
	if a.session == nil {
		return a.store.Current().Epoch(), 0, nil
	}
	err = a.finish()
	for _, s := range a.takeSettled() {
		epoch, count = s.epoch, count+s.count
	}
	if err == nil && a.rows > 0 {
		epoch, err = a.store.commit(context.Background(), a.session, ingestion(a.extents, a.rows))
	}
	if err != nil {
		return 0, 0, errors.Join(err, a.Rollback())
	}
	count += a.rows
	return epoch, count, a.leave()
}

// ingestion is the change that brings vectors.
func ingestion(written []*rowExtent, count uint64) log.Change {
	return log.Change{
		Added: extentsOf(written), Content: vectorChange{added: written}, Actions: []log.Action{log.Ingest(count)},
	}
}

// finish writes what is still in memory, for somebody else to commit the extents.
func (a *Appender) finish() error {
	if a.session == nil {
		return nil
	}
	a.drain()
	err := a.failure()
	if err == nil && a.block != nil && len(a.block.bytes) > 0 {
		err = a.writeBlock(a.block)
	}
	return err
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

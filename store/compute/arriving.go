package compute

import (
	"context"
	"hash"
	"io"
	"sync"

	"rvffs/lineage"
	"rvffs/store/memory"
	"rvffs/store/spool"
	"rvffs/store/volume"
)

// arriving is an image that comes into a spool. Its hash is made beside, as far as its
// bytes come in order: it takes longer than all else, and so is known soon after the last
// of them.
//
// Its methods are for who has the stream to himself.
type arriving struct {
	*spool.Spool
	sum *growingHash
}

func (s *Images) newArriving() *arriving {
	return &arriving{s.newSpool(), newGrowingHash(s.env.Memory)}
}

// WriteAt writes all of p to a place.
func (a *arriving) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	a.sum.changes(offset)
	n, err := a.Spool.WriteAt(ctx, p, offset)
	if file := a.File(); err == nil && file != nil {
		a.sum.grow(file, a.Size())
	}
	return n, err
}

// Truncate sets the length. What is new from its first byte on has another hash.
func (a *arriving) Truncate(ctx context.Context, size int64) error {
	a.sum.changes(size)
	err := a.Spool.Truncate(ctx, size)
	if err == nil && size == 0 {
		a.sum.await()
		a.sum = newGrowingHash(a.sum.budget)
	}
	return err
}

// Close lets the bytes go.
func (a *arriving) Close() error {
	a.sum.changes(-1)
	a.sum.await()
	return a.Spool.Close()
}

// hashed reports whether hash has to read only what came last.
func (a *arriving) hashed() bool { return a.sum.good() }

// hash is that of all bytes.
func (a *arriving) hash(ctx context.Context) (lineage.Hash, error) {
	a.sum.await()
	if !a.sum.good() {
		hasher := lineage.NewShake256()
		err := volume.CopyRange(volume.WatchWriter(ctx, hasher), a.Spool, 0, a.Size())
		return lineage.Hash(hasher.Sum(nil)), err
	}
	return a.sum.finish(ctx, a.Size())
}

// growingHash is the hash of a file that grows. While there is enough to be hashed, a
// goroutine of its own does that.
type growingHash struct {
	budget *memory.Budget
	hasher hash.Hash // of the goroutine while it runs

	mu      sync.Mutex    // guards what follows
	file    io.ReaderAt   // where bytes are there
	come    int64         // bytes that are there
	begun   int64         // bytes that are hashed, or are being hashed
	spoiled bool          // bytes have changed that were hashed, or cannot be read
	running chan struct{} // closed when the goroutine ends; nil: there is none
}

func newGrowingHash(budget *memory.Budget) *growingHash {
	return &growingHash{budget: budget, hasher: lineage.NewShake256()}
}

// hashPiece is how many bytes are hashed at a time.
const hashPiece = 256 << 10

// changes tells that bytes from an offset on are going to change.
func (g *growingHash) changes(offset int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spoiled = g.spoiled || offset < g.begun
}

// grow tells how many bytes have come into the file.
func (g *growingHash) grow(file io.ReaderAt, come int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.file, g.come = file, come
	if g.running == nil && !g.spoiled && come-g.begun >= hashPiece {
		g.running = make(chan struct{})
		go g.run(file)
	}
}

// run hashes all whole pieces that are there.
func (g *growingHash) run(file io.ReaderAt) {
	charge := g.budget.Charge()
	defer charge.Free()
	err := charge.Set(hashPiece)
	var piece []byte
	if err == nil {
		piece = make([]byte, hashPiece)
	}
	for offset, more := g.next(err); more; offset, more = g.next(err) {
		if err = volume.ReadFull(file, piece, offset); err == nil {
			_, _ = g.hasher.Write(piece)
		}
	}
}

// next gives the place of the next piece. Without one, or after an error, the goroutine has
// to end.
func (g *growingHash) next(err error) (offset int64, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spoiled = g.spoiled || err != nil
	if g.spoiled || g.come-g.begun < hashPiece {
		close(g.running)
		g.running = nil
		return 0, false
	}
	offset = g.begun
	g.begun += hashPiece
	return offset, true
}

// await waits until the goroutine has ended.
func (g *growingHash) await() {
	g.mu.Lock()
	running := g.running
	g.mu.Unlock()
	if running != nil {
		<-running
	}
}

// good reports whether what was hashed is the beginning of the file as it is.
func (g *growingHash) good() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begun > 0 && !g.spoiled
}

// finish hashes what is left of so many bytes, when the goroutine has ended.
func (g *growingHash) finish(ctx context.Context, size int64) (lineage.Hash, error) {
	g.mu.Lock()
	file, from := g.file, g.begun
	g.begun = size
	g.mu.Unlock()
	err := volume.CopyRange(volume.WatchWriter(ctx, g.hasher), file, from, size-from)
	if err != nil {
		g.changes(-1)
	}
	return lineage.Hash(g.hasher.Sum(nil)), err
}

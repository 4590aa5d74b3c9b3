package compact

import (
	"hash/crc32"
	"sync"

	"rvffs/store/volume"
)

const (
	blockSize  = 4 << 20 // bytes that are written at a time
	blockCount = 3       // in use or waiting to be
)

// blockWriter writes the blocks of segments in order while the next are made. It
// belongs to one goroutine, and must be closed.
type blockWriter struct {
	file    volume.Scratch
	work    chan segmentBlock
	free    chan []byte
	pending sync.WaitGroup // blocks handed over and not written

	mu  sync.Mutex
	err error
}

// segmentBlock is a run of a segment's body with its place in the file.
type segmentBlock struct {
	of     *copiedSegment
	offset int64
	bytes  []byte
}

func newBlockWriter(file volume.Scratch) *blockWriter {
	w := &blockWriter{file: file, work: make(chan segmentBlock, 1), free: make(chan []byte, blockCount)}
	for range blockCount - 1 {
		w.free <- nil
	}
	go w.run()
	return w
}

// run writes until close.
func (w *blockWriter) run() {
	for b := range w.work {
		if w.failure() == nil {
			if _, err := w.file.WriteAt(b.bytes, b.offset); err != nil {
				w.mu.Lock()
				w.err = volume.WriteError(err, len(b.bytes), b.offset)
				w.mu.Unlock()
			}
			w.file.StartWriteback(b.offset, int64(len(b.bytes)))
			b.of.checksum = crc32.Update(b.of.checksum, crc32.IEEETable, b.bytes)
		}
		w.pending.Done()
		w.free <- b.bytes[:0]
	}
}

// put hands a block over and returns an empty one in exchange.
func (w *blockWriter) put(b segmentBlock) ([]byte, error) {
	w.pending.Add(1)
	w.work <- b
	return <-w.free, w.failure()
}

// wait returns when everything is written.
func (w *blockWriter) wait() error {
	w.pending.Wait()
	return w.failure()
}

func (w *blockWriter) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *blockWriter) close() {
	close(w.work)
	w.pending.Wait()
}

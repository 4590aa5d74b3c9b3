package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	vectors "rvffs/store/rows"

	"rvffs/store"
	"rvffs/store/search"
)

// nearestTimes are what the child for searches reports, in seconds.
type nearestTimes struct {
	First  float64 `json:"first"`  // search after the store was opened
	Search float64 `json:"search"` // every later one
	Batch  float64 `json:"batch"`  // of nearestBatch queries
	Many   float64 `json:"many"`   // of nearestMany queries
	Read   float64 `json:"read"`   // a pass over the file that only reads
	Memory float64 `json:"memory"` // a pass over the same bytes in memory
}

// faissTimes are what faiss needs, in seconds.
type faissTimes struct {
	Search float64 `json:"search"`
	Many   float64 `json:"together"` // of nearestMany queries
}

// How many queries share a pass.
const (
	nearestBatch = 10
	nearestMany  = 100
)

// nearestRow searches for the ten nearest of 200,000 vectors, beside plain passes
// over the same bytes.
func (b *bench) nearestRow() error {
	count := b.scaled(200_000)
	source, path, err := b.largeStore("nearest", count)
	if err != nil {
		return err
	}
	stores := filepath.Dir(path)
	defer os.RemoveAll(stores)
	size, err := sizeOf(path)
	if err != nil {
		return err
	}
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	faiss := b.hasFaiss()
	var search, first, batch, throughMount, read, memory, reference, one, many, faissOne, faissMany sample
	err = b.rounds(func(int) error {
		if err := warm(path); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		var took nearestTimes
		if err := b.askJSON(&took, self, "-child", "nearest", path); err != nil {
			return err
		}
		first, search = append(first, size/took.First), append(search, size/took.Search)
		batch = append(batch, nearestBatch/took.Batch)
		one, many = append(one, 1/took.Search), append(many, nearestMany/took.Many)
		read, memory = append(read, size/took.Read), append(memory, size/took.Memory)
		if faiss {
			var took faissTimes
			if err := b.askJSON(&took, numpy, faissScript, source, fmt.Sprint(count), fmt.Sprint(dimension), fmt.Sprint(nearestMany)); err != nil {
				return err
			}
			faissOne, faissMany = append(faissOne, 1/took.Search), append(faissMany, nearestMany/took.Many)
		}
		seconds, err := askMount(filepath.Join(m.point, "large.rvf", "query"), dimension, 2)
		if err != nil {
			return err
		}
		throughMount = append(throughMount, size/seconds)
		if b.reference != "" {
			a, err := b.askReference("query", path)
			if err != nil {
				return err
			}
			reference = append(reference, 1/a.Seconds)
		}
		return nil
	})
	if err != nil {
		return err
	}
	const plain, touch = "all cores reading the file, as much at a time", "all cores touching each cache line of the same bytes in memory"
	b.add(line{what: fmt.Sprintf("exact 10-nn of one query over %d × %d, warm (engine)", count, dimension), peer: plain, unit: throughput, ours: search, theirs: read, moreIsBetter: true, target: 0.7})
	b.add(line{what: "the same", peer: touch, unit: throughput, ours: search, theirs: memory, moreIsBetter: true, target: 0.7,
		bounds: []bound{{atLeast: true, of: read, what: "reading the file, which touches them too"}}})
	b.add(line{what: "the first search after opening the store", peer: plain, unit: throughput, ours: first, theirs: read, moreIsBetter: true})
	b.add(line{what: "one query through the file query of a mount", peer: plain, unit: throughput, ours: throughMount, theirs: read, moreIsBetter: true})
	const flat = "faiss IndexFlatL2, the vectors in its memory"
	b.add(line{what: "queries, one at a time (engine)", peer: flat, unit: perSecond, ours: one, theirs: faissOne, moreIsBetter: true})
	b.add(line{what: fmt.Sprintf("queries, %d of them in a pass (engine)", nearestMany), peer: flat, unit: perSecond, ours: many, theirs: faissMany, moreIsBetter: true})
	b.add(line{what: fmt.Sprintf("queries, %d of them in a pass (engine)", nearestBatch), peer: "reference runtime, exact query", unit: perSecond, ours: batch, theirs: reference, moreIsBetter: true})
	return nil
}

// faissScript asks faiss.
const faissScript = "test/bench/indexflat.py"

// hasFaiss reports whether Debian's Python can ask faiss.
func (b *bench) hasFaiss() bool {
	if exec.Command(numpy, "-c", "import faiss").Run() != nil {
		b.missing = append(b.missing, "faiss is not installed (`make bench` does it)")
		return false
	}
	return true
}

// randomQuery is JSON for a random vector.
func randomQuery(dimension int) (search.Query, []byte, error) {
	query := search.Query{Vector: make([]float32, dimension), K: 10}
	for i := range query.Vector {
		query.Vector[i] = 2*rand.Float32() - 1
	}
	text, err := json.Marshal(map[string]any{"vector": query.Vector, "k": query.K})
	return query, text, err
}

// askMount times a question and its answer, after one that nobody times.
func askMount(path string, dimension, times int) (float64, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var took float64
	for range times {
		_, text, err := randomQuery(dimension)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		if _, err := file.Write(text); err != nil {
			return 0, err
		}
		answer, err := io.ReadAll(file)
		if err != nil {
			return 0, err
		}
		if len(answer) == 0 {
			return 0, errors.New("the mount found no neighbors")
		}
		took = time.Since(start).Seconds()
	}
	return took, nil
}

// searchAndRead times searches in a store, and passes over its bytes.
func searchAndRead(path string) (times nearestTimes, err error) {
	opened, err := openStore(path, store.OpenReadOnly)
	if err != nil {
		return times, err
	}
	defer opened.Close()
	timed := func(count int) (float64, error) {
		queries := make([]search.Query, count)
		for i := range queries {
			if queries[i], _, err = randomQuery(dimension); err != nil {
				return 0, err
			}
		}
		start := time.Now()
		answers, err := search.Nearest(context.Background(), vectors.Of(opened.Current()), queries)
		if err == nil && len(answers[count-1]) == 0 {
			err = errors.New("the engine found no neighbors")
		}
		return time.Since(start).Seconds(), err
	}
	if times.First, err = timed(1); err != nil {
		return times, err
	}
	if times.Search, err = timed(1); err != nil {
		return times, err
	}
	if times.Batch, err = timed(nearestBatch); err != nil {
		return times, err
	}
	if times.Many, err = timed(nearestMany); err != nil {
		return times, err
	}
	file, err := os.Open(path)
	if err != nil {
		return times, err
	}
	defer file.Close()
	size := opened.Current().Size()
	times.Read, err = onAllCores(size, func(buffer []byte, at int64) error {
		_, err := file.ReadAt(buffer, at)
		return err
	})
	if err != nil {
		return times, err
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return times, err
	}
	var total atomic.Uint64
	// The first pass is for the page tables, of which the cores that come first fill in
	// what is missing; nobody times it.
	for range 2 {
		times.Memory, err = onAllCores(size, func(buffer []byte, at int64) error {
			total.Add(touchLines(bytes[at : at+int64(len(buffer))]))
			return nil
		})
		if err != nil {
			return times, err
		}
	}
	runtime.KeepAlive(bytes)
	return times, nil
}

// onAllCores gives parts of size bytes to as many workers as there are cores, each
// with a buffer of its own, and tells how long they took, in seconds.
func onAllCores(size int64, part func(buffer []byte, at int64) error) (float64, error) {
	const partSize = 256 << 10
	var next atomic.Int64
	var workers sync.WaitGroup
	problems := make([]error, runtime.GOMAXPROCS(0))
	start := time.Now()
	for i := range problems {
		workers.Go(func() {
			buffer := make([]byte, partSize)
			for problems[i] == nil {
				at := next.Add(partSize) - partSize
				if at >= size {
					return
				}
				problems[i] = part(buffer[:min(partSize, size-at)], at)
			}
		})
	}
	workers.Wait()
	return time.Since(start).Seconds(), errors.Join(problems...)
}

// touchLines adds up a word of each cache line, eight lines at a time: memory, not
// arithmetic, decides how long that takes.
func touchLines(b []byte) uint64 {
	var sums [8]uint64
	for ; len(b) >= 512; b = b[512:] {
		part := b[:512]
		sums[0] += binary.LittleEndian.Uint64(part)
		sums[1] += binary.LittleEndian.Uint64(part[64:])
		sums[2] += binary.LittleEndian.Uint64(part[128:])
		sums[3] += binary.LittleEndian.Uint64(part[192:])
		sums[4] += binary.LittleEndian.Uint64(part[256:])
		sums[5] += binary.LittleEndian.Uint64(part[320:])
		sums[6] += binary.LittleEndian.Uint64(part[384:])
		sums[7] += binary.LittleEndian.Uint64(part[448:])
	}
	return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7]
}

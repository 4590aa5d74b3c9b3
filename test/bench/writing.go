package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/volume/directory"
)

// create makes an empty store of vectors of a dimension.
func create(path string, dimension int) error {
	shelf, err := directory.OpenShelf(filepath.Dir(path))
	if err != nil {
		return err
	}
	create := store.CreateOptions{Dimension: dimension, Metric: segments.L2}
	return errors.Join(store.Make(context.Background(), filepath.Base(path), create, store.Options{Shelf: shelf}), shelf.Close())
}

// openedStore is a store in a folder that is open with it.
type openedStore struct {
	*store.Store
	shelf io.Closer
}

// Close closes both.
func (o openedStore) Close() error { return errors.Join(o.Store.Close(), o.shelf.Close()) }

// openStore opens the store in a file by one of the ways to do so.
func openStore(path string, open func(context.Context, string, store.Options) (*store.Store, error)) (openedStore, error) {
	shelf, err := directory.OpenShelf(filepath.Dir(path))
	if err != nil {
		return openedStore{}, err
	}
	opened, err := open(context.Background(), filepath.Base(path), store.Options{Shelf: shelf})
	if err != nil {
		return openedStore{}, errors.Join(err, shelf.Close())
	}
	return openedStore{opened, shelf}, nil
}

// ddInto copies a file with dd.
func (b *bench) ddInto(source, target string, conversion string) (float64, error) {
	return b.time("dd", "if="+source, "of="+target, "bs=1M", "conv="+conversion, "status=none")
}

// appendRow pours 1 GiB of raw vectors into a store.
func (b *bench) appendRow() error {
	count := b.gibibyte()
	source, err := b.sourceFile(count)
	if err != nil {
		return err
	}
	bytes := float64(count) * rowSize
	stores, err := b.folder("append")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	var ours, disk, oursRate, referenceRate sample
	err = b.rounds(func(round int) error {
		name := fmt.Sprintf("round%d.rvf", round)
		if err := create(filepath.Join(stores, name), dimension); err != nil {
			return err
		}
		took, err := b.ddInto(source, filepath.Join(m.point, name, "vectors.append"), "notrunc")
		if err != nil {
			return err
		}
		ours, oursRate = append(ours, bytes/took), append(oursRate, float64(count)/took)
		if err := errors.Join(stored(filepath.Join(stores, name), count), os.Remove(filepath.Join(stores, name))); err != nil {
			return err
		}
		unix.Sync()

		target := b.path("plain")
		if took, err = b.ddInto(source, target, "fdatasync"); err != nil {
			return err
		}
		disk = append(disk, bytes/took)
		if err := os.Remove(target); err != nil || b.reference == "" {
			return err
		}
		unix.Sync()

		target = b.path("reference.rvf")
		a, err := b.askReference("ingest", target, source, strconv.Itoa(dimension), "1000")
		if err != nil {
			return err
		}
		if int(a.Vectors) != count {
			return fmt.Errorf("the reference runtime took %.0f of %d vectors", a.Vectors, count)
		}
		referenceRate = append(referenceRate, a.Vectors/a.Seconds)
		return os.Remove(target)
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("`dd bs=1M` of %.2f GiB of raw f32 (%d-d) into vectors.append, durable at close", bytes/(1<<30), dimension)
	b.add(line{what: what, peer: "`dd bs=1M conv=fdatasync` to the same disk", unit: throughput, ours: ours, theirs: disk, moreIsBetter: true, target: 0.8})
	b.add(line{what: "the same, vectors", peer: "reference runtime, ingestBatch of 1,000", unit: perSecond, ours: oursRate, theirs: referenceRate, moreIsBetter: true, target: 3})
	return nil
}

// stored checks how many vectors a store holds: a fast append of nothing is no
// figure.
func stored(path string, want int) error {
	opened, err := openStore(path, store.OpenReadOnly)
	if err != nil {
		return err
	}
	status, err := opened.Status(context.Background())
	if err == nil && status.LiveVectors != uint64(want) {
		err = fmt.Errorf("%s holds %d vectors, want %d", path, status.LiveVectors, want)
	}
	return errors.Join(err, opened.Close())
}

// smallRow commits vectors one by one: through the mount, through the engine, and
// in the reference runtime.
func (b *bench) smallRow() error {
	count := 1000
	if b.options.full {
		count = 10000
	}
	count = b.scaled(count)
	vector := make([]float32, dimension)
	row := make([]byte, 0, rowSize)
	for i := range vector {
		vector[i] = float32(i) / dimension
		row = binary.LittleEndian.AppendUint32(row, math.Float32bits(vector[i]))
	}
	stores, err := b.folder("small")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	raw := float64(count) * rowSize
	var mountRate, engineRate, referenceRate, mountSize, engineSize, referenceSize sample
	finish := func(path string, start time.Time, rate, size *sample) error {
		*rate = append(*rate, float64(count)/time.Since(start).Seconds())
		bytes, err := sizeOf(path)
		*size = append(*size, bytes/raw)
		return errors.Join(err, stored(path, count), os.Remove(path))
	}
	err = b.rounds(func(round int) error {
		path := filepath.Join(stores, fmt.Sprintf("mount%d.rvf", round))
		if err := create(path, dimension); err != nil {
			return err
		}
		stream := filepath.Join(m.point, filepath.Base(path), "vectors.append")
		start := time.Now()
		for range count {
			if err := writeOnce(stream, row); err != nil {
				return err
			}
		}
		if err := finish(path, start, &mountRate, &mountSize); err != nil {
			return err
		}

		if b.reference != "" {
			path = b.path("reference.rvf")
			a, err := b.askReference("single", path, strconv.Itoa(count), strconv.Itoa(dimension))
			if err != nil {
				return err
			}
			referenceRate, referenceSize = append(referenceRate, a.Vectors/a.Seconds), append(referenceSize, a.Size/raw)
			if err := os.Remove(path); err != nil {
				return err
			}
		}

		path = b.path("engine.rvf")
		if err := create(path, dimension); err != nil {
			return err
		}
		opened, err := openStore(path, store.Open)
		if err != nil {
			return err
		}
		start = time.Now()
		for id := range uint64(count) {
			if _, err := opened.Ingest(b.limit, []uint64{id}, vector); err != nil {
				return errors.Join(err, opened.Close())
			}
		}
		if err := opened.Close(); err != nil {
			return err
		}
		return finish(path, start, &engineRate, &engineSize)
	})
	if err != nil {
		return err
	}
	const peer = "reference runtime, ingestBatch of 1"
	b.add(line{what: fmt.Sprintf("%d commits of one vector: open, write, close in the mount", count), peer: peer, unit: perSecond, ours: mountRate, theirs: referenceRate, moreIsBetter: true, target: 2})
	b.add(line{what: "the same through the Go engine", peer: peer, unit: perSecond, ours: engineRate, theirs: referenceRate, moreIsBetter: true, target: 2})
	b.add(line{what: "file size after these commits, relative to the raw data (mount)", peer: peer, unit: times, ours: mountSize, theirs: referenceSize, target: 3, absolute: true})
	b.add(line{what: "file size after these commits, relative to the raw data (engine)", peer: peer, unit: times, ours: engineSize, theirs: referenceSize, target: 3, absolute: true})
	return nil
}

// writeOnce opens, writes and closes.
func writeOnce(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// build makes a store of the first count vectors of a file of raw rows, with ids
// from 0.
func (b *bench) build(path, source string, count int) error {
	if err := create(path, dimension); err != nil {
		return err
	}
	opened, err := openStore(path, store.Open)
	if err != nil {
		return err
	}
	file, err := os.Open(source)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	defer file.Close()
	appender := opened.NewAppender()
	rows := make([]byte, 1000*rowSize)
	for first := 0; first < count && err == nil; first += 1000 {
		part := rows[:min(1000, count-first)*rowSize]
		if _, err = file.ReadAt(part, int64(first)*rowSize); err == nil {
			err = appender.Append(b.limit, nil, part)
		}
	}
	if err == nil {
		_, _, err = appender.Commit(context.Background())
	}
	return errors.Join(err, appender.Rollback(), opened.Close())
}

// compactRow rewrites a store of 1 GiB of which every second vector is deleted.
func (b *bench) compactRow() error {
	count := b.gibibyte()
	source, err := b.sourceFile(count)
	if err != nil {
		return err
	}
	model := b.path("half-dead.rvf")
	if err := b.build(model, source, count); err != nil {
		return err
	}
	defer os.Remove(model)
	opened, err := openStore(model, store.Open)
	if err != nil {
		return err
	}
	var gone []uint64
	for id := uint64(0); id < uint64(count); id += 2 {
		gone = append(gone, id)
	}
	_, err = opened.Delete(b.limit, gone)
	if err := errors.Join(err, opened.Close()); err != nil {
		return err
	}
	half := b.path("live-half")
	defer os.Remove(half)
	var ours, disk, memory sample
	err = b.rounds(func(round int) error {
		path := b.path("compact.rvf")
		if _, err := b.time("cp", model, path); err != nil {
			return err
		}
		unix.Sync()
		a, err := b.askChild("compact", path)
		if err != nil {
			return err
		}
		ours, memory = append(ours, a.Size/a.Seconds), append(memory, a.Memory)
		if err := stored(path, count-len(gone)); err != nil {
			return err
		}
		if round == 0 {
			// The live half is what compaction leaves.
			if err := os.Rename(path, half); err != nil {
				return err
			}
		} else if err := os.Remove(path); err != nil {
			return err
		}
		unix.Sync()

		copied := b.path("copy")
		start := time.Now()
		if _, err := b.time("cp", "--reflink=never", half, copied); err != nil {
			return err
		}
		file, err := os.OpenFile(copied, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = unix.Fdatasync(int(file.Fd()))
		disk = append(disk, a.Size/time.Since(start).Seconds())
		return errors.Join(err, file.Close(), os.Remove(copied))
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("compaction of %.2f GiB, half dead (live bytes by time)", float64(count)*rowSize/(1<<30))
	b.add(line{what: what, peer: "`cp` of the live half and fdatasync", unit: throughput, ours: ours, theirs: disk, moreIsBetter: true, target: 0.5})
	b.add(line{what: "peak memory of it, above the open store", peer: "–", unit: mebibytes, ours: memory, target: 64 << 20, absolute: true})
	return nil
}

// memoryRow tells how much memory a mount takes while 1 GiB streams in, by one
// stream and by four at once.
func (b *bench) memoryRow() error {
	count := b.gibibyte()
	source, err := b.sourceFile(count)
	if err != nil {
		return err
	}
	stores, err := b.folder("memory")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	measure := func(streams int) (float64, error) {
		m, err := b.mount(b.program, stores)
		if err != nil {
			return 0, err
		}
		defer m.stop()
		var running []func() error
		for i := range streams {
			name := fmt.Sprintf("stream%d.rvf", i)
			if err := create(filepath.Join(stores, name), dimension); err != nil {
				return 0, err
			}
			blocks := count * rowSize / streams / rowSize
			command := b.command("dd", "if="+source, "of="+filepath.Join(m.point, name, "vectors.append"),
				fmt.Sprintf("bs=%d", rowSize*682), fmt.Sprintf("count=%d", max(1, blocks/682)), "conv=notrunc", "status=none")
			defer os.Remove(filepath.Join(stores, name))
			running = append(running, command.Run)
		}
		before := m.memory("VmRSS")
		results := make(chan error, streams)
		for _, run := range running {
			go func() { results <- run() }()
		}
		var problems []error
		for range streams {
			problems = append(problems, <-results)
		}
		return m.memory("VmHWM") - before, errors.Join(problems...)
	}
	var one, four sample
	err = b.rounds(func(int) error {
		for _, streams := range []int{1, 4} {
			grown, err := measure(streams)
			if err != nil {
				return err
			}
			if streams == 1 {
				one = append(one, grown)
			} else {
				four = append(four, grown)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add(line{what: "memory of the mount while one stream brings it 1 GiB, above its start", peer: "–", unit: mebibytes, ours: one, target: 32 << 20, absolute: true})
	b.add(line{what: "the same with four streams into four stores, 256 MiB each", peer: "–", unit: mebibytes, ours: four, target: 4 * 32 << 20, absolute: true})
	return nil
}

// files lists a folder's names in order.
func files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	return names, err
}

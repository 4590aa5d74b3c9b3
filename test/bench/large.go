package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// largeDimension is that of the vectors of large stores.
const largeDimension = 128

// largeRow appends eight million vectors, asks after deletes of one vector, and commits
// after a tenth was deleted.
func (b *bench) largeRow() error {
	count := b.scaled(8_000_000)
	block := randomRows(largeDimension, 100_000)
	stores, err := b.folder("large")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	if err := b.queriesAfterDeletes(stores, block, count/8); err != nil {
		return err
	}
	name := filepath.Join(stores, "many.rvf")
	if err := b.appendMany(name, block, count); err != nil {
		return err
	}
	return b.commitsAfterBulk(name, block[:4*largeDimension], count)
}

// appendMany pours vectors into new stores, and into plain files; the last store stays.
// Each turn has its own mount, for one that goes on keeps removed files for a while.
func (b *bench) appendMany(backing string, block []byte, count int) error {
	bytes := float64(count) * 4 * largeDimension
	var ours, disk sample
	err := b.rounds(func(int) error {
		plain := b.path("plain")
		took, err := pour(plain, block, count, true)
		if err := errors.Join(err, os.Remove(plain)); err != nil {
			return err
		}
		disk = append(disk, bytes/took)
		if err := os.Remove(backing); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		unix.Sync()
		if err := create(backing, largeDimension); err != nil {
			return err
		}
		m, err := b.mount(b.program, filepath.Dir(backing))
		if err != nil {
			return err
		}
		defer m.stop()
		if took, err = pour(filepath.Join(m.point, filepath.Base(backing), "vectors.append"), block, count, false); err != nil {
			return err
		}
		ours = append(ours, bytes/took)
		return stored(backing, count)
	})
	b.add(line{what: fmt.Sprintf("append of %d × %d in one stream, durable at close", count, largeDimension), peer: "the same bytes into a plain file, fdatasync", unit: throughput,
		ours: ours, theirs: disk, moreIsBetter: true, target: 0.8})
	return err
}

// pour writes count vectors from a block, again and again, into a file, and tells how long
// that took in seconds.
func pour(path string, block []byte, count int, syncs bool) (float64, error) {
	start := time.Now()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return 0, err
	}
	const most = 1 << 20
	for left := count * 4 * largeDimension; left > 0 && err == nil; {
		for at := 0; at < len(block) && left > 0 && err == nil; {
			n := min(most, len(block)-at, left)
			_, err = file.Write(block[at : at+n])
			at, left = at+n, left-n
		}
	}
	if syncs && err == nil {
		err = unix.Fdatasync(int(file.Fd()))
	}
	return time.Since(start).Seconds(), errors.Join(err, file.Close())
}

// queriesAfterDeletes lets a store grow to once, twice and four times as many vectors, and
// asks each before and after a delete of one of them.
func (b *bench) queriesAfterDeletes(stores string, block []byte, million int) error {
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	store := filepath.Join(m.point, "grows.rvf")
	backing := filepath.Join(stores, "grows.rvf")
	defer os.Remove(backing)
	if err := create(backing, largeDimension); err != nil {
		return err
	}
	next := 0
	for _, size := range []int{million, 2 * million, 4 * million} {
		have := size / 2
		if size == million {
			have = 0
		}
		if _, err := pour(filepath.Join(store, "vectors.append"), block, size-have, false); err != nil {
			return err
		}
		if err := warm(backing); err != nil {
			return err
		}
		if _, err := askMount(filepath.Join(store, "query"), largeDimension, 2); err != nil {
			return err
		}
		var before, after sample
		err := b.rounds(func(int) error {
			took, err := askMount(filepath.Join(store, "query"), largeDimension, 1)
			if err != nil {
				return err
			}
			before = append(before, took)
			next += 997
			if err := writeOnce(filepath.Join(store, "vectors.delete"), fmt.Appendln(nil, next)); err != nil {
				return err
			}
			if took, err = askMount(filepath.Join(store, "query"), largeDimension, 1); err != nil {
				return err
			}
			after = append(after, took)
			return nil
		})
		if err != nil {
			return err
		}
		b.add(line{what: fmt.Sprintf("a query right after the delete of one of %d × %d", size, largeDimension), peer: "the same query before it", unit: millis, ours: after, theirs: before, target: 0.7})
	}
	return nil
}

// commitsAfterBulk deletes a tenth of a store and commits vectors one by one: at once, and
// when the store has become small again by itself.
func (b *bench) commitsAfterBulk(backing string, row []byte, count int) error {
	m, err := b.mount(b.program, filepath.Dir(backing))
	if err != nil {
		return err
	}
	defer m.stop()
	store := filepath.Join(m.point, filepath.Base(backing))
	var gone strings.Builder
	for id := 0; id < count; id += 10 {
		gone.WriteString(strconv.Itoa(id))
		gone.WriteByte('\n')
	}
	if err := writeOnce(filepath.Join(store, "vectors.delete"), []byte(gone.String())); err != nil {
		return err
	}
	deleted := time.Now()
	commits := func(times int) (took, bytes sample, err error) {
		for range times {
			before, err := sizeOf(backing)
			if err != nil {
				return nil, nil, err
			}
			start := time.Now()
			if err := writeOnce(filepath.Join(store, "vectors.append"), row); err != nil {
				return nil, nil, err
			}
			took = append(took, time.Since(start).Seconds())
			after, err := sizeOf(backing)
			if err != nil {
				return nil, nil, err
			}
			if after > before { // or a compaction came between
				bytes = append(bytes, after-before)
			}
		}
		return took, bytes, nil
	}
	took, bytes, err := commits(5)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("commits of one vector right after a tenth of %d × %d was deleted", count, largeDimension)
	b.add(line{what: what, peer: "–", unit: millis, ours: took})
	b.add(line{what: "bytes of each", peer: "–", unit: kibibytes, ours: bytes})
	for time.Since(deleted) < 2*time.Minute {
		var status struct {
			Deleted    int    `json:"deleted_vectors"`
			Compaction string `json:"compaction"`
		}
		text, err := os.ReadFile(filepath.Join(store, "status.json"))
		if err == nil {
			err = json.Unmarshal(text, &status)
		}
		if err != nil {
			return err
		}
		if status.Deleted == 0 && status.Compaction == "idle" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.add(line{what: "until the store has become small again by itself", peer: "–", unit: seconds, ours: sample{time.Since(deleted).Seconds()}, target: 60, absolute: true})
	if took, bytes, err = commits(100); err != nil {
		return err
	}
	b.add(line{what: "commits of one vector then", peer: "–", unit: millis, ours: took, target: 0.005, absolute: true})
	b.add(line{what: "bytes of each", peer: "–", unit: kibibytes, ours: bytes, target: 64 << 10, absolute: true})
	return nil
}

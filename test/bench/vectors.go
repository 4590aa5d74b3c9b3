package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// numpy is Debian's Python, which has it.
const numpy = "/usr/bin/python3"

// sumMapped prints how long it takes to map an array and add up all its elements.
const sumMapped = `import json, sys, time
import numpy
begun = time.perf_counter()
total = float(numpy.load(sys.argv[1], mmap_mode='r').sum(dtype='f8'))
print(json.dumps({'seconds': time.perf_counter() - begun, 'total': total}))`

// sum is what sumMapped prints.
type sum struct {
	Seconds float64 `json:"seconds"`
	Total   float64 `json:"total"`
}

// npyOutRow reads the files of vectors.
func (b *bench) npyOutRow() error {
	count := b.gibibyte()
	source, backing, err := b.largeStore("vectors", count)
	if err != nil {
		return err
	}
	stores := filepath.Dir(backing)
	defer os.RemoveAll(stores)
	small := b.scaled(200_000)
	if err := b.build(filepath.Join(stores, "small.rvf"), source, small); err != nil {
		return err
	}
	var first, text, table sample
	err = b.rounds(func(int) error {
		m, err := b.mount(b.program, stores)
		if err != nil {
			return err
		}
		defer m.stop()
		vectors := filepath.Join(m.point, "small.rvf", "vectors")
		start := time.Now()
		if err := readFirst(filepath.Join(vectors, "vectors.npy")); err != nil {
			return err
		}
		first = append(first, time.Since(start).Seconds())
		for name, kept := range map[string]*sample{"vectors.jsonl": &text, "vectors.csv": &table} {
			size, err := sizeOf(filepath.Join(vectors, name))
			if err != nil {
				return err
			}
			took, err := b.time("cat", filepath.Join(vectors, name))
			if err != nil {
				return err
			}
			*kept = append(*kept, size/took)
		}
		return nil
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d × %d", small, dimension)
	b.add(line{what: "open vectors.npy of " + what + " in a fresh mount and read the first MiB", peer: "–", unit: millis, ours: first})
	b.add(line{what: "`cat` of vectors.jsonl of " + what + ", not cached", peer: "–", unit: throughput, ours: text, moreIsBetter: true})
	b.add(line{what: "`cat` of vectors.csv of " + what + ", not cached", peer: "–", unit: throughput, ours: table, moreIsBetter: true})
	return b.sumRow(stores, backing)
}

// sumRow adds up the elements of vectors.npy and of the same array in a file.
func (b *bench) sumRow(stores, backing string) error {
	if exec.Command(numpy, "-c", "import numpy").Run() != nil {
		b.missing = append(b.missing, "numpy is not installed (`make deps` does it)")
		return nil
	}
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	view, plain := filepath.Join(m.point, "large.rvf", "vectors", "vectors.npy"), b.path("plain.npy")
	defer os.Remove(plain)
	if _, err := b.time("cp", view, plain); err != nil {
		return err
	}
	ours, theirs := map[string]sample{}, map[string]sample{}
	var coldProblem error
	err = b.rounds(func(int) error {
		for _, temperature := range []string{"warm", "cold"} {
			var totals []float64
			for _, side := range []struct {
				path string
				kept map[string]sample
			}{{view, ours}, {plain, theirs}} {
				prepare := warm
				if temperature == "cold" {
					prepare = func(path string) error { return errors.Join(cool(path), cool(backing)) }
				}
				if err := prepare(side.path); err != nil {
					if temperature == "warm" {
						return err
					}
					coldProblem = err
					return nil
				}
				out, err := b.command(numpy, "-c", sumMapped, side.path).Output()
				var s sum
				if err == nil {
					err = json.Unmarshal(out, &s)
				}
				if err != nil {
					return err
				}
				size, err := sizeOf(side.path)
				if err != nil {
					return err
				}
				side.kept[temperature] = append(side.kept[temperature], size/s.Seconds)
				totals = append(totals, s.Total)
			}
			if totals[0] != totals[1] {
				return fmt.Errorf("the sums are %v", totals)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if coldProblem != nil {
		b.missing = append(b.missing, "cold arrays: "+coldProblem.Error())
	}
	for _, temperature := range []string{"warm", "cold"} {
		target := 0.9
		if temperature == "cold" {
			target = 0
		}
		if len(ours[temperature]) > 0 && len(theirs[temperature]) > 0 {
			b.add(line{what: "np.load(vectors.npy, mmap_mode='r').sum(), " + temperature, peer: "the same array in a plain .npy", unit: throughput,
				ours: ours[temperature], theirs: theirs[temperature], moreIsBetter: true, target: target, bounds: notAboveWarm(temperature, theirs)})
		}
	}
	return nil
}

// readFirst opens a file and reads its first MiB.
func readFirst(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(file, make([]byte, 1<<20))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the data are scaled down
	}
	return errors.Join(err, file.Close())
}

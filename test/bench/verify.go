package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// verifyModes are the ways to check content hashes; the first is what the others are
// compared with.
var verifyModes = []string{"never", "background", "first"}

// verifyRow reads the files of one store under each way to check what is read.
func (b *bench) verifyRow() error {
	count := b.gibibyte()
	_, backing, err := b.largeStore("verify", count)
	if err != nil {
		return err
	}
	stores := filepath.Dir(backing)
	defer os.RemoveAll(stores)
	steps := []struct {
		what         string
		unit         unit
		cold         bool                              // the file behind it is not in memory
		settled      bool                              // the checks are done
		measure      func(m *mounted) (float64, error) // a time in seconds, or a rate
		moreIsBetter bool
	}{
		{what: "first MiB of vectors.npy in a fresh mount", unit: millis, measure: firstMiB},
		{what: "`cat` of vectors.npy in a fresh mount, warm file", unit: throughput, measure: b.catVectors, moreIsBetter: true},
		{what: "the same again, when the checks are done", unit: throughput, settled: true, measure: b.catVectors, moreIsBetter: true},
		{what: "`cat` of vectors.npy in a fresh mount, cold file", unit: throughput, cold: true, measure: b.catVectors, moreIsBetter: true},
		{what: "the first query in a fresh mount, warm file", unit: millis, measure: queryOnce},
		{what: "a query when the checks are done", unit: millis, settled: true, measure: queryOnce},
	}
	kept := map[string][]sample{}
	for _, mode := range verifyModes {
		kept[mode] = make([]sample, len(steps))
	}
	err = b.rounds(func(int) error {
		for _, mode := range verifyModes {
			var m *mounted
			for i, step := range steps {
				if !step.settled {
					if m != nil {
						m.stop()
					}
					prepare := warm
					if step.cold {
						prepare = cool
					}
					if err := prepare(backing); err != nil {
						return err
					}
					if m, err = b.mount(b.program, stores, "--verify="+mode); err != nil {
						return err
					}
				} else if err := b.settle(m); err != nil {
					return err
				}
				value, err := step.measure(m)
				if err != nil {
					return errors.Join(err, fmt.Errorf("--verify=%s: %s", mode, step.what))
				}
				kept[mode][i] = append(kept[mode][i], value)
			}
			m.stop()
		}
		return nil
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf(" (%d × %d)", count, dimension)
	for i, step := range steps {
		for _, mode := range verifyModes[1:] {
			b.add(line{what: fmt.Sprintf("--verify=%s: %s%s", mode, step.what, what), peer: "--verify=never", unit: step.unit,
				ours: kept[mode][i], theirs: kept[verifyModes[0]][i], moreIsBetter: step.moreIsBetter})
		}
	}
	return nil
}

// firstMiB is the time from open to the first MiB.
func firstMiB(m *mounted) (float64, error) {
	start := time.Now()
	err := readFirst(filepath.Join(m.point, "large.rvf", "vectors", "vectors.npy"))
	return time.Since(start).Seconds(), err
}

// catVectors is the rate of cat.
func (b *bench) catVectors(m *mounted) (float64, error) {
	path := filepath.Join(m.point, "large.rvf", "vectors", "vectors.npy")
	size, err := sizeOf(path)
	if err != nil {
		return 0, err
	}
	took, err := b.time("cat", path)
	return size / took, err
}

// queryOnce is the time that one question takes.
func queryOnce(m *mounted) (float64, error) {
	return askMount(filepath.Join(m.point, "large.rvf", "query"), dimension, 1)
}

// settle waits until nothing that was read is left to be checked. Where nothing is
// checked it waits for nothing.
func (b *bench) settle(m *mounted) error {
	for {
		text, err := os.ReadFile(filepath.Join(m.point, "large.rvf", "status.json"))
		if err != nil {
			return err
		}
		var status struct {
			Verify    string `json:"verify"`
			Unchecked int    `json:"unchecked_segments"`
		}
		if err := json.Unmarshal(text, &status); err != nil {
			return err
		}
		const bookkeeping = 2 // manifest and audit entry, which nobody has read
		if status.Verify == verifyModes[0] || status.Unchecked <= bookkeeping {
			return nil
		}
		select {
		case <-b.limit.Done():
			return b.limit.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

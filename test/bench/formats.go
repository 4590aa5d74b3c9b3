package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The peers of text: each prints how long it takes to make an array of a file.
const (
	loadJSON = `import json, sys, time
import numpy
begun = time.perf_counter()
with open(sys.argv[1]) as lines:
    rows = numpy.array([json.loads(line)['vector'] for line in lines], dtype='f4')
print(json.dumps({'seconds': time.perf_counter() - begun, 'vectors': len(rows)}))`
	loadCSV = `import json, sys, time
import numpy
begun = time.perf_counter()
rows = numpy.loadtxt(sys.argv[1], delimiter=',', dtype='f4')
print(json.dumps({'seconds': time.perf_counter() - begun, 'vectors': len(rows)}))`
)

// textRows are so many vectors that their text has some 200 MB.
const textRows = 50_000

// formatsRow pours the same vectors into a store in several formats.
func (b *bench) formatsRow() error {
	stores, err := b.folder("formats")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	// pour copies a file into a fresh store and tells how long that took.
	pour := func(source string, count int) (float64, error) {
		backing := filepath.Join(stores, "fresh.rvf")
		if err := errors.Join(warm(source), create(backing, dimension)); err != nil {
			return 0, err
		}
		took, err := b.ddInto(source, filepath.Join(m.point, "fresh.rvf", "vectors.append"), "notrunc")
		if err == nil {
			err = stored(backing, count)
		}
		return took, errors.Join(err, os.Remove(backing))
	}
	if err := b.arrayLine(pour); err != nil {
		return err
	}
	if exec.Command(numpy, "-c", "import numpy").Run() != nil {
		b.missing = append(b.missing, "numpy is not installed (`make deps` does it)")
		return nil
	}
	for _, text := range []struct {
		name, peer, script string
		open, close        string // what stands around a row
		target             float64
	}{
		{"JSON lines", "Python's json.loads of each line into an array", loadJSON, `{"vector": [`, "]}\n", 10},
		{"CSV", "numpy.loadtxt of the same file", loadCSV, "", "\n", 50},
	} {
		source, count := b.path("source.txt"), b.scaled(textRows)
		size, err := writeText(source, count, text.open, text.close)
		if err != nil {
			return err
		}
		var ours, theirs sample
		err = b.rounds(func(int) error {
			took, err := pour(source, count)
			if err != nil {
				return err
			}
			var a answer
			if err := b.askJSON(&a, numpy, "-c", text.script, source); err != nil {
				return err
			}
			if int(a.Vectors) != count {
				return fmt.Errorf("the peer read %.0f of %d vectors", a.Vectors, count)
			}
			ours, theirs = append(ours, size/took), append(theirs, size/a.Seconds)
			return nil
		})
		if err := errors.Join(err, os.Remove(source)); err != nil {
			return err
		}
		what := fmt.Sprintf("%.0f MiB of %s (%d × %d) into vectors.append, durable at close", size/(1<<20), text.name, count, dimension)
		b.add(line{what: what, peer: text.peer, unit: throughput, ours: ours, theirs: theirs, moreIsBetter: true, target: text.target})
	}
	return nil
}

// arrayLine compares an array that NumPy saved with its bytes alone.
func (b *bench) arrayLine(pour func(source string, count int) (float64, error)) error {
	count := b.gibibyte()
	raw, err := b.sourceFile(count)
	if err != nil {
		return err
	}
	array := b.path("source.npy")
	defer os.Remove(array)
	if err := writeArray(array, raw, count); err != nil {
		return err
	}
	bytes := float64(count) * rowSize
	var ours, theirs sample
	err = b.rounds(func(int) error {
		for source, kept := range map[string]*sample{array: &ours, raw: &theirs} {
			took, err := pour(source, count)
			if err != nil {
				return err
			}
			*kept = append(*kept, bytes/took)
		}
		return nil
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%.2f GiB of NPY, f4 (%d-d), into vectors.append, durable at close", bytes/(1<<30), dimension)
	b.add(line{what: what, peer: "the same rows as raw f32", unit: throughput, ours: ours, theirs: theirs, moreIsBetter: true, target: 0.7})
	return nil
}

// writeArray makes a file of raw rows one that NumPy can load.
func writeArray(path, raw string, count int) error {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", count, dimension)
	const aligned = 128
	header += strings.Repeat(" ", aligned-11-len(header)) + "\n"
	rows, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer rows.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	begin := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	_, err = out.Write(append(begin, header...))
	if err == nil {
		_, err = io.Copy(out, rows)
	}
	return errors.Join(err, out.Close())
}

// writeText writes random vectors, each value as short as a float32 can be, and
// tells the file's length in bytes.
func writeText(path string, count int, begin, end string) (float64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	source := rand.New(rand.NewPCG(2, dimension))
	separator := ","
	if begin != "" {
		separator = ", " // as Python writes lists
	}
	var row []byte
	for range count {
		row = append(row[:0], begin...)
		for i := range dimension {
			if i > 0 {
				row = append(row, separator...)
			}
			row = strconv.AppendFloat(row, float64(2*source.Float32()-1), 'g', -1, 32)
		}
		out.Write(append(row, end...))
	}
	if err := errors.Join(out.Flush(), file.Close()); err != nil {
		return 0, err
	}
	return sizeOf(path)
}

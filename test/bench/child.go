package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"rvffs/store"
)

// runChild makes one measurement through the engine and prints it, in a process
// of its own: only so can its memory be told.
func runChild(kind string, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("a child takes one file")
	}
	var a any
	var err error
	switch kind {
	case "open":
		a, err = openAndRead(arguments[0])
	case "compact":
		a, err = compact(arguments[0])
	case "nearest":
		a, err = searchAndRead(arguments[0])
	default:
		err = fmt.Errorf("no child %q", kind)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

// memoryOf is a line of this process's memory accounts.
func memoryOf(name string) float64 { return procField("/proc/self/status", name) }

// openAndRead opens a store and reads the vector in the middle of its last
// segment.
func openAndRead(path string) (answer, error) {
	before, start := memoryOf("VmRSS"), time.Now()
	opened, err := openStore(path, store.OpenReadOnly)
	if err != nil {
		return answer{}, err
	}
	defer opened.Close()
	views, err := opened.Current().Segments(context.Background())
	if err != nil {
		return answer{}, err
	}
	for i := views.Len() - 1; i >= 0; i-- {
		name, _ := views.Name(i)
		if !strings.HasSuffix(name, "-vec.seg") {
			continue
		}
		view, _ := views.Find(name)
		reader, err := view.Open(context.Background())
		if err != nil {
			return answer{}, err
		}
		row := make([]byte, 8+rowSize)
		_, err = reader.ReadContext(context.Background(), row, middleRow(view.Size()))
		a := answer{Seconds: time.Since(start).Seconds(), Memory: memoryOf("VmHWM") - before}
		return a, errors.Join(err, reader.Close())
	}
	return answer{}, errors.New("no vectors")
}

// middleRow is where the middle row of a vector segment's file begins.
func middleRow(size int64) int64 {
	const head = 64 + 6 // the segment's header, dimension and count
	count := (size - head) / (8 + rowSize)
	return head + count/2*(8+rowSize)
}

// compact rewrites a store.
func compact(path string) (answer, error) {
	opened, err := openStore(path, store.Open)
	if err != nil {
		return answer{}, err
	}
	before, start := memoryOf("VmRSS"), time.Now()
	_, err = opened.Compact(context.Background())
	a := answer{Seconds: time.Since(start).Seconds(), Memory: memoryOf("VmHWM") - before}
	if err == nil {
		a.Size, err = sizeOf(path)
	}
	return a, errors.Join(err, opened.Close())
}

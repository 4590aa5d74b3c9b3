package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestManyWaitForOneSlowDisk has many programs read a store whose disk does not
// answer. Others use the other stores meanwhile.
func TestManyWaitForOneSlowDisk(t *testing.T) {
	t.Parallel()
	const dimension, rows, readers = 256, 60_000, 40
	dir := t.TempDir()
	for _, name := range []string{"slow.rvf", "a.rvf", "b.rvf"} {
		makeStore(t, filepath.Join(dir, name), dimension, make([]float32, dimension*rows))
	}
	slow, g := mountSlowly(t, dir, "slow")
	m := serve(t, slow, "--verify=never")
	t.Cleanup(func() { m.stop() })
	var reading sync.WaitGroup
	defer reading.Wait()
	var files []*os.File
	for range readers {
		file, err := os.Open(m.path("slow.rvf", "vectors", "vectors.f32"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	g.shut()
	defer g.lift()
	for i, file := range files {
		reading.Go(func() {
			if _, err := file.ReadAt(make([]byte, 1000), int64(i)<<20); err != nil {
				t.Errorf("when the disk answers again: %v", err)
			}
		})
	}
	for range readers {
		<-g.waiting
	}
	ended := time.AfterFunc(patience, func() {
		t.Error("the others wait, too")
		g.lift()
	})
	defer ended.Stop()
	for _, name := range []string{"a.rvf", "b.rvf"} {
		for _, view := range []string{"vectors/vectors.npy", "raw", "manifest.json", "status.json"} {
			run(t, "cat", m.path(name, view))
		}
		for i := range 3 {
			if err := pour(m.path(name, "vectors.append"), make([]byte, 4*dimension)); err != nil {
				t.Error(err)
			}
			run(t, "mkdir", m.path(name, fmt.Sprint(name[:1], i, ".rvf")))
		}
		run(t, "ls", "-l", m.path(name))
		for range 3 {
			run(t, "ls", m.Point)
		}
	}
}

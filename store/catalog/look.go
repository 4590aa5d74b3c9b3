package catalog

import (
	"runtime"
	"sync"
	"sync/atomic"

	"rvffs/store"
)

// look reads the facts of the named files of one folder, with as many workers as
// there are processors. The result is in the order of names; nil stands for a file
// that is gone.
func look(folder *store.FolderFiles, names []string, former map[string]*facts) []*facts {
	found := make([]*facts, len(names))
	var next atomic.Int64
	work := func() {
		reader := lookReader{files: folder}
		for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
			found[i] = reader.facts(names[i], former[names[i]])
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return found
}

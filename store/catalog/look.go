package catalog

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// look reads the facts of the named files of one folder, with as many workers as
// there are processors. The result is in the order of names; nil stands for a file
// that is gone. All ends with ctx.
func look(ctx context.Context, folder listing, names []string, former map[string]*facts) ([]*facts, error) {
	found := make([]*facts, len(names))
	var next atomic.Int64
	work := func() {
		reader := lookReader{files: folder, file: tailReader{ctx: ctx}}
		for i := next.Add(1) - 1; i < int64(len(names)) && ctx.Err() == nil; i = next.Add(1) - 1 {
			found[i] = reader.facts(names[i], former[names[i]])
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return found, ctx.Err()
}

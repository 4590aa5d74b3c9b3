package store

import (
	"cmp"
	"fmt"
	"slices"

	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// errLateRows means that a store was committed in its midst, and that what did not
// count then does now.
var errLateRows = fmt.Errorf("%w: the stream is a store, of which a part was committed before its end; write it again, to the end", volume.ErrInput)

// passOver notes which of the rows since the last commit do not count. They are given
// up, so that they must not count later.
func (a *AppendStream) passOver(runs []vecio.Run, handed int64) error {
	counting := slices.SortedFunc(slices.Values(runs), func(a, b vecio.Run) int { return cmp.Compare(a.First, b.First) })
	for _, run := range counting {
		for _, passed := range a.passed {
			if run.First < passed.First+passed.Count && passed.First < run.First+run.Count {
				return errLateRows
			}
		}
	}
	next := a.handed
	for _, run := range append(counting, vecio.Run{First: handed}) {
		if run.First > next {
			a.passed = append(a.passed, vecio.Run{First: next, Count: run.First - next})
		}
		next = max(next, run.First+run.Count)
	}
	return nil
}

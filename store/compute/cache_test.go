package compute

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

func TestImageMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	budget := memory.NewBudget(20 * mib)
	table := &imageTable{}
	made := 0
	open := func(id int64, size int) (state.Reader, error) {
		return table.open(t.Context(), budget, imageKey{offset: id}, int64(size), func(_ context.Context, w io.Writer) error {
			made++
			_, err := w.Write(make([]byte, size))
			return err
		})
	}
	must := func(r state.Reader, err error) state.Reader {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := must(open(1, 8*mib))
	if _, err := open(2, 8*mib); !errors.Is(err, memory.ErrNone) {
		t.Errorf("an image that does not fit beside one in use while it is made: %v", err)
	}
	_ = first.Close()
	second := must(open(2, 8*mib)) // drops the first
	third := must(open(3, mib))
	_ = second.Close()
	_ = second.Close()               // which counts once
	_ = must(open(2, 8*mib)).Close() // still there
	_ = third.Close()
	if _, err := open(4, 21*mib); !errors.Is(err, memory.ErrNever) {
		t.Errorf("an image that never fits: %v", err)
	}
	if u := budget.Usage(); made != 3 || u.Used != 9*mib || u.Cached != 9*mib || u.Peak > 20*mib {
		t.Errorf("%d images were made; %+v", made, u)
	}
	for range 3 {
		_, err := table.open(t.Context(), budget, imageKey{offset: 9}, 100, func(context.Context, io.Writer) error {
			made++
			return volume.ErrCorrupt
		})
		if !errors.Is(err, volume.ErrCorrupt) {
			t.Errorf("a broken image: %v", err)
		}
	}
	if made != 4 {
		t.Errorf("a broken image was tried %d times", made-3)
	}
	runtime.KeepAlive(table)
}

package catalog

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
)

// doors are things to be looked at, some of which open late or never.
type doors struct {
	begun atomic.Int32
	shut  map[int]chan struct{}
}

func (d *doors) look(i int) string {
	d.begun.Add(1)
	if door, shut := d.shut[i]; shut {
		<-door
	}
	return strconv.Itoa(i)
}

func (d *doors) close() {}

func (d *doors) lookAll(ctx context.Context, late *lateLooks, count int) ([]looked[string], error) {
	keys := make([]lookKey, count)
	for i := range keys {
		keys[i].name = strconv.Itoa(i)
	}
	return lookAll(ctx, late, keys, time.Second, func() looker[string] { return d })
}

// TestLateLooksCountLater: what does not answer in time keeps nobody, is not asked again
// while it is awaited, and counts when it has come.
func TestLateLooksCountLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late lateLooks
		d := &doors{shut: map[int]chan struct{}{1: make(chan struct{}), 3: make(chan struct{})}}
		check := func(what string, begun int32, unknown ...int) {
			t.Helper()
			before := d.begun.Load()
			results, err := d.lookAll(context.Background(), &late, 20)
			if err != nil {
				t.Fatal(err)
			}
			for i, result := range results {
				missing := false
				for _, number := range unknown {
					missing = missing || number == i
				}
				if result.known == missing || result.known && result.found != strconv.Itoa(i) {
					t.Errorf("%s: of %d is known %v", what, i, result)
				}
			}
			if got := d.begun.Load() - before; got != begun {
				t.Errorf("%s: %d looks, want %d", what, got, begun)
			}
		}
		began := time.Now()
		check("while two hang", 20, 1, 3)
		if waited := time.Since(began); waited > 3*time.Second {
			t.Errorf("waited for %v", waited)
		}
		began = time.Now()
		check("again", 18, 1, 3)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited again, for %v", waited)
		}
		close(d.shut[3])
		synctest.Wait()
		check("when one has come", 18, 1)
		check("after that", 19, 1)
		close(d.shut[1])
		synctest.Wait()
		check("when both have", 19)
	})
}

// TestLooksEndWithTheirCaller: who leaves is not kept, and what was cut short counts for
// nothing.
func TestLooksEndWithTheirCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late lateLooks
		d := &doors{shut: map[int]chan struct{}{0: make(chan struct{})}}
		ctx, leave := context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, leave)
		began := time.Now()
		if _, err := d.lookAll(ctx, &late, 1); !errors.Is(err, context.Canceled) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := d.lookAll(context.Background(), &late, 1); err != nil || d.begun.Load() != 1 {
			t.Errorf("while it hangs another look began, %v", err)
		}
		close(d.shut[0])
		synctest.Wait()
		before := d.begun.Load()
		if results, err := d.lookAll(context.Background(), &late, 1); err != nil || !results[0].known || d.begun.Load() != before+1 {
			t.Errorf("the next got %v, %v after %d looks", results, err, d.begun.Load()-before)
		}
	})
}

// TestHangingLooksAreBounded: a disk that does not answer takes only so many threads,
// however often its folders are looked at, and none from other folders.
func TestHangingLooksAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const folders, files = 50, 100
		var late lateLooks
		d := &doors{shut: map[int]chan struct{}{}}
		for i := range files {
			d.shut[i] = make(chan struct{})
		}
		look := func(folder int, at looker[string]) []looked[string] {
			keys := make([]lookKey, files)
			for i := range keys {
				keys[i] = lookKey{volume.NewIdentity(1, uint64(folder)), strconv.Itoa(i)}
			}
			results, err := lookAll(context.Background(), &late, keys, time.Second, func() looker[string] { return at })
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return results
		}
		most := int32(mostLateInFolder + 2*mostLateInFolder + runtime.GOMAXPROCS(0))
		for range 10 {
			look(1, d)
		}
		if d.begun.Load() > most {
			t.Errorf("%d looks at one folder hang", d.begun.Load())
		}
		if other := look(2, &doors{}); !other[files-1].known {
			t.Error("another folder is not looked at")
		}
		for folder := range folders {
			look(10+folder, d)
		}
		if all := d.begun.Load(); all > mostLate+most {
			t.Errorf("%d looks hang", all)
		}
		for _, door := range d.shut {
			close(door)
		}
		synctest.Wait()
		for range 2 {
			for i, result := range look(1, d) {
				if !result.known || result.found != strconv.Itoa(i) {
					t.Fatalf("of %d is known %v", i, result)
				}
			}
		}
	})
}

// TestLateLookCanBeAwaited by who has to know.
func TestLateLookCanBeAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late lateLooks
		d := &doors{shut: map[int]chan struct{}{0: make(chan struct{})}}
		if _, err := d.lookAll(context.Background(), &late, 1); err != nil {
			t.Fatal(err)
		}
		over := late.over(lookKey{name: "0"})
		came := false
		go func() {
			<-over
			came = true
		}()
		synctest.Wait()
		if came {
			t.Error("a look that hangs is taken for one that came")
		}
		close(d.shut[0])
		synctest.Wait()
		if !came {
			t.Error("a look that came is still awaited")
		}
		<-late.over(lookKey{name: "another"})
	})
}

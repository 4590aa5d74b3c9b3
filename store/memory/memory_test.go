package memory

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// expect checks what a budget says of itself.
func expect(t *testing.T, b *Budget, used, cached int64, waiting int) {
	t.Helper()
	if u := b.Usage(); u.Used != used || u.Cached != cached || u.Waiting != waiting {
		t.Errorf("%+v, want %d used, %d cached, %d waiting", u, used, cached, waiting)
	}
}

func TestCharge(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	one, two := b.Charge(), b.Charge()
	if err := one.Set(60); err != nil {
		t.Error(err)
	}
	if err := two.Set(41); !errors.Is(err, ErrNone) || two.Held() != 0 {
		t.Errorf("more than is left: %v, %d", err, two.Held())
	}
	if err := two.Set(101); !errors.Is(err, ErrNever) {
		t.Errorf("more than there is: %v", err)
	}
	if err := errors.Join(two.Set(40), one.Set(10), two.Set(90)); err != nil {
		t.Error(err)
	}
	expect(t, b, 100, 0, 0)
	one.Force(30)
	expect(t, b, 120, 0, 0)
	if err := one.Set(31); !errors.Is(err, ErrNone) {
		t.Errorf("beyond the limit: %v", err)
	}
	one.Free()
	two.Free()
	if expect(t, b, 0, 0, 0); b.Usage().Peak != 120 {
		t.Errorf("%+v", b.Usage())
	}
	if !one.Spare(50) || one.Spare(1) || one.Held() != 50 {
		t.Error("what one can do without takes more than half")
	}
	if err := two.Set(50); err != nil {
		t.Errorf("the other half: %v", err)
	}
	two.Free()
	one.Free()
	if err := one.Hold(51); !errors.Is(err, ErrNever) {
		t.Errorf("to keep more than half: %v", err)
	}
	if err := errors.Join(one.Hold(30), two.Hold(20), one.Hold(10), one.Hold(30)); err != nil {
		t.Error(err)
	}
	if err := two.Hold(21); !errors.Is(err, ErrNone) || two.Held() != 20 {
		t.Errorf("two keep more than half: %v, %d", err, two.Held())
	}
	if err := two.Set(70); err != nil {
		t.Errorf("the other half: %v", err)
	}
	two.Free()
	one.Free()
	var free Charge
	if err := free.Set(1 << 50); err != nil {
		t.Errorf("without a budget: %v", err)
	}
	free.Free()
}

// TestWaitingInTurn: who came first is served first, even if one behind wants less.
func TestWaitingInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		holder := b.Charge()
		holder.Force(90)
		var mu sync.Mutex
		var served []int64
		for _, bytes := range []int64{50, 10, 40} {
			go func() {
				c := b.Charge()
				if err := c.Await(t.Context(), bytes); err != nil {
					t.Error(err)
				}
				mu.Lock()
				served = append(served, bytes)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		expect(t, b, 90, 0, 3)
		if err := holder.Set(40); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		expect(t, b, 100, 0, 1)
		holder.Free()
		synctest.Wait()
		slices.Sort(served[:2]) // they were served at once
		if !slices.Equal(served, []int64{10, 50, 40}) {
			t.Errorf("served %d", served)
		}
		expect(t, b, 100, 0, 0)
	})
}

// TestWaitingEnds with the caller, and after some time; those behind then get on.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		one, two := b.Charge(), b.Charge()
		one.Force(50)
		two.Force(45)
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan error, 1)
		go func() { given <- one.Await(ctx, 80) }()
		synctest.Wait()
		behind := make(chan error, 1)
		go func() {
			c := b.Charge()
			behind <- c.Await(t.Context(), 5)
		}()
		synctest.Wait()
		expect(t, b, 95, 0, 2)
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) || one.Held() != 50 {
			t.Errorf("given up: %v, %d", err, one.Held())
		}
		if err := <-behind; err != nil {
			t.Errorf("behind one who gave up: %v", err)
		}
		began := time.Now()
		// Each holds what the other waits for.
		go func() { given <- two.Await(t.Context(), 90) }()
		if err := one.Await(t.Context(), 90); !errors.Is(err, ErrNone) {
			t.Errorf("too long: %v", err)
		}
		if err := <-given; !errors.Is(err, ErrNone) || time.Since(began) != longestWait {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if err := one.Await(t.Context(), 101); !errors.Is(err, ErrNever) {
			t.Errorf("for ever: %v", err)
		}
		expect(t, b, 100, 0, 0)
	})
}

// TestFewWait: each of those who wait holds a request that was read.
func TestFewWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(10)
		holder := b.Charge()
		holder.Force(10)
		for range b.mostWaiting {
			go func() {
				c := b.Charge()
				_ = c.Await(t.Context(), 1)
			}()
		}
		synctest.Wait()
		c := b.Charge()
		if err := c.Await(t.Context(), 1); !errors.Is(err, ErrNone) {
			t.Errorf("one more: %v", err)
		}
		holder.Free()
		synctest.Wait()
		expect(t, b, int64(b.mostWaiting), 0, 0)
	})
}

// owner is what kept things belong to.
type owner struct{ name string }

func keep(t *testing.T, b *Budget, o *owner, bytes int64, gone *[]string) *Kept {
	t.Helper()
	c := b.Charge()
	if err := c.Set(bytes); err != nil {
		t.Fatal(err)
	}
	name := o.name
	return Keep(&c, o, name, func(value any) { *gone = append(*gone, value.(string)) })
}

// TestKeptGoesWhenThereIsNoRoom, the one used longest ago first, and never one that
// is in use.
func TestKeptGoesWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	var gone []string
	owners := []*owner{{"a"}, {"b"}, {"c"}}
	var all []*Kept
	for _, o := range owners {
		all = append(all, keep(t, b, o, 30, &gone))
	}
	a, c := all[0], all[2]
	for _, k := range all {
		k.Done()
	}
	expect(t, b, 90, 90, 0)
	if value, there := a.Use(); !there || value != "a" {
		t.Errorf("%v, %v", value, there)
	}
	a.Done() // b is now the one used longest ago
	if _, there := c.Use(); !there {
		t.Error("c is gone")
	}
	more := b.Charge()
	if err := more.Set(40); err != nil {
		t.Error(err)
	}
	if !slices.Equal(gone, []string{"b"}) {
		t.Errorf("%q went", gone)
	}
	if err := more.Set(71); !errors.Is(err, ErrNone) || !slices.Equal(gone, []string{"b"}) {
		t.Errorf("in use: %v, %q went", err, gone)
	}
	if err := more.Set(70); err != nil || !slices.Equal(gone, []string{"b", "a"}) {
		t.Errorf("%v, %q went", err, gone)
	}
	if _, there := a.Use(); there {
		t.Error("a is there")
	}
	if err := c.Resize(31); !errors.Is(err, ErrNone) {
		t.Errorf("grown: %v", err)
	}
	if err := c.Resize(20); err != nil {
		t.Error(err)
	}
	expect(t, b, 90, 0, 0)
	c.Drop()
	expect(t, b, 90, 0, 0) // it has a user
	c.Done()
	if expect(t, b, 70, 0, 0); !slices.Equal(gone, []string{"b", "a", "c"}) {
		t.Errorf("%q went", gone)
	}
	runtime.KeepAlive(owners)
}

// TestKeptGoesForOneWhoWaits, as soon as its last user is done.
func TestKeptGoesForOneWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		var gone []string
		o := &owner{"a"}
		k := keep(t, b, o, 80, &gone)
		done := make(chan error, 1)
		go func() {
			c := b.Charge()
			done <- c.Await(t.Context(), 50)
		}()
		synctest.Wait()
		k.Done()
		if err := <-done; err != nil || !slices.Equal(gone, []string{"a"}) {
			t.Errorf("%v, %q went", err, gone)
		}
		expect(t, b, 50, 0, 0)
		runtime.KeepAlive(o)
	})
}

// TestKeptGoesWithItsOwner: nobody could ask for it any more.
func TestKeptGoesWithItsOwner(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	went := make(chan string, 1)
	func() {
		c := b.Charge()
		c.Force(30)
		Keep(&c, &owner{"a"}, "a", func(value any) { went <- value.(string) }).Done()
	}()
	for {
		runtime.GC()
		select {
		case <-went:
			expect(t, b, 0, 0, 0)
			return
		default:
			runtime.Gosched()
		}
	}
}

func TestCached(t *testing.T) {
	t.Parallel()
	b := NewBudget(100)
	o := &struct{ rows Cached[int] }{}
	computed := 0
	get := func(bytes int64) (int, func(), error) {
		return o.rows.Get(t.Context(), b, func(_ context.Context, charge *Charge) (int, error) {
			computed++
			return computed, charge.Set(bytes)
		}, nil)
	}
	if _, _, err := get(101); !errors.Is(err, ErrNever) {
		t.Errorf("too large: %v", err)
	}
	expect(t, b, 0, 0, 0)
	value, done, err := get(40)
	if value != 2 || err != nil {
		t.Errorf("%d, %v", value, err)
	}
	expect(t, b, 40, 0, 0)
	if again, doneAgain, err := get(40); again != 2 || err != nil {
		t.Errorf("%d, %v", again, err)
	} else {
		doneAgain()
	}
	done()
	expect(t, b, 40, 40, 0)
	others := b.Charge()
	others.Force(80)
	expect(t, b, 80, 0, 0)
	if _, _, known := o.rows.Peek(); known {
		t.Error("it is still there")
	}
	if _, _, err := get(40); !errors.Is(err, ErrNone) {
		t.Errorf("no room: %v", err)
	}
	others.Free()
	if value, done, err = get(40); value != 4 || err != nil {
		t.Errorf("anew: %d, %v", value, err)
	}
	charge := b.Charge()
	charge.Force(10)
	o.rows.Set(&charge, 77) // while another is in use
	expect(t, b, 50, 10, 0)
	done()
	expect(t, b, 10, 10, 0)
	if value, done, known := o.rows.Peek(); !known || value != 77 {
		t.Errorf("%d, %v", value, known)
	} else {
		done()
	}
	runtime.KeepAlive(o)
}

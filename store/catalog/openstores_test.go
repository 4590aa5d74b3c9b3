package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// TestStoresInUseStayOpen: whose turn it is to be closed stays open for as long as
// somebody uses it, and is closed in its turn after that.
func TestStoresInUseStayOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, nil, Options{OpenStores: 1})
	for _, name := range []string{"a.rvf", "b.rvf", "c.rvf"} {
		p.mkdir(name)
	}
	a, b, c := p.find("a.rvf").Store, p.find("b.rvf").Store, p.find("c.rvf").Store
	expect := func(when string, states ...bool) {
		t.Helper()
		for i, s := range []*Store{a, b, c} {
			if s.isOpen() != states[i] {
				t.Errorf("%s: %s is open: %v", when, s.Name(), !states[i])
			}
		}
	}
	stream := p.open("a.rvf")
	for _, s := range []*Store{b, c} {
		if _, err := s.Snapshot(ctx); err != nil {
			t.Fatal(err)
		}
	}
	expect("with a stream into a.rvf", true, false, true)
	if err := stream.Close(ctx); err != nil {
		t.Fatal(err)
	}
	expect("with the stream closed", true, false, false)
	if _, err := b.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	expect("with another in use", false, true, false)
}

// TestStoresAreClosedTogether: several at a time, and never are more open than may be.
func TestStoresAreClosedTogether(t *testing.T) {
	t.Parallel()
	const limit, stores = 4 * togetherOf, 5 * togetherOf
	p := newPlace(t, nil, Options{OpenStores: limit})
	name := func(i int) string { return fmt.Sprintf("%03d.rvf", i) }
	var most, closings int
	for i := range stores {
		p.mkdir(name(i))
		before := p.openStores()
		p.snapshot(name(i))
		now := p.openStores()
		if most = max(most, now); now < before {
			closings++
		}
	}
	if most != limit || closings == 0 || closings > stores/togetherOf {
		t.Errorf("%d were open at a time, closed %d times", most, closings)
	}
}

// openStores is how many stores are open.
func (p *place) openStores() (count int) {
	p.catalog.mu.Lock()
	stores := slices.Collect(maps.Keys(p.catalog.stores))
	p.catalog.mu.Unlock()
	for _, s := range stores {
		if s.isOpen() {
			count++
		}
	}
	return count
}

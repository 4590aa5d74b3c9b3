package catalog

import (
	"context"
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

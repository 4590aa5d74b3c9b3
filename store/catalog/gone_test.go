package catalog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/volume"
)

// TestGoneStoresAreLetGo: a store whose file somebody removes, or puts another in the place
// of, keeps no descriptor; one that somebody uses keeps it until he is done.
func TestGoneStoresAreLetGo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	remove := func(p *place, name string) error { return os.Remove(filepath.Join(p.directory, name)) }
	for what, lose := range map[string]func(p *place, name string) error{
		"removed": remove,
		"renamed": func(p *place, name string) error {
			return os.Rename(filepath.Join(p.directory, name), filepath.Join(p.directory, "team", "b.rvf"))
		},
		"replaced": func(p *place, name string) error {
			return os.Rename(filepath.Join(p.directory, "other.rvf"), filepath.Join(p.directory, name))
		},
		"removed by us": func(p *place, name string) error { return p.catalog.Root().Remove(ctx, name) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, map[string][]byte{"team/.keep": nil}, Options{})
			for _, name := range []string{"a.rvf", "used.rvf", "stays.rvf", "other.rvf"} {
				p.mkdir(name)
				p.snapshot(name)
			}
			gone, stays := p.find("a.rvf").Store, p.find("stays.rvf").Store
			if err := lose(p, "a.rvf"); err != nil {
				t.Fatal(err)
			}
			p.age()
			p.names(p.catalog.Root())
			if gone.isOpen() {
				t.Error("it is open still")
			}
			if !stays.isOpen() {
				t.Error("another is closed")
			}
		})
	}
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, nil, Options{})
		p.mkdir("a.rvf")
		s := p.find("a.rvf").Store
		stream := p.open("a.rvf")
		if err := remove(p, "a.rvf"); err != nil {
			t.Fatal(err)
		}
		p.age()
		p.shows(p.catalog.Root(), "")
		if !s.isOpen() {
			t.Error("it is closed under a stream")
		}
		if err := stream.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s.isOpen() {
			t.Error("it is open after the stream")
		}
	})
	t.Run("shown", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, nil, Options{})
		p.mkdir("a.rvf")
		view := p.snapshot("a.rvf").Raw()
		reader, err := view.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := remove(p, "a.rvf"); err != nil {
			t.Fatal(err)
		}
		p.age()
		p.shows(p.catalog.Root(), "")
		content := make([]byte, view.Size())
		if n, err := reader.ReadContext(ctx, content, 0); n != len(content) || err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("of %d bytes %d are read: %v", len(content), n, err)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		if _, err := view.Open(ctx); !errors.Is(err, volume.ErrStale) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened anew: %v", err)
		}
	})
}

// isOpen reports whether the store's engine is.
func (s *Store) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine != nil
}

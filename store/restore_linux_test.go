package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/store/ingest"
	"rvffs/store/storetest"
	"rvffs/store/volume"
)

// savedStore is the bytes of a store with three vectors.
func savedStore(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "saved.rvf")
	s, err := Create(t.Context(), "saved.rvf", CreateOptions{Dimension: 2}, Options{Shelf: storetest.Shelf(t, file)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Ingest(t.Context(), nil, []float32{1, 2, 3, 4, 5, 6})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// wantNames compares what is in a folder.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") || err != nil {
		t.Errorf("the folder has %q, want %q: %v", got, want, err)
	}
}

// unreadable fails where its bytes are to be read.
type unreadable struct{ error }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.error }

// TestRestoreTakesWholeStores, and of all else it leaves nothing and says why.
func TestRestoreTakesWholeStores(t *testing.T) {
	t.Parallel()
	saved := savedStore(t)
	flipped := bytes.Clone(saved)
	flipped[bytes.Index(saved, []byte{0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40})] ^= 1
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken disk")
	for what, c := range map[string]struct {
		ctx    context.Context
		from   io.ReaderAt
		size   int
		name   string
		err    error
		reason string
	}{
		"whole":         {from: bytes.NewReader(saved), size: len(saved)},
		"half":          {from: bytes.NewReader(saved), size: len(saved) / 2, err: volume.ErrNotWhole, reason: "rvffs recover b.rvf brings them back"},
		"without end":   {from: bytes.NewReader(saved), size: len(saved) - 1, err: volume.ErrNotWhole, reason: "rvffs recover b.rvf brings them back"},
		"more":          {from: bytes.NewReader(append(bytes.Clone(saved), 0)), size: len(saved) + 1, err: volume.ErrNotWhole, reason: "1 bytes stand behind its newest state"},
		"flipped":       {from: bytes.NewReader(flipped), size: len(saved), err: volume.ErrNotWhole, reason: "it is damaged: vec segment 2"},
		"text":          {from: strings.NewReader("hello"), size: 5, err: volume.ErrNotWhole},
		"nothing":       {from: strings.NewReader(""), size: 0, err: volume.ErrNotWhole},
		"shorter":       {from: bytes.NewReader(saved[:9]), size: len(saved), err: volume.ErrCorrupt},
		"broken":        {from: unreadable{broken}, size: len(saved), err: broken},
		"ended":         {ctx: ended, from: bytes.NewReader(saved), size: len(saved), err: context.Canceled},
		"taken":         {from: bytes.NewReader(saved), size: len(saved), name: "taken.rvf", err: volume.ErrExists},
		"no store name": {from: bytes.NewReader(saved), size: len(saved), name: "b.txt", err: volume.ErrName},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "taken.rvf"), []byte("taken"), 0o644); err != nil {
				t.Fatal(err)
			}
			shelf := storetest.Shelf(t, filepath.Join(dir, "b.rvf"))
			ctx, name := t.Context(), "b.rvf"
			if c.ctx != nil {
				ctx = c.ctx
			}
			if c.name != "" {
				name = c.name
			}
			err := Restore(ctx, name, c.from, int64(c.size), 0o640, shelf, Options{Shelf: shelf})
			if !errors.Is(err, c.err) || err != nil && (!strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), volume.TemporarySuffix)) {
				t.Errorf("%v, want %v with %q", err, c.err, c.reason)
			}
			if c.err != nil {
				wantNames(t, dir, "taken.rvf")
				return
			}
			wantNames(t, dir, "b.rvf", "taken.rvf")
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.Equal(content, saved) {
				t.Errorf("it is another store, %v", err)
			}
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o640 {
				t.Errorf("it is %v, %v", info.Mode(), err)
			}
		})
	}
}

// TestMakeFilledShowsFullStores alone: what fails on the way leaves nothing.
func TestMakeFilledShowsFullStores(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fill := func(s *Store) error {
		stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Whole: true})
		if err != nil {
			return err
		}
		_, err = stream.Write(context.Background(), []byte("[1,2]\n[3,4]\n"))
		return errors.Join(err, stream.Close(context.Background()))
	}
	for what, c := range map[string]struct {
		fill   func(*Store) error
		rename error
		want   error
	}{
		"filled":      {fill: fill},
		"not filled":  {fill: func(*Store) error { return broken }, want: broken},
		"half filled": {fill: func(s *Store) error { return errors.Join(fill(s), broken) }, want: broken},
		"no name":     {fill: fill, rename: broken, want: broken},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			shelf := storetest.Shelf(t, filepath.Join(dir, "b.rvf"))
			err := MakeFilled(t.Context(), CreateOptions{Shelf: shelf}, Options{Shelf: shelf}, func(s *Store) error {
				if _, err := os.Stat(filepath.Join(dir, "b.rvf")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("it is shown before it is full: %v", err)
				}
				return c.fill(s)
			}, func(from string) error {
				if c.rename != nil {
					return c.rename
				}
				return os.Rename(filepath.Join(dir, from), filepath.Join(dir, "b.rvf"))
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if c.want != nil {
				wantNames(t, dir)
				return
			}
			wantNames(t, dir, "b.rvf")
			s, err := OpenReadOnly(t.Context(), "b.rvf", Options{Shelf: shelf})
			if err != nil {
				t.Fatal(err)
			}
			if status, err := s.Status(t.Context()); err != nil || status.LiveVectors != 2 {
				t.Errorf("it has %d vectors, %v", status.LiveVectors, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

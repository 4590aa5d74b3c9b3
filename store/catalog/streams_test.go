package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/compute"
	"rvffs/store/rows"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// anyStream is what streams of every kind can do.
type anyStream interface {
	Write(ctx context.Context, p []byte) (int, error)
	Refuse(cause error) error
	Close(ctx context.Context) error
}

// openers open a stream of each kind, and say what is good to be written to it.
var openers = map[string]struct {
	open func(*Store) (anyStream, error)
	good string
}{
	"append": {func(s *Store) (anyStream, error) { return s.OpenAppend(context.Background(), vecio.Auto) }, "[1,2]\n"},
	"delete": {func(s *Store) (anyStream, error) { return s.OpenDelete(context.Background(), vecio.AutoIDs) }, "1\n"},
	"embed": {func(s *Store) (anyStream, error) {
		return s.OpenEmbed(context.Background(), compute.PartKernelImage, false)
	}, "image"},
}

// TestRmdirBesideStreams removes a store while a stream into it is open: it must wait
// for a while, for the stream's end may be on its way, and stay if it does not come, or
// if something is in the store then.
func TestRmdirBesideStreams(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, opener := range openers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil, Options{TurnWait: 20 * time.Millisecond})
			p.mkdir("a.rvf")
			stream, err := opener.open(p.find("a.rvf").Store)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.catalog.Root().Remove(ctx, "a.rvf"); !errors.Is(err, volume.ErrHeld) {
				t.Errorf("while the stream is open: %v", err)
			}
			if _, err := stream.Write(ctx, []byte(opener.good)); err != nil {
				t.Errorf("the stream has lost its store: %v", err)
			}
			if err := stream.Refuse(volume.ErrInput); !errors.Is(err, volume.ErrInput) {
				t.Error(err)
			}
			if err := stream.Close(ctx); err != nil {
				t.Error(err)
			}
			if err := p.catalog.Root().Remove(ctx, "a.rvf"); err != nil {
				t.Errorf("after the stream: %v", err)
			}
		})
	}
	for name, test := range map[string]struct {
		record string
		want   error
	}{"nothing comes": {"", nil}, "a vector comes": {"[1,2]\n", volume.ErrNotEmpty}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, nil, Options{TurnWait: time.Minute})
				p.mkdir("a.rvf")
				stream := p.open("a.rvf")
				removed := make(chan error)
				go func() { removed <- p.catalog.Root().Remove(ctx, "a.rvf") }()
				synctest.Wait() // it waits for the stream
				if _, err := stream.Write(ctx, []byte(test.record)); err != nil {
					t.Error(err)
				}
				if err := stream.Close(ctx); err != nil {
					t.Error(err)
				}
				if err := <-removed; !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			})
		})
	}
}

// TestStreamsOfAllKindsAreSeen: status.json counts a stream of each kind, a flush leaves it
// open, it keeps its store's engine, and the end of the mount closes it.
func TestStreamsOfAllKindsAreSeen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, opener := range openers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil, Options{})
			p.mkdir("a.rvf")
			s := p.find("a.rvf").Store
			counts := func(want int) {
				t.Helper()
				var text statusText
				encoded, _, err := s.StatusJSON(ctx)
				if err = errors.Join(err, json.Unmarshal(encoded, &text)); err != nil || text.OpenStreams != want {
					t.Errorf("%d streams are open, want %d (%v)", text.OpenStreams, want, err)
				}
			}
			counts(0)
			passed, err := opener.open(s)
			if err != nil {
				t.Fatal(err)
			}
			counts(1)
			if err := passed.Close(ctx); err != nil {
				t.Error(err)
			}
			counts(0)
			stream, err := opener.open(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Write(ctx, []byte(opener.good)); err != nil {
				t.Error(err)
			}
			if err := s.Flush(ctx); err != nil {
				t.Error(err)
			}
			counts(1)
			if closed, _ := s.closeIdle(); closed {
				t.Error("the engine of a stream that is open can be closed")
			}
			err = s.close(ctx) // as the end of the catalog does
			if silent := name == "append"; silent != (err == nil) {
				t.Errorf("closing tells %v", err) // what is dropped is told
			}
			if _, err := stream.Write(ctx, []byte(opener.good)); err == nil {
				t.Error("the stream has outlived the catalog")
			}
			if err := stream.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRenameBesideStreams: what open streams have brought is committed, as far as it may be,
// and they go on under the store's new name. For a stream that must not be committed nobody
// waits.
func TestRenameBesideStreams(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	row := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}
	for name, c := range map[string]struct {
		format         vecio.Format
		before, behind []byte // the rename
		want           error
		rows           int
	}{
		"whole records":      {vecio.Auto, []byte("[1,2]\n[3,4]\n"), []byte("[5,6]\n"), nil, 3},
		"a record has begun": {vecio.Auto, []byte("[1,2]\n[3,"), []byte("4]\n"), nil, 2},
		"half a row":         {vecio.RawF32, slices.Concat(row, row[:3]), row[3:], nil, 2},
		"a bulk load":        {vecio.RawF32, bytes.Repeat(row, 3<<20), row, volume.ErrHeld, 3<<20 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, nil, Options{Dimension: 2, TurnWait: time.Minute})
				p.mkdir("a.rvf")
				root := p.catalog.Root()
				stream, err := p.find("a.rvf").Store.OpenAppend(ctx, c.format)
				if err == nil {
					_, err = stream.Write(ctx, c.before)
				}
				if err != nil {
					t.Fatal(err)
				}
				asked := time.Now()
				err = root.Move(ctx, "a.rvf", root, "b.rvf")
				if took := time.Since(asked); !errors.Is(err, c.want) || took > 100*time.Millisecond {
					t.Errorf("after %v: %v", took, err)
				}
				if _, err = stream.Write(ctx, c.behind); err == nil {
					err = stream.Close(ctx)
				}
				if err != nil {
					t.Error(err)
				}
				at := "b.rvf"
				if c.want != nil {
					at = "a.rvf"
				}
				if live, err := rows.Count(ctx, rows.Of(p.snapshot(at))); err != nil || live != uint64(c.rows) {
					t.Errorf("%d vectors, want %d: %v", live, c.rows, err)
				}
			})
		})
	}
}

package compute

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"rvffs/lineage"
	"rvffs/store/memory"
	"rvffs/store/spool"
	"rvffs/store/volume"
)

// bytesSpool is a file of a spool in memory, which may be unreadable.
type bytesSpool struct {
	content [3 << 20]byte
	broken  atomic.Bool
	reads   atomic.Int64 // bytes
}

var errUnreadable = errors.New("unreadable")

func (b *bytesSpool) ReadAt(p []byte, offset int64) (int, error) {
	if b.broken.Load() {
		return 0, errUnreadable
	}
	n := copy(p, b.content[offset:])
	b.reads.Add(int64(n))
	return n, nil
}
func (b *bytesSpool) WriteAt(p []byte, offset int64) (int, error) {
	return copy(b.content[offset:], p), nil
}
func (b *bytesSpool) SetLength(size int64) error { clear(b.content[size:]); return nil }
func (b *bytesSpool) Close() error               { return nil }

// TestHashBeside is the hash of what is there in the end, however that came, and is made
// while it comes where that is in order.
func TestHashBeside(t *testing.T) {
	t.Parallel()
	image := noise(2_500_000)
	const piece = 100_000
	write := func(t *testing.T, a *arriving, content []byte, offset int) {
		for from := 0; from < len(content); from += piece {
			part := content[from:min(from+piece, len(content))]
			if _, err := a.WriteAt(t.Context(), part, int64(offset+from)); err != nil {
				t.Fatal(err)
			}
			a.sum.await() // nobody writes so slowly, but it is to be known what is hashed
		}
	}
	truncate := func(t *testing.T, a *arriving, size int64) {
		if err := a.Truncate(t.Context(), size); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		arrive func(t *testing.T, a *arriving)
		beside bool
	}{
		{"in order", func(t *testing.T, a *arriving) { write(t, a, image, 0) }, true},
		{"few bytes", func(t *testing.T, a *arriving) { write(t, a, image[:1000], 0) }, false},
		{"the header last", func(t *testing.T, a *arriving) { write(t, a, image, 0); write(t, a, image[:64], 0) }, false},
		{"backwards", func(t *testing.T, a *arriving) {
			write(t, a, image[1_000_000:], 1_000_000)
			write(t, a, image[:1_000_000], 0)
		}, false},
		{"a hole", func(t *testing.T, a *arriving) {
			write(t, a, image[:1_000_000], 0)
			write(t, a, image[:1_000_000], 1_500_000)
		}, true},
		{"zeros at the end", func(t *testing.T, a *arriving) { write(t, a, image, 0); truncate(t, a, 2_700_000) }, true},
		{"cut in what was hashed", func(t *testing.T, a *arriving) {
			write(t, a, image, 0)
			truncate(t, a, 1_000_000)
			write(t, a, image[:500_000], 1_000_000)
		}, false},
		{"anew", func(t *testing.T, a *arriving) {
			write(t, a, image, 0)
			truncate(t, a, 0)
			write(t, a, image[:2_000_000], 0)
		}, true},
		{"in two parts", func(t *testing.T, a *arriving) {
			write(t, a, image[:1_234_567], 0)
			if _, err := a.hash(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, a, image[:1_234_567], 1_234_567)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := &bytesSpool{}
			a := &arriving{spool.New(nil, func(context.Context) (volume.Spool, error) { return file, nil }), newGrowingHash(nil)}
			test.arrive(t, a)
			content := make([]byte, a.Size())
			if err := volume.ReadFull(a, content, 0); err != nil {
				t.Fatal(err)
			}
			if a.hashed() != test.beside {
				t.Errorf("hashed beside: %v", a.hashed())
			}
			before := file.reads.Load()
			got, err := a.hash(t.Context())
			want := lineage.NewShake256()
			want.Write(content)
			if err != nil || !bytes.Equal(got[:], want.Sum(nil)) {
				t.Errorf("another hash than that of the bytes, %v", err)
			}
			if rest := file.reads.Load() - before; test.beside && rest >= hashPiece+piece*10 {
				t.Errorf("%d bytes were hashed only in the end", rest)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHashBesideEnds with the spool, and gives up where nothing can be read or there is no
// memory: then the hash is made in the end, or the error told.
func TestHashBesideEnds(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(200_000)
	for name, budget := range map[string]*memory.Budget{"unreadable": nil, "no memory": budget} {
		file := &bytesSpool{}
		file.broken.Store(budget == nil)
		a := &arriving{spool.New(budget, func(context.Context) (volume.Spool, error) { return file, nil }), newGrowingHash(budget)}
		if _, err := a.WriteAt(t.Context(), noise(1<<20), 0); err != nil {
			t.Fatal(err)
		}
		a.sum.await()
		if a.hashed() {
			t.Errorf("%s: hashed all the same", name)
		}
		if _, err := a.hash(t.Context()); errors.Is(err, errUnreadable) != (budget == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Close(); err != nil || a.sum.running != nil {
			t.Errorf("%s: it goes on after its end, %v", name, err)
		}
	}
}

package store

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/storetest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// anyStream is what streams of every kind can do.
type anyStream interface {
	Write(ctx context.Context, p []byte) (int, error)
	Refuse(cause error) error
	Flush(ctx context.Context) error
	Handover(ctx context.Context) error
	Pause(ctx context.Context) error
	Commit(ctx context.Context) error
	CommitOpen(ctx context.Context) error
	Abandon(ctx context.Context) error
	Interrupt(ctx context.Context) error
	Close(ctx context.Context) error
}

// TestRefusedStreamsAreOver commits a part of a stream of each kind, lets it be refused
// after some more, and asks it for everything: it fails as it did, and only the part
// that was committed is there.
func TestRefusedStreamsAreOver(t *testing.T) {
	t.Parallel()
	cause := errors.New("a write from somewhere else")
	for name, test := range map[string]struct {
		open        func(*testing.T, *Store) (anyStream, error)
		first, more string
		holds       func(*testing.T, *Store) bool
	}{
		"append": {
			func(_ *testing.T, s *Store) (anyStream, error) {
				return s.OpenAppend(context.Background(), ingest.StreamOptions{})
			},
			"[7,7]\n", "[8,8]\n",
			func(t *testing.T, s *Store) bool { return len(contents(t, s)) == 4 },
		},
		"delete": {
			func(_ *testing.T, s *Store) (anyStream, error) {
				return s.OpenDelete(context.Background(), vecio.AutoIDs, nil)
			},
			"1\n", "2\n",
			func(t *testing.T, s *Store) bool { return len(contents(t, s)) == 2 },
		},
		"embed": {
			func(t *testing.T, s *Store) (anyStream, error) {
				return s.OpenEmbed(t.Context(), compute.PartKernelImage, compute.EmbedOptions{})
			},
			"image", strings.Repeat("more", 64<<10),
			func(t *testing.T, s *Store) bool { return string(file(t, s, segments.TypeKernel, "image")) == "image" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s := newStore(t)
			bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
			stream, err := test.open(t, s)
			if err != nil {
				t.Fatal(err)
			}
			_, err = stream.Write(ctx, []byte(test.first))
			if err = errors.Join(err, stream.Flush(ctx)); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Write(ctx, []byte(test.more)); err != nil {
				t.Fatal(err)
			}
			ended := stream.Refuse(cause)
			if !errors.Is(ended, cause) {
				t.Errorf("refused with %v", ended)
			}
			for what, got := range map[string]error{
				"write": func() error { _, err := stream.Write(ctx, []byte(test.first)); return err }(), "refuse": stream.Refuse(errors.New("another")),
				"flush": stream.Flush(ctx), "handover": stream.Handover(ctx), "pause": stream.Pause(ctx), "commit": stream.Commit(ctx),
				"abandon": stream.Abandon(ctx), "flush again": stream.Flush(ctx),
			} {
				if !errors.Is(got, ended) {
					t.Errorf("%s: %v", what, got)
				}
			}
			if err := errors.Join(stream.CommitOpen(ctx), stream.Interrupt(ctx), stream.Close(ctx), stream.Close(ctx)); err != nil {
				t.Error(err)
			}
			if !test.holds(t, s) {
				t.Error("the store holds something else than what was committed")
			}
			if err := stream.Flush(ctx); err == nil {
				t.Error("a closed stream can be flushed")
			}
		})
	}
}

// TestTakenIDs lets a stream store a vector under an id that a bulk load was handed out
// long before: the load fails as a whole, in words, and the vector stays.
func TestTakenIDs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, test := range map[string]struct {
		id      uint64
		collide bool
	}{"handed out": {1000, true}, "not yet": {1 << 40, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 1024}, Options{Shelf: storetest.Shelf(t, filepath.Join(t.TempDir(), "a.rvf"))})
			if err != nil {
				t.Fatal(err)
			}
			load, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.RawF32})
			if err != nil {
				t.Fatal(err)
			}
			const count = 5000 // more than the load holds back in memory
			row := bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 1024)
			if _, err := load.Write(ctx, bytes.Repeat(row, count)); err != nil {
				t.Fatal(err)
			}
			vector := make([]float32, 1024)
			if _, err := s.Ingest(ctx, []uint64{test.id}, vector); err != nil {
				t.Fatal(err)
			}
			err = load.Flush(ctx)
			if errors.Is(err, volume.ErrInput) != test.collide || err != nil && !strings.Contains(err.Error(), "write it again") {
				t.Errorf("the load ends with %v", err)
			}
			if again := load.Flush(ctx); again != err {
				t.Errorf("and then with %v", again)
			}
			found, want := contents(t, s), 1
			if !test.collide {
				want += count
			}
			if len(found) != want || found[test.id][0] != 0 {
				t.Errorf("%d vectors, want %d", len(found), want)
			}
			if err := errors.Join(load.Close(ctx), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGivenUpBesideCommits rehearses embeddings and refuses streams while others commit:
// what is given up must be in nobody's way, and nothing of it be seen.
func TestGivenUpBesideCommits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newStore(t)
	const rounds = 60
	image := bytes.Repeat([]byte("image"), 1000)
	work := []func(round int) error{
		func(round int) error {
			_, err := s.Ingest(ctx, []uint64{uint64(round)}, []float32{1, float32(round)})
			return err
		},
		func(int) error {
			stream, err := s.OpenEmbed(ctx, compute.PartKernelImage, compute.EmbedOptions{})
			if err != nil {
				return err
			}
			_, err = stream.Write(ctx, image)
			err = errors.Join(err, stream.Handover(ctx), stream.Handover(ctx))
			if stream.Close(ctx) == nil {
				err = errors.Join(err, errors.New("nothing is said of an image that nobody closed"))
			}
			return err
		},
		func(int) error {
			appender := s.NewAppender()
			if err := appender.Append(ctx, nil, make([]byte, 8000)); err != nil {
				return err
			}
			if err := appender.Flush(); err != nil { // as if it were full
				return err
			}
			return appender.Rollback()
		},
	}
	var group sync.WaitGroup
	for _, do := range work {
		group.Go(func() {
			for round := range rounds {
				if err := do(round); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if found := contents(t, s); len(found) != rounds {
		t.Errorf("%d vectors, want %d", len(found), rounds)
	}
	if len(s.Current().OfType(segments.TypeKernel)) > 0 {
		t.Error("a kernel was embedded")
	}
	if verdict, err := VerifySnapshot(ctx, s.Current()); err != nil || verdict.Damages > 0 {
		t.Errorf("%+v, %v", verdict, err)
	}
}

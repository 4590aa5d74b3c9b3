package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/storetest"
	"rvffs/store/stream"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// streamKinds open a stream of each kind, say what is good to be written to it and what
// is left of that when its store is closed under it.
var streamKinds = map[string]struct {
	open func(context.Context, *Store) (anyStream, *stream.Stream, error)
	good string
	told error // by closing the store
}{
	"append": {func(_ context.Context, s *Store) (anyStream, *stream.Stream, error) {
		stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{})
		if err != nil {
			return nil, nil, err
		}
		return stream, stream.Stream, nil
	}, "[7,7]\n", nil},
	"delete": {func(_ context.Context, s *Store) (anyStream, *stream.Stream, error) {
		stream, err := s.OpenDelete(context.Background(), vecio.AutoIDs, nil)
		if err != nil {
			return nil, nil, err
		}
		return stream, stream.Stream, nil
	}, "1\n", ingest.ErrKilled},
	"embed": {func(ctx context.Context, s *Store) (anyStream, *stream.Stream, error) {
		stream, err := s.OpenEmbed(ctx, compute.PartKernelImage, compute.EmbedOptions{})
		if err != nil {
			return nil, nil, err
		}
		return stream, stream.Stream, nil
	}, "image", volume.ErrInput},
}

// TestStreamsAreRegistered counts streams of each kind from their opening to their
// closing, whatever happens to them in between.
func TestStreamsAreRegistered(t *testing.T) {
	t.Parallel()
	for name, kind := range streamKinds {
		for how, end := range map[string]func(context.Context, anyStream) error{
			"closed":      func(ctx context.Context, s anyStream) error { return errors.Join(s.Flush(ctx), s.Close(ctx)) },
			"interrupted": func(ctx context.Context, s anyStream) error { return errors.Join(s.Flush(ctx), s.Interrupt(ctx)) },
			"failed": func(ctx context.Context, s anyStream) error {
				if s.Refuse(volume.ErrInput) == nil {
					return errors.New("not refused")
				}
				return s.Close(ctx)
			},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				s := newStore(t)
				bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
				stream, state, err := kind.open(ctx, s)
				if err != nil {
					t.Fatal(err)
				}
				closed := 0
				state.AfterClose(func() {
					closed++
					if s.OpenStreams() != 0 {
						t.Error("it is still registered")
					}
				})
				if _, err := stream.Write(ctx, []byte(kind.good)); err != nil {
					t.Error(err)
				}
				if s.OpenStreams() != 1 || closed != 0 {
					t.Errorf("%d streams are open, %d closed", s.OpenStreams(), closed)
				}
				if err := end(ctx, stream); err != nil {
					t.Error(err)
				}
				if err := errors.Join(stream.Close(ctx), stream.Interrupt(ctx)); err != nil {
					t.Errorf("closed again: %v", err)
				}
				if s.OpenStreams() != 0 || closed != 1 {
					t.Errorf("%d streams are open, %d times closed", s.OpenStreams(), closed)
				}
			})
		}
	}
}

// TestCommitStreams commits for somebody else than the writers what is whole of vectors,
// and nothing of a list of ids or an image. Who has closed since the register was looked
// at, or failed, is left alone.
func TestCommitStreams(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, kind := range streamKinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
			stream, state, err := kind.open(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Write(ctx, []byte(kind.good)); err != nil {
				t.Fatal(err)
			}
			before := s.Current().Epoch()
			if err := s.CommitStreams(ctx); err != nil {
				t.Error(err)
			}
			if commits := s.Current().Epoch() != before; commits != (name == "append") {
				t.Errorf("something was committed: %t", commits)
			}
			if err := stream.Refuse(volume.ErrInput); err == nil {
				t.Error("not refused")
			}
			if err := errors.Join(s.CommitStreams(ctx), stream.Close(ctx), state.CommitOpen(ctx)); err != nil {
				t.Errorf("of a stream that is over: %v", err)
			}
		})
	}
}

// TestCloseBesideStreams closes a store into which a stream of each kind is open: what
// can be told to be whole stays, the lock is given back, and the stream is over.
func TestCloseBesideStreams(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, kind := range streamKinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "a.rvf")
			s, err := Create(context.Background(), filepath.Base(file), CreateOptions{Dimension: 2}, Options{Shelf: storetest.Shelf(t, file)})
			if err != nil {
				t.Fatal(err)
			}
			bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
			stream, _, err := kind.open(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Write(ctx, []byte(kind.good)); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); !errors.Is(err, kind.told) || kind.told == nil && err != nil {
				t.Errorf("closing tells %v, want %v", err, kind.told)
			}
			if err := stream.Flush(ctx); err == nil {
				t.Error("the stream goes on")
			}
			if _, _, err := kind.open(ctx, s); err == nil {
				t.Error("another stream begins")
			}
			if err := errors.Join(stream.Close(ctx), s.Close()); err != nil {
				t.Errorf("closed again: %v", err)
			}
			again, err := Open(context.Background(), filepath.Base(file), Options{Shelf: storetest.Shelf(t, file), TurnWait: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			want := 2
			if name == "append" {
				want = 3
			}
			if got := contents(t, again); len(got) != want || len(again.Current().OfType(segments.TypeKernel)) != 0 {
				t.Errorf("%d vectors are left, want %d", len(got), want)
			}
			if _, err := again.Ingest(ctx, []uint64{9}, []float32{9, 9}); err != nil {
				t.Errorf("the lock was kept: %v", err)
			}
		})
	}
}

// TestStreamsOfARemovedFile: nobody hears that all is well with what went with its file, also
// where it was committed before.
func TestStreamsOfARemovedFile(t *testing.T) {
	t.Parallel()
	for name, kind := range streamKinds {
		for what, end := range map[string]func(context.Context, anyStream) error{
			"flush": func(ctx context.Context, s anyStream) error { return s.Flush(ctx) },
			"close": func(ctx context.Context, s anyStream) error { return s.Close(ctx) },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				s := newStore(t)
				bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
				stream, _, err := kind.open(ctx, s)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Write(ctx, []byte(kind.good)); err != nil {
					t.Error(err)
				}
				if err := stream.Flush(ctx); err != nil {
					t.Error(err)
				}
				other, err := Open(ctx, "a.rvf", Options{Shelf: s.shelf})
				if err != nil {
					t.Fatal(err)
				}
				_, err = other.RemoveWhole(ctx)
				if err := errors.Join(err, other.Close()); err != nil {
					t.Fatal(err)
				}
				if err := end(ctx, stream); !errors.Is(err, volume.ErrStale) {
					t.Errorf("it gives %v", err)
				}
				_ = stream.Close(ctx) // has said it
			})
		}
	}
}

// TestAwaitStreams waits for streams of each kind, for a while.
func TestAwaitStreams(t *testing.T) {
	t.Parallel()
	for name, kind := range streamKinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				s := newStore(t)
				if err := s.AwaitStreams(ctx); err != nil {
					t.Errorf("with none open: %v", err)
				}
				first, _, err := kind.open(ctx, s)
				second, _, problem := kind.open(ctx, s)
				if err = errors.Join(err, problem); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := s.AwaitStreams(ctx); !errors.Is(err, volume.ErrHeld) || time.Since(began) != DefaultTurnWait {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				done := make(chan error, 1)
				go func() { done <- s.AwaitStreams(ctx) }()
				for _, stream := range []anyStream{first, second} {
					synctest.Wait()
					if len(done) > 0 {
						t.Error("it did not wait for all")
					}
					if err := stream.Close(ctx); err != nil {
						t.Error(err)
					}
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				third, _, err := kind.open(ctx, s)
				if err != nil {
					t.Fatal(err)
				}
				given, cancel := context.WithCancel(ctx)
				cancel()
				if err := s.AwaitStreams(given); !errors.Is(err, context.Canceled) {
					t.Errorf("given up: %v", err)
				}
				if err := third.Close(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

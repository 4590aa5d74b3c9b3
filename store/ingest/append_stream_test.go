package ingest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// TestBulkLoad lets streams bring bytes between the ticks of the flush policy: those
// that bring more than 16 MiB in an interval are not committed but by their writer.
func TestBulkLoad(t *testing.T) {
	t.Parallel()
	const mega = 1 << 20
	rows := bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, mega/4)
	write := func(count int) func(*AppendStream) error {
		return func(a *AppendStream) error {
			for range count {
				if _, err := a.Write(context.Background(), rows); err != nil {
					return err
				}
			}
			return nil
		}
	}
	tick := func(a *AppendStream) error {
		return a.inside.Do(func() error {
			a.stopTimer()
			return a.tick()
		})
	}
	by := func(f func(*AppendStream, context.Context) error) func(*AppendStream) error {
		return func(a *AppendStream) error { return f(a, context.Background()) }
	}
	flush, pause, other := by((*AppendStream).Flush), by((*AppendStream).Pause), by((*AppendStream).CommitOpen)
	killed, unmounted := by((*AppendStream).Abandon), by((*AppendStream).Interrupt)
	refused := func(a *AppendStream) error {
		if a.Refuse(volume.ErrInput) == nil {
			return errors.New("not refused")
		}
		return nil
	}
	for name, test := range map[string]struct {
		steps []func(*AppendStream) error
		want  int // MiB that are committed
	}{
		"live":                      {[]func(*AppendStream) error{write(16), tick, write(16), tick, write(1), refused}, 32},
		"bulk":                      {[]func(*AppendStream) error{write(17), tick, write(1), tick, tick, refused}, 0},
		"bulk, closed":              {[]func(*AppendStream) error{write(17), tick, write(1), tick, flush, refused}, 18},
		"live, then bulk":           {[]func(*AppendStream) error{write(3), tick, write(17), tick, write(1), tick, refused}, 3},
		"live, bulk, synced, live":  {[]func(*AppendStream) error{write(3), tick, write(17), tick, flush, write(3), tick, write(1), refused}, 23},
		"bulk since the commit":     {[]func(*AppendStream) error{write(10), flush, write(10), tick, write(1), refused}, 20},
		"a child lets go of bulk":   {[]func(*AppendStream) error{write(17), pause, refused}, 0},
		"a child lets go":           {[]func(*AppendStream) error{write(16), pause, refused}, 16},
		"another flushes bulk":      {[]func(*AppendStream) error{write(17), other, refused}, 0},
		"another flushes":           {[]func(*AppendStream) error{write(16), other, refused}, 16},
		"bulk, killed":              {[]func(*AppendStream) error{write(17), tick, killed}, 17},
		"live, the store is closed": {[]func(*AppendStream) error{write(16), unmounted}, 16},
		"bulk, the store is closed": {[]func(*AppendStream) error{write(17), func(a *AppendStream) error {
			if err := unmounted(a); !errors.Is(err, ErrInterrupted) {
				return errors.New("not interrupted")
			}
			return nil
		}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vectors, _ := lone(t, 1024)
			stream, err := vectors.OpenAppend(vectors.env.Head.Current().Origin(), StreamOptions{Format: vecio.RawF32, FlushInterval: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range test.steps {
				if err := step(stream); err != nil {
					t.Errorf("step %d: %v", i+1, err)
				}
			}
			if err := stream.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if got := int(vectors.env.Head.Current().Rows()) * 4096 / mega; got != test.want {
				t.Errorf("%d MiB are committed, want %d", got, test.want)
			}
		})
	}
}

package ingest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// looking is a hook that looks for long: until ctx ends, while it is asked to.
type looking struct{ long bool }

func (l *looking) Draft(ctx context.Context, _ *log.Draft) (log.Committed, error) {
	if !l.long {
		return nil, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestWhatIsAppendedOutlastsTheOneWhoWaits: who gives up while a commit looks for what it
// needs has lost nothing, whatever he gave up, and the next commit brings all of it, once.
func TestWhatIsAppendedOutlastsTheOneWhoWaits(t *testing.T) {
	t.Parallel()
	gone := func() context.Context {
		ctx, leave := context.WithCancel(context.Background())
		leave()
		return ctx
	}
	flush := func(a *AppendStream) error { return a.Flush(gone()) }
	for name, give := range map[string]func(*AppendStream) error{
		"close":       flush,
		"flush":       func(a *AppendStream) error { return a.CommitOpen(gone()) },
		"last close":  func(a *AppendStream) error { return a.Close(gone()) },
		"killed":      func(a *AppendStream) error { return a.Abandon(gone()) },
		"twice":       func(a *AppendStream) error { return errors.Join(flush(a), flush(a)) },
		"a bulk load": func(a *AppendStream) error { a.bulk = true; return flush(a) },
	} {
		for last, end := range map[string]func(*AppendStream) error{
			"closed":      func(a *AppendStream) error { return a.Close(context.Background()) },
			"interrupted": func(a *AppendStream) error { return a.Interrupt(context.Background()) },
		} {
			if name == "a bulk load" && last == "interrupted" {
				continue // it is all or nothing
			}
			t.Run(name+", "+last, func(t *testing.T) {
				t.Parallel()
				look := &looking{long: true}
				vectors, _ := lone(t, 1, look)
				var reports []StreamReport
				a := open(t, vectors, StreamOptions{Format: vecio.RawF32, Report: func(r StreamReport) { reports = append(reports, r) }})
				rest := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}
				write(t, a, rest)
				if err := give(a); !errors.Is(err, context.Canceled) {
					t.Fatalf("who gave up was told: %v", err)
				}
				look.long = false
				write(t, a, rest[:4])
				if err := end(a); err != nil {
					t.Error(err)
				}
				if got := vectors.env.Head.Current().Rows(); got != 3 {
					t.Errorf("%d vectors are committed, want 3: %+v", got, reports)
				}
				if len(reports) != 1 || reports[0].Accepted != 3 || reports[0].Bytes != 12 {
					t.Errorf("told: %+v", reports)
				}
			})
		}
	}
}

// TestHalfRecordOfAKilledWriterGoes also where the commit of the whole ones had to wait.
func TestHalfRecordOfAKilledWriterGoes(t *testing.T) {
	t.Parallel()
	look := &looking{long: true}
	vectors, _ := lone(t, 1, look)
	a := open(t, vectors, StreamOptions{Format: vecio.RawF32})
	write(t, a, []byte{0, 0, 0x80, 0x3f, 0, 0})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := a.Abandon(gone); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	look.long = false
	_ = a.Close(t.Context()) // which tells of the half one
	if got := vectors.env.Head.Current().Rows(); got != 1 {
		t.Errorf("%d vectors are committed, want the whole one", got)
	}
}

// TestTicksEndWithTheStore: what a stream looks for unasked does not keep who interrupts
// it, whose patience ends; what has come is dropped then, and told.
func TestTicksEndWithTheStore(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, a *AppendStream) func(){
		"a tick": func(_ *testing.T, a *AppendStream) func() {
			return func() {
				_ = a.inside.Do(func() error {
					a.stopTimer()
					return a.tick()
				})
			}
		},
		"behind the writer": func(_ *testing.T, a *AppendStream) func() {
			return func() { a.appender.commitBehind(a.inside.Life(), a.Received()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := make(chan struct{})
			vectors, _ := lone(t, 1, hook(func(ctx context.Context, _ *log.Draft) (log.Committed, error) {
				select {
				case <-begun:
				default:
					close(begun)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}))
			var reports []StreamReport
			a := open(t, vectors, StreamOptions{Format: vecio.RawF32, FlushInterval: time.Hour, Report: func(r StreamReport) { reports = append(reports, r) }})
			write(t, a, []byte{0, 0, 0x80, 0x3f})
			if err := a.appender.Flush(); err != nil {
				t.Fatal(err)
			}
			go begin(t, a)()
			<-begun
			patience, end := context.WithCancel(t.Context())
			end()
			if err := vectors.env.Streams.Interrupt(patience); !errors.Is(err, context.Canceled) {
				t.Errorf("who interrupted was told: %v", err)
			}
			if len(reports) != 1 || reports[0].Rejected != 1 || vectors.env.Head.Current().Rows() != 0 {
				t.Errorf("told: %+v", reports)
			}
		})
	}
}

// readBack is an extent of which a test says what it is to read it back.
type readBack struct {
	volume.Extent
	read func() error
}

// ReadBack implements volume.Extent.
func (r readBack) ReadBack(context.Context, []byte, int64) error { return r.read() }

// TestOrderOutlastsTheOneWhoWaits: rows that a commit was to put in order are as they were
// when that ends half way.
func TestOrderOutlastsTheOneWhoWaits(t *testing.T) {
	t.Parallel()
	vectors, _ := lone(t, 1)
	a := vectors.NewAppender(state.Origin{})
	if err := a.Append(t.Context(), []uint64{1, 2, 3, 1}, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	before, rows := slices.Clone(a.extents), a.rows
	gone, leave := context.WithCancel(t.Context())
	leave()
	order := []vecio.Run{{First: 2, Count: 2}, {First: 0, Count: 2}}
	// Somebody else is at work: nothing can be read back.
	err := a.session.ReadBack(t.Context(), readBack{read: func() error { return a.reorder(gone, order, 0) }}, nil, 0)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !slices.Equal(a.extents, before) || a.rows != rows {
		t.Errorf("%d rows in %d extents, were %d in %d", a.rows, len(a.extents), rows, len(before))
	}
	if err := a.reorder(t.Context(), order, 0); err != nil {
		t.Fatal(err)
	}
	if _, count, err := a.Commit(t.Context()); err != nil || count != rows {
		t.Errorf("%d rows: %v", count, err)
	}
}

// hook is what a test wants of commits.
type hook func(ctx context.Context, d *log.Draft) (log.Committed, error)

func (h hook) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) { return h(ctx, d) }

func open(t *testing.T, v *Vectors, options StreamOptions) *AppendStream {
	t.Helper()
	a, err := v.OpenAppend(v.env.Head.Current().Origin(), options)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func write(t *testing.T, a *AppendStream, p []byte) {
	t.Helper()
	if _, err := a.Write(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/memory"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// pouring is a stream as a mount uses it.
type pouring interface {
	Afford(context.Context, int) error
	Write(context.Context, []byte) (int, error)
	Flush(context.Context) error
	Close(context.Context) error
}

// pourAffordably writes data in pieces, each of which it waits for memory for.
func pourAffordably(ctx context.Context, stream pouring, data []byte) error {
	for len(data) > 0 {
		piece := data[:min(len(data), 1<<20)]
		if err := stream.Afford(ctx, len(piece)); err != nil {
			return err
		}
		if _, err := stream.Write(ctx, piece); err != nil {
			return err
		}
		data = data[len(piece):]
	}
	return nil
}

func usingMemory(t *testing.T, dimension int, budget *memory.Budget) *Store {
	t.Helper()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: filelog.Shelf{Files: volumes.New()}, Memory: budget})
	if err != nil {
		t.Fatal(err)
	}
	return closedAtEnd(t, s)
}

// TestStreamsChargeForWhatTheyHold: an idle stream is charged for what it has not
// handed on, and for nothing after a commit or its end.
func TestStreamsChargeForWhatTheyHold(t *testing.T) {
	t.Parallel()
	line := `{"vector":[` + strings.Repeat("1,", 30_000)
	rawRow := make([]byte, 200_000)
	numbers := strings.Repeat("123456789,", 10_000)
	for _, c := range []struct {
		name        string
		open        func(*Store) (pouring, error)
		half, rest  string
		least, most int64 // bytes charged for half of a record
	}{
		{"JSON", func(s *Store) (pouring, error) { return s.OpenAppend(context.Background(), ingest.StreamOptions{}) }, line, "1" + strings.Repeat(",1", 29_999) + "]}\n", 120_000, 400_000},
		{"table", func(s *Store) (pouring, error) {
			return s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.CSV})
		}, strings.Repeat("1,", 59_999), "1\n", 120_000, 250_000},
		{"raw", func(s *Store) (pouring, error) {
			return s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.RawF32})
		}, string(rawRow), string(rawRow[:40_000]), 200_000, 300_000},
		{"ids", func(s *Store) (pouring, error) { return s.OpenDelete(context.Background(), vecio.AutoIDs, nil) }, numbers, "1\n", 1, 500_000},
		{"small part", func(s *Store) (pouring, error) {
			return s.OpenEmbed(t.Context(), compute.PartWASMModule, compute.EmbedOptions{})
		}, "\x00asm", "\x01\x00\x00\x00", 4, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			budget := memory.NewBudget(64 << 20)
			s := usingMemory(t, 60_000, budget)
			before := budget.Usage().Used
			stream, err := c.open(s)
			if err != nil {
				t.Fatal(err)
			}
			if used := budget.Usage().Used - before; used != 0 {
				t.Errorf("an open stream takes %d bytes", used)
			}
			if err := pourAffordably(t.Context(), stream, []byte(c.half)); err != nil {
				t.Fatal(err)
			}
			if used := budget.Usage().Used - before; used < c.least || used > c.most {
				t.Errorf("half a record takes %d bytes, want %d to %d", used, c.least, c.most)
			}
			if err := pourAffordably(t.Context(), stream, []byte(c.rest)); err != nil {
				t.Fatal(err)
			}
			if err := stream.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if u := budget.Usage(); u.Used-u.Cached-before > 1000 {
				t.Errorf("after a commit: %+v", u)
			}
			if err := stream.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if u := budget.Usage(); u.Used-u.Cached != before {
				t.Errorf("at the end: %+v, before %d", u, before)
			}
		})
	}
}

// TestFailedStreamHoldsNothing: its descriptor may stay open for long.
func TestFailedStreamHoldsNothing(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(64 << 20)
	s := usingMemory(t, 2, budget)
	for name, open := range map[string]func() (pouring, error){
		"vectors": func() (pouring, error) {
			return s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON})
		},
		"ids": func() (pouring, error) { return s.OpenDelete(context.Background(), vecio.AutoIDs, nil) },
	} {
		stream, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if err := pourAffordably(t.Context(), stream, []byte(strings.Repeat("[1,2]\n", 100)+"x")); err == nil {
			t.Errorf("%s: nonsense was taken", name)
		}
		if u := budget.Usage(); u.Used != u.Cached {
			t.Errorf("%s: a stream that failed holds memory: %+v", name, u)
		}
		if err := stream.Afford(t.Context(), 1); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s: then: %v", name, err)
		}
		if err := stream.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestWritersGoOnInLittleMemory: a bulk load takes smaller blocks where memory is
// short, and never more than there is.
func TestWritersGoOnInLittleMemory(t *testing.T) {
	t.Parallel()
	const dimension, rows = 64, 100_000
	data := make([]byte, 4*dimension*rows)
	budget := memory.NewBudget(8 << 20)
	others := budget.Charge()
	others.Force(4 << 20)
	s := usingMemory(t, dimension, budget)
	stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.RawF32, FlushBytes: 9 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := pourAffordably(t.Context(), stream, data); err != nil {
		t.Fatal(err)
	}
	others.Free() // so that there is room for larger ones
	if err := pourAffordably(t.Context(), stream, data); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := budget.Usage(); u.Peak > u.Limit {
		t.Errorf("more than there is: %+v", u)
	}
	if status, err := s.Status(t.Context()); err != nil || status.LiveVectors != 2*rows {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestStreamWaitsForMemory: it waits while others use it, its caller may give up, and
// the stream is then as it was.
func TestStreamWaitsForMemory(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(8 << 20)
	s := usingMemory(t, 1, budget)
	synctest.Test(t, func(t *testing.T) {
		others := budget.Charge()
		others.Force(8 << 20)
		stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error)
		go func() { waited <- stream.Afford(ctx, 10) }()
		synctest.Wait()
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		if err := stream.Afford(t.Context(), 10); !errors.Is(err, memory.ErrNone) {
			t.Errorf("waited for long: %v", err)
		}
		go func() { waited <- pourAffordably(t.Context(), stream, []byte("[1]\n")) }()
		synctest.Wait()
		others.Free()
		if err := <-waited; err != nil {
			t.Error(err)
		}
		if err := stream.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if status, err := s.Status(t.Context()); err != nil || status.LiveVectors != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestListOfIDsIsBounded: ids to be deleted, and those of vectors that wait for their
// commit, are charged as they come, and no more is taken than there is room for.
func TestListOfIDsIsBounded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	ids := make([]byte, 8<<20)
	for i := 0; i < len(ids); i += 8 {
		binary.LittleEndian.PutUint64(ids[i:], random.Uint64())
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		budget := memory.NewBudget(8 << 20)
		stream, err := usingMemory(t, 1, budget).OpenDelete(context.Background(), vecio.RawIDs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := pourAffordably(t.Context(), stream, ids); !errors.Is(err, memory.ErrNever) {
			t.Errorf("a list over the limit: %v", err)
		}
		if u := budget.Usage(); u.Used > u.Limit || u.Used < u.Limit/4 {
			t.Errorf("%+v", u)
		}
		if err := errors.Join(stream.Refuse(errors.New("no more")), stream.Close(t.Context())); err == nil {
			t.Error("the stream went on")
		}
		if u := budget.Usage(); u.Used != u.Cached {
			t.Errorf("at the end: %+v", u)
		}
	})
	t.Run("appended", func(t *testing.T) {
		t.Parallel()
		budget := memory.NewBudget(20 << 20)
		s := usingMemory(t, 1, budget)
		var text bytes.Buffer
		for i := 0; i < len(ids); i += 8 {
			text.WriteString(`{"id":`)
			text.WriteString(strconv.FormatUint(binary.LittleEndian.Uint64(ids[i:])>>1, 10))
			text.WriteString(`,"vector":[1]}` + "\n")
		}
		stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON})
		if err != nil {
			t.Fatal(err)
		}
		err = pourAffordably(t.Context(), stream, text.Bytes())
		if err == nil {
			err = stream.Flush(t.Context())
		}
		if u := budget.Usage(); err != nil || u.Peak < int64(len(ids)) || u.Peak > u.Limit {
			t.Errorf("the ids of a load are not charged: %+v, %v", u, err)
		}
		if err := stream.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if u := budget.Usage(); u.Used != u.Cached {
			t.Errorf("at the end: %+v", u)
		}
	})
}

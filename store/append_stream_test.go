package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"rvffs/store/ingest"
	"rvffs/store/storetest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// TestStreamCommitsOnItsWay writes a stream of many times the flush policy's
// bytes: it must be committed in parts, all of which are reported, and a bad
// record may only cost what came since the last of them.
func TestStreamCommitsOnItsWay(t *testing.T) {
	t.Parallel()
	const dimension, rows = 256, 40_000
	data := make([]byte, 4*dimension*rows)
	for i := 0; i < len(data); i += 4 {
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(i%9973)))
	}
	bad := bytes.Clone(data)
	binary.LittleEndian.PutUint32(bad[len(bad)-4:], math.Float32bits(float32(math.NaN())))
	for _, c := range []struct {
		name string
		data []byte
		good bool
	}{{"good", data, true}, {"bad at the end", bad, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: dimension}, Options{Shelf: storetest.Shelf(t, filepath.Join(t.TempDir(), "a.rvf"))})
			if err != nil {
				t.Fatal(err)
			}
			var accepted, rejected uint64
			var received int64
			stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.RawF32, FlushBytes: 9 << 20, Report: func(r ingest.StreamReport) {
				accepted += r.Accepted
				received += r.Bytes
				rejected += r.Rejected
			}})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			for rest := c.data; len(rest) > 0 && err == nil; {
				n := min(len(rest), 1<<20-100)
				_, err = stream.Write(ctx, rest[:n])
				rest = rest[n:]
			}
			if err == nil {
				err = stream.Flush(ctx)
			}
			if c.good != (err == nil) || !c.good && !errors.Is(err, volume.ErrInput) {
				t.Errorf("the stream ended with %v", err)
			}
			if err := stream.Close(ctx); err != nil {
				t.Error(err)
			}
			if c.good && received != int64(len(c.data)) {
				t.Errorf("the reports count %d bytes of %d", received, len(c.data))
			}
			found := contents(t, s)
			if uint64(len(found)) != accepted || c.good && accepted != rows {
				t.Errorf("%d vectors, %d reported as accepted, %d as rejected", len(found), accepted, rejected)
			}
			if !c.good && (accepted == 0 || rejected == 0) {
				t.Errorf("%d accepted, %d rejected", accepted, rejected)
			}
			for id, vector := range found {
				if vector[0] != float32(id*4*dimension%9973) {
					t.Fatalf("vector %d begins with %v", id, vector[0])
				}
			}
			if s.Current().Epoch() < 3 {
				t.Errorf("epoch %d", s.Current().Epoch())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRejectedCountsAllDroppedVectors writes two good rows, which are committed, and
// then three good ones and a bad one, which are dropped: four in every format.
func TestRejectedCountsAllDroppedVectors(t *testing.T) {
	t.Parallel()
	raw := func(values ...float32) string {
		var out []byte
		for _, v := range values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
		return string(out)
	}
	row := "\x02\x00\x00\x00" + raw(1, 2)
	for format, c := range map[vecio.Format]struct{ good, bad string }{
		vecio.RawF32: {raw(1, 2, 3, 4), raw(1, 2, 3, 4, 5, 6, 7, float32(math.NaN()))},
		vecio.JSON:   {"[1,2]\n[3,4]\n", "[1,2]\n[3,4]\n[5,6]\n[x]\n"},
		vecio.CSV:    {"1,2\n3,4\n", "1,2\n3,4\n5,6\n7,x\n"},
		vecio.Fvecs:  {row + row, row + row + row + "\x03\x00\x00\x00"},
	} {
		for name, flush := range map[string]bool{"after a commit": true, "alone": false} {
			t.Run(format.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				var accepted, rejected uint64
				s := newStore(t)
				stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Report: func(r ingest.StreamReport) {
					accepted += r.Accepted
					rejected += r.Rejected
				}})
				if err != nil {
					t.Fatal(err)
				}
				wantAccepted, want := uint64(0), uint64(4)
				if flush {
					wantAccepted = 2
					if _, err := stream.Write(ctx, []byte(c.good)); err != nil {
						t.Fatal(err)
					}
					if err := stream.Flush(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := stream.Write(ctx, []byte(c.bad)); !errors.Is(err, volume.ErrInput) {
					t.Errorf("%v", err)
				}
				if err := stream.Close(ctx); err != nil {
					t.Error(err)
				}
				if accepted != wantAccepted || rejected != want {
					t.Errorf("%d accepted, %d rejected, want %d and %d", accepted, rejected, wantAccepted, want)
				}
			})
		}
	}
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"rvffs/store/vecio"
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
			s, err := Create(filepath.Join(t.TempDir(), "a.rvf"), CreateOptions{Dimension: dimension}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var accepted, rejected uint64
			stream, err := s.OpenAppend(StreamOptions{Format: vecio.RawF32, FlushBytes: 9 << 20, Report: func(r StreamReport) {
				accepted += r.Accepted
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
			if c.good != (err == nil) || !c.good && !errors.Is(err, ErrInput) {
				t.Errorf("the stream ended with %v", err)
			}
			if err := stream.Close(ctx); err != nil {
				t.Error(err)
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

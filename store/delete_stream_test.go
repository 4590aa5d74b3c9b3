package store

import (
	"context"
	"errors"
	"strings"
	"testing"

	"rvffs/store/ingest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// deleting opens a stream of ids into a store of the vectors 0 to 9.
func deleting(t *testing.T) (*Store, *ingest.DeleteStream, *[]ingest.DeleteReport) {
	t.Helper()
	s := newStore(t)
	bring(t, s, nil, make([]float32, 20)...)
	reports := &[]ingest.DeleteReport{}
	stream, err := s.OpenDelete(context.Background(), vecio.AutoIDs, func(r ingest.DeleteReport) { *reports = append(*reports, r) })
	if err != nil {
		t.Fatal(err)
	}
	return s, stream, reports
}

func TestDeleteStreamIsOneCommit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, stream, reports := deleting(t)
	before := s.Current().Epoch()
	for _, part := range []string{"1\n2\n", "77\n2\n", "8"} {
		if _, err := stream.Write(ctx, []byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(contents(t, s)); got != 10 {
		t.Errorf("%d vectors before the close", got)
	}
	if err := errors.Join(stream.Flush(ctx), stream.Close(ctx), stream.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	left := contents(t, s)
	for _, id := range []uint64{1, 2, 8} {
		if _, there := left[id]; there {
			t.Errorf("vector %d is still there", id)
		}
	}
	if len(left) != 7 || s.Current().Epoch() != before+1 {
		t.Errorf("%d vectors at epoch %d, was %d", len(left), s.Current().Epoch(), before)
	}
	if len(*reports) != 1 || (*reports)[0].Deleted != 3 || (*reports)[0].Missing != 1 || (*reports)[0].Bytes != 10 || (*reports)[0].Format != vecio.TextIDs {
		t.Errorf("reports %+v", *reports)
	}
}

func TestBadStreamOfIDsDeletesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, end := range map[string]func(*ingest.DeleteStream) error{
		"a bad id": func(d *ingest.DeleteStream) error {
			_, err := d.Write(ctx, []byte("[1,2]\n3 x"))
			return errors.Join(err, d.Close(ctx))
		},
		"a negative id in an array": func(d *ingest.DeleteStream) error {
			header := "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n"
			ids := "\x01\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\xff", 8)
			_, err := d.Write(ctx, []byte("\x93NUMPY\x01\x00"+string(rune(len(header)))+"\x00"+header+ids))
			return errors.Join(err, d.Close(ctx))
		},
		"an open array": func(d *ingest.DeleteStream) error {
			if _, err := d.Write(ctx, []byte("[1,2,3")); err != nil {
				return nil
			}
			if err := d.Flush(ctx); !errors.Is(err, volume.ErrInput) {
				return nil
			}
			return d.Close(ctx)
		},
		"a killed writer": func(d *ingest.DeleteStream) error {
			if _, err := d.Write(ctx, []byte("[1,2,3]")); err != nil {
				return nil
			}
			if err := d.Abandon(ctx); !errors.Is(err, ingest.ErrKilled) {
				return nil
			}
			return errors.Join(volume.ErrInput, d.Close(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, stream, reports := deleting(t)
			if err := end(stream); !errors.Is(err, volume.ErrInput) {
				t.Errorf("%v", err)
			}
			if got := len(contents(t, s)); got != 10 {
				t.Errorf("%d of 10 vectors are left", got)
			}
			if len(*reports) != 1 || (*reports)[0].Err == nil {
				t.Errorf("reports %+v", *reports)
			}
			if _, err := stream.Write(ctx, []byte("1\n")); err == nil {
				t.Error("the stream goes on")
			}
		})
	}
}

// TestFlushedStreamOfIDsGoesOn commits twice, the second time what came since.
func TestFlushedStreamOfIDsGoesOn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, stream, reports := deleting(t)
	for _, part := range []string{"1", "2", "\n3\n"} {
		if _, err := stream.Write(ctx, []byte(part)); err != nil {
			t.Fatal(err)
		}
		if err := stream.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if got := len(contents(t, s)); got != 7 || len(*reports) != 3 || (*reports)[0].Bytes != 1 || (*reports)[2].Bytes != 3 {
		t.Errorf("%d vectors left, reports %+v", got, *reports)
	}
}

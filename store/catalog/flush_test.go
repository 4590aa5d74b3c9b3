package catalog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"rvffs/store/ingest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// mkdir makes a store or a folder at the root.
func (p *place) mkdir(name string) {
	p.Helper()
	if _, err := p.catalog.Root().Make(context.Background(), name, 0o755); err != nil {
		p.Fatal(err)
	}
}

func (p *place) open(full string) *ingest.AppendStream {
	p.Helper()
	stream, err := p.find(full).Store.OpenAppend(context.Background(), vecio.Auto)
	if err != nil {
		p.Fatal(err)
	}
	return stream
}

// TestFlushTakesOpenStreamsAlone: of a stream that ended its writer knows, and
// whoever flushes does not hear of it.
func TestFlushTakesOpenStreamsAlone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, nil, Options{})
	p.mkdir("a.rvf")
	closed, failed, open := p.open("a.rvf"), p.open("a.rvf"), p.open("a.rvf")
	for _, stream := range []*ingest.AppendStream{closed, open} {
		if _, err := stream.Write(ctx, []byte("[1,2]\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := closed.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := failed.Write(ctx, []byte("[1,2,3]\n")); !errors.Is(err, volume.ErrInput) {
		t.Fatalf("a wrong record: %v", err)
	}
	s := p.find("a.rvf").Store
	if err := s.Flush(ctx); err != nil {
		t.Errorf("flush: %v", err)
	}
	if snapshot := p.snapshot("a.rvf"); snapshot.Manifest().TotalVectors != 2 {
		t.Errorf("%d vectors are committed, want 2", snapshot.Manifest().TotalVectors)
	}
	for _, stream := range []*ingest.AppendStream{closed, failed, open} {
		if err := stream.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

// TestFlushBesideClosingStreams never fails.
func TestFlushBesideClosingStreams(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPlace(t, nil, Options{})
	p.mkdir("a.rvf")
	s := p.find("a.rvf").Store
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 20 {
				stream, err := s.OpenAppend(ctx, vecio.Auto)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := stream.Write(ctx, []byte(strings.Repeat("[1,2]\n", 3))); err != nil {
					t.Error(err)
				}
				if err := stream.Close(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	over := make(chan struct{})
	var flushing sync.WaitGroup
	flushing.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if err := s.Flush(ctx); err != nil {
				t.Errorf("flush: %v", err)
				return
			}
		}
	})
	writers.Wait()
	close(over)
	flushing.Wait()
	if snapshot := p.snapshot("a.rvf"); snapshot.Manifest().TotalVectors != 240 {
		t.Errorf("%d vectors are committed, want 240", snapshot.Manifest().TotalVectors)
	}
}

package store

import (
	"context"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

func TestSmallCommitsStaySmall(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 384}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	const commits = 3000
	want := map[uint64][]float32{}
	longest := uint64(0)
	for i := range commits {
		vector := make([]float32, 384)
		vector[0] = float32(i)
		id := uint64(i % 2900)
		want[id] = vector
		if _, err := s.Ingest(context.Background(), []uint64{id}, vector); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, s.Current().State().Segment.PayloadLength)
	}
	if longest > 64<<10 {
		t.Errorf("a manifest grew to %d bytes", longest)
	}
	sameContents(t, contents(t, s), want)
	raw := int64(commits * segments.RowSize(384))
	t.Logf("manifest at most %d bytes, %d segments, file %.2f times the rows", longest, len(s.Current().Vectors()), float64(s.Current().Size())/float64(raw))
	witnesses, err := auditChain(t.Context(), s.Current())
	if err != nil || len(witnesses) != commits {
		t.Fatalf("%d witness entries: %v", len(witnesses), err)
	}
	for i, entry := range witnesses[1:] {
		if entry.Verdict != "linked" {
			t.Fatalf("entry %d: %+v", i+1, entry)
		}
	}
	status, err := s.Status(context.Background())
	if err != nil || status.LiveVectors != 2900 {
		t.Errorf("%+v %v", status, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package compact

import (
	"context"
	"errors"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// store is what a compactor needs of one, and no more.
type store struct {
	*Compactor
	log     *log.Log
	head    *state.Head
	vectors *ingest.Vectors
}

// newStore makes an empty one. Commits make the compactor consider what is due.
func newStore(t testing.TB, files filelog.FileSystem, dimension int, told func(Result, error)) *store {
	t.Helper()
	file, err := files.Create("a.rvf", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: uint16(dimension)})
	if err == nil {
		_, err = file.WriteAt(image, 0)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	where := filelog.New(filelog.Place{Files: files, Name: "a.rvf"}, volume.LogOptions{})
	version, err := where.Open(context.Background(), volume.Known{})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{head: state.NewHead(where, version, nil, state.BackingOptions{})}
	ids := rows.NewIDTable()
	s.vectors = ingest.New(ingest.Environment{
		Head: s.head, IDs: ids,
		Kept:  func(context.Context) (uint64, bool, error) { return 0, false, nil },
		Begin: func(ctx context.Context) (*log.Session, error) { return s.log.Begin(ctx) },
		Compact: func(ctx context.Context, without *idset.Set) error {
			_, err := s.Compact(ctx, without)
			return err
		},
	})
	s.log = log.New(log.Environment{
		File: where, Head: s.head, Clock: time.Now,
		Writable:  func(ctx context.Context, s *state.Snapshot) error { return s.Writable(ctx) },
		Keep:      func(context.Context, volume.Bytes, *state.Snapshot) error { return nil },
		Published: func(after *state.Snapshot) { s.Consider(after) },
		Hooks:     []log.Hook{s.vectors, s.vectors.Removals()},
	})
	s.Compactor = New(Environment{Log: s.log, Head: s.head, IDs: ids, OnCompaction: told})
	return s
}

// ingest commits vectors of zeros, of these ids or of free ones.
func (s *store) ingest(t testing.TB, count int, ids []uint64) {
	t.Helper()
	if _, err := s.vectors.Batch(context.Background(), ids, make([]float32, count*s.head.Current().Dimension())); err != nil {
		t.Fatal(err)
	}
}

// delete commits the deletion of the ids from one on.
func (s *store) delete(t testing.TB, from, count uint64) {
	t.Helper()
	ids := idset.New()
	for id := from; id < from+count; id++ {
		ids.Insert(id)
	}
	if _, err := s.vectors.Delete(context.Background(), ids); err != nil {
		t.Fatal(err)
	}
}

// live are the ids of the vectors that are left, in their order.
func live(t testing.TB, of rows.Sources) (ids []uint64) {
	t.Helper()
	err := rowstest.Visit(context.Background(), of, func(some []uint64, _ []byte) error {
		ids = append(ids, some...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

package ingest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// lone is a way into an empty store of a dimension that nothing else belongs to but hooks
// that have their say before.
func lone(t *testing.T, dimension uint16, before ...log.Hook) (*Vectors, *log.Log) {
	t.Helper()
	files := volumes.New()
	file, err := files.Create("a.rvf", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: dimension})
	if err == nil {
		_, err = file.WriteAt(image, 0)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	where := filelog.New(filelog.Place{Files: files, Name: "a.rvf"}, volume.LogOptions{})
	version, err := where.Open(t.Context(), volume.Known{})
	if err != nil {
		t.Fatal(err)
	}
	head := state.NewHead(where, version, nil, state.BackingOptions{})
	var changes *log.Log
	vectors := New(Environment{
		Head: head, IDs: rows.NewIDTable(), Streams: stream.NewRegister(func() string { return "a.rvf" }, func(context.Context, state.Origin) error { return nil }),
		Kept:    func(context.Context) (uint64, bool, error) { return 0, false, nil },
		Begin:   func(ctx context.Context) (*log.Session, error) { return changes.Begin(ctx) },
		Compact: func(context.Context, *idset.Set) error { return errors.New("nothing is there to be compacted") },
	})
	changes = log.New(log.Environment{
		File: where, Head: head, Clock: time.Now, Published: func(*state.Snapshot) {},
		Writable: func(context.Context, *state.Snapshot) error { return nil },
		Keep:     func(context.Context, volume.Bytes, *state.Snapshot) error { return nil },
		Hooks:    append(before, vectors, vectors.Removals()),
	})
	return vectors, changes
}

// TestCommitLooksForItsCaller alone: who is gone before anything was written has changed
// nothing.
func TestCommitLooksForItsCaller(t *testing.T) {
	t.Parallel()
	vectors, changes := lone(t, 2)
	if _, err := vectors.Batch(t.Context(), []uint64{1}, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	session, err := changes.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	begun, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() { // somebody looks through the ids
		over <- vectors.env.IDs.At(context.Background(), session.Base(), func(*idset.Set) error {
			close(begun)
			<-goOn
			return nil
		})
	}()
	<-begun
	vectors.dimension(session)
	manifest := *session.Base().Manifest()
	brings := vectorChange{added: []*rowExtent{{rows: 1, ids: idset.Of([]uint64{2}), given: idset.New()}}}
	d := &log.Draft{Base: session.Base(), Manifest: &manifest, Changes: []log.Change{{Content: brings}}}
	if _, err := vectors.Draft(gone, d); !errors.Is(err, context.Canceled) {
		t.Errorf("ids are counted for nobody: %v", err)
	}
	close(goOn)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if err := session.End(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedIDsThatStay: a list of deleted ids stays as it is only where a commit takes
// nothing from it and where it ascends.
func TestDeletedIDsThatStay(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	stayed := 0
	for range 5000 {
		pick := func(most int) []uint64 {
			ids := make([]uint64, random.IntN(most))
			for i := range ids {
				ids[i] = random.Uint64N(60)
			}
			return ids
		}
		deleted, added := pick(12), idset.Of(pick(5))
		if random.IntN(4) > 0 {
			slices.Sort(deleted)
		}
		if random.IntN(4) > 0 {
			deleted = slices.Compact(deleted)
		}
		want := slices.Equal(deleted, idset.Of(deleted).Ascending()) && idset.Of(deleted).Shared(added) == 0
		if got := leaves(added, deleted); got != want {
			t.Fatalf("deleted %v, added %v: %v", deleted, added.Ascending(), got)
		}
		if want {
			stayed++
		}
	}
	if stayed < 500 {
		t.Errorf("%d lists stayed", stayed)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// raceRun is eight writers, eight readers, a compactor and a parent on one store.
type raceRun struct {
	store    *Store
	folder   string
	shelf    volume.Shelf // that folder
	deadline time.Time

	mu           sync.Mutex
	acknowledged map[uint64][]float32
	counts       map[string]int // what was done
}

const (
	raceWriters = 8
	raceReaders = 8
	raceIDs     = 200 // of each writer; it writes them again and again
)

// TestWritersReadersAndCompactionAtOnce runs for RVFFS_RACE_SECONDS (3).
func TestWritersReadersAndCompactionAtOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	shelf := storetest.Shelf(t, filepath.Join(folder, "a.rvf"))
	checker := state.NewChecker(state.VerifyBackground)
	defer checker.Close()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: shelf, TurnWait: time.Minute, Checker: checker, OnDamage: func(found state.DamagedSegment) {
		t.Errorf("found damaged: %+v", found)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := &raceRun{
		store: s, folder: folder, shelf: shelf, acknowledged: map[uint64][]float32{}, counts: map[string]int{},
		deadline: time.Now().Add(time.Duration(numberFrom(t, "RVFFS_RACE_SECONDS", 3)) * time.Second),
	}
	var working sync.WaitGroup
	loop := func(what string, do func(round int) error) {
		working.Go(func() {
			for round := 0; !t.Failed() && (round == 0 || time.Now().Before(r.deadline)); round++ {
				if err := do(round); err != nil {
					t.Errorf("%s, round %d: %v", what, round, err)
				}
			}
		})
	}
	for writer := range uint64(raceWriters) {
		write := []func(uint64, int) error{r.ingest, r.streamIn, r.appendIn, r.deleteSome}[writer%4]
		loop(fmt.Sprintf("writer %d", writer), func(round int) error { return write(writer, round) })
	}
	for reader := range raceReaders {
		read := []func() error{r.readVectors, r.readViews, r.readStatus, r.readAsAnother}[reader%4]
		loop(fmt.Sprintf("reader %d", reader), func(int) error { return read() })
	}
	loop("compaction", func(int) error { return r.compact() })
	loop("derivation", r.derive)
	working.Wait()
	t.Logf("%v", r.counts)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	r.check(t, filepath.Join(folder, "a.rvf"))
}

// check compares what a new reader finds with what was acknowledged.
func (r *raceRun) check(t *testing.T, name string) {
	t.Helper()
	s, err := OpenReadOnly(context.Background(), filepath.Base(name), Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	sameContents(t, contents(t, s), r.acknowledged)
	if len(r.acknowledged) == 0 {
		t.Error("nothing was written")
	}
	entries, err := auditChain(t.Context(), s.Current())
	for i, entry := range entries {
		if want := map[bool]state.AuditVerdict{true: state.AuditStart, false: state.AuditLinked}[i == 0]; entry.Verdict != want {
			t.Errorf("entry %d of the audit chain: %+v", i, entry)
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(r.folder, "*"))
	hidden, err2 := filepath.Glob(filepath.Join(r.folder, ".*"))
	if err = errors.Join(err, err2); err != nil || len(left)+len(hidden) != 1 {
		t.Errorf("left behind: %q %q, %v", left, hidden, err)
	}
}

// acknowledge notes what has to be there from now on. Each writer has its own ids.
func (r *raceRun) acknowledge(what string, ids []uint64, value float32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
	for _, id := range ids {
		r.acknowledged[id] = vectorOf(id, value)
	}
}

func (r *raceRun) counted(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

// idsOf are some of a writer's ids, others in each round.
func idsOf(writer uint64, round int) []uint64 {
	first := writer*raceIDs + uint64(round*7)%(raceIDs-20)
	return run(first, 1+uint64(round)%20)
}

func (r *raceRun) ingest(writer uint64, round int) error {
	ids, value := idsOf(writer, round), float32(round)
	var vectors []float32
	for _, id := range ids {
		vectors = append(vectors, vectorOf(id, value)...)
	}
	if _, err := r.store.Ingest(context.Background(), ids, vectors); err != nil {
		return err
	}
	r.acknowledge("ingest", ids, value)
	return nil
}

// streamIn writes a stream that commits by itself now and then.
func (r *raceRun) streamIn(writer uint64, round int) error {
	ctx := context.Background()
	stream, err := r.store.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON, FlushBytes: 200, FlushInterval: time.Millisecond})
	if err != nil {
		return err
	}
	var ids []uint64
	value := float32(round)
	for part := range 4 {
		some := idsOf(writer, 4*round+part)
		ids = append(ids, some...)
		if _, err := stream.Write(ctx, streamed(some, value)); err != nil {
			return errors.Join(err, stream.Close(ctx))
		}
	}
	if err := stream.Close(ctx); err != nil {
		return err
	}
	r.acknowledge("stream", ids, value)
	return nil
}

// appendIn appends in parts, and gives every third attempt up.
func (r *raceRun) appendIn(writer uint64, round int) error {
	a := r.store.NewAppender()
	ids, value := idsOf(writer, round), float32(round)
	if err := a.Append(context.Background(), ids, rowsOf(ids, value)); err != nil {
		return errors.Join(err, a.Rollback())
	}
	if round%3 == 0 {
		r.counted("rollback")
		return a.Rollback()
	}
	if _, _, err := a.Commit(context.Background()); err != nil {
		return err
	}
	r.acknowledge("append", ids, value)
	return nil
}

// deleteSome writes vectors and deletes half of them.
func (r *raceRun) deleteSome(writer uint64, round int) error {
	if err := r.ingest(writer, round); err != nil {
		return err
	}
	ids := idsOf(writer, round)
	ids = ids[:len(ids)/2]
	result, err := r.store.Delete(context.Background(), ids)
	if err != nil {
		return err
	}
	if result.Deleted != uint64(len(ids)) {
		return fmt.Errorf("%+v of %d ids", result, len(ids))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts["delete"]++
	for _, id := range ids {
		delete(r.acknowledged, id)
	}
	return nil
}

// readVectors reads all vectors of a snapshot; each has to be whole.
func (r *raceRun) readVectors() error {
	snapshot, err := r.store.Snapshot(context.Background())
	if err != nil {
		return err
	}
	found, err := vectorsOf(snapshot)
	if errors.Is(err, volume.ErrStale) {
		return nil // its file was replaced before it was opened
	}
	if err != nil {
		return err
	}
	for id, vector := range found {
		if vector[1] != float32(id%1000) {
			return fmt.Errorf("vector %d is %v", id, vector)
		}
	}
	r.counted("read vectors")
	return nil
}

// readViews reads a snapshot's file and segments twice, with a pin on it.
func (r *raceRun) readViews() error {
	snapshot, err := r.store.Snapshot(context.Background())
	if err != nil {
		return err
	}
	pin, err := snapshot.Raw().Open(context.Background())
	if errors.Is(err, volume.ErrStale) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = pin.Close() }()
	first, err := contentOf(snapshot.Raw())
	if err != nil {
		return err
	}
	views, err := segmentViews(snapshot)
	if err != nil {
		return err
	}
	for _, view := range views {
		content, err := contentOf(view.View)
		if err != nil {
			return err
		}
		if _, err := segments.ParseHeader(content); err != nil {
			return fmt.Errorf("segment %s: %w", view.Name, err)
		}
	}
	again, err := contentOf(snapshot.Raw())
	if err == nil && !slices.Equal(first, again) {
		err = errors.New("the bytes of a snapshot changed")
	}
	r.counted("read views")
	return err
}

func (r *raceRun) readStatus() error {
	status, err := r.store.Status(context.Background())
	if errors.Is(err, volume.ErrStale) {
		return nil
	}
	if err == nil && status.LiveVectors+status.DeletedVectors != status.TotalVectors {
		err = fmt.Errorf("%+v", status)
	}
	r.counted("read status")
	return err
}

// readAsAnother reads the store as another program would.
func (r *raceRun) readAsAnother() error {
	s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: r.shelf, Checker: state.NewChecker(state.VerifyFirst)})
	if err != nil {
		return err
	}
	found, err := vectorsOf(s.Current())
	for id := range maps.Keys(found) {
		if id >= raceWriters*raceIDs {
			err = errors.Join(err, fmt.Errorf("there is a vector %d", id))
		}
	}
	r.counted("read as another program")
	return errors.Join(err, s.Close())
}

func (r *raceRun) compact() error {
	_, err := r.store.Compact(context.Background())
	if errors.Is(err, volume.ErrHeld) {
		r.counted("compaction refused")
		return nil
	}
	r.counted("compaction")
	return err
}

// derive makes a child, looks at it and removes it.
func (r *raceRun) derive(round int) error {
	name := fmt.Sprintf("child%d.rvf", round)
	if err := r.store.Derive(context.Background(), name, DeriveOptions{}); err != nil {
		return err
	}
	child, err := Open(context.Background(), name, Options{Shelf: r.shelf})
	if err != nil {
		return err
	}
	if child.ParentID() != r.store.FileID() {
		err = errors.New("the child has another parent")
	}
	r.counted("derivation")
	return errors.Join(err, child.Remove(context.Background(), child.shelf), child.Close())
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/recovery"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// cutStore is a committed store and what it held after each commit.
type cutStore struct {
	content []byte
	marks   []cutMark
}

// cutMark is the state of one manifest.
type cutMark struct {
	end   int64 // of the manifest
	model map[uint64][]float32
	embed []byte
}

// cutScripts make stores that are then cut at every so many bytes. Their vectors are
// all different, so that the bytes of each tell where it stands.
var cutScripts = map[string]struct {
	step   int
	script func(*crashWorkload)
}{
	"appended": {1, func(w *crashWorkload) {
		w.ingest(run(0, 3), 1)
		w.ingest(run(2, 5), 2)
	}},
	"replaced, deleted and added again": {17, func(w *crashWorkload) {
		w.ingest(run(0, 20), 1)
		w.ingest(run(5, 10), 2)
		w.delete(3, 4, 7, 18)
		w.ingest([]uint64{4, 18, 50}, 3)
		w.delete(run(0, 12)...)
	}},
	"a kernel": {13, func(w *crashWorkload) {
		w.ingest(run(0, 3), 1)
		w.kernel(bytes.Repeat([]byte("image"), 100))
		w.kernel(bytes.Repeat([]byte("other"), 90))
		w.ingest(run(1, 3), 2)
	}},
	"small commits that are merged": {389, func(w *crashWorkload) {
		for i := range uint64(2*log.MergeWidth + 3) {
			w.ingest([]uint64{i % 40, 100 + i}, float32(i+1))
		}
	}},
	"compacted": {11, func(w *crashWorkload) {
		w.ingest(run(0, 30), 1)
		w.delete(run(5, 10)...)
		w.compact()
		w.ingest(run(7, 2), 2)
	}},
	"large": {512, func(w *crashWorkload) {
		w.ingest(run(0, 500), 1)
		w.ingest(run(300, 1500), 2)
		w.delete(run(100, 250)...)
		w.ingest(run(200, 1000), 3)
	}},
}

// newCutStore runs a script and notes the state of each manifest.
func newCutStore(t *testing.T, script func(*crashWorkload)) *cutStore {
	w := newCrashWorkload(t, false)
	c := &cutStore{}
	script(w)
	w.must(w.store.Close())
	c.content = w.files.Names["a.rvf"].Content
	for i, mark := range w.marks {
		// The state of a mark is that of the file when so many changes had happened.
		files := w.files.State(volumes.Crash{After: mark.change, Torn: -1})
		if node := files.Names["a.rvf"]; node.Number != w.files.Names["a.rvf"].Number {
			continue // before a compaction
		}
		s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		w.must(err)
		c.marks = append(c.marks, cutMark{s.Current().Size(), w.marks[i].model, w.marks[i].embed})
	}
	return c
}

// cutFiles are a folder with the store cut to a length.
func (c *cutStore) cutFiles(length int) *volumes.Files {
	files := volumes.New()
	file, err := files.Create("a.rvf", 0o644)
	if err == nil {
		_, err = file.WriteAt(c.content[:length], 0)
	}
	if err = errors.Join(err, file.SyncData(), files.SyncDirectory("a.rvf")); err != nil {
		panic(err)
	}
	return files
}

func rowBytes(id uint64, vector []float32) []byte {
	row := binary.LittleEndian.AppendUint64(nil, id)
	for _, component := range vector {
		row = binary.LittleEndian.AppendUint32(row, math.Float32bits(component))
	}
	return row
}

// base is the newest state that is left whole; false when none is.
func (c *cutStore) base(length int) (cutMark, int, bool) {
	for i := len(c.marks) - 1; i >= 0; i-- {
		if c.marks[i].end <= int64(length) {
			return c.marks[i], i, true
		}
	}
	return cutMark{}, -1, false
}

// want is what a recovery has to come to when the store was cut to a length: the
// newest whole state, and of the commit after it every vector whose bytes are there,
// and every deletion whose journal is.
func (c *cutStore) want(length int) cutMark {
	base, at, _ := c.base(length)
	want := cutMark{model: maps.Clone(base.model), embed: base.embed}
	if want.model == nil {
		want.model = map[uint64][]float32{}
	}
	if at+1 == len(c.marks) {
		return want
	}
	next, tail := c.marks[at+1], c.content[base.end:length]
	for id, vector := range next.model {
		if !slices.Equal(base.model[id], vector) && bytes.Contains(tail, rowBytes(id, vector)) {
			want.model[id] = vector
		}
	}
	if journalThere(tail) {
		for id := range base.model {
			if _, kept := next.model[id]; !kept {
				delete(want.model, id)
			}
		}
	}
	if next.embed != nil && bytes.Contains(tail, next.embed) && wholeSegment(tail, segments.TypeKernel) {
		want.embed = next.embed
	}
	return want
}

func wholeSegment(tail []byte, kind segments.Type) bool {
	for w := segments.NewWalker(bytes.NewReader(tail), 0, int64(len(tail))); w.Next(); {
		if w.Segment().Type == kind {
			return true
		}
	}
	return false
}

func journalThere(tail []byte) bool { return wholeSegment(tail, segments.TypeJournal) }

// holds compares a store with a state.
func (want cutMark) holds(s *Store) error {
	snapshot, err := s.Snapshot(context.Background())
	if err != nil {
		return err
	}
	found, err := vectorsOf(snapshot)
	if err != nil {
		return err
	}
	for id, vector := range want.model {
		if !slices.Equal(found[id], vector) {
			return fmt.Errorf("vector %d is %v, want %v", id, found[id], vector)
		}
	}
	for id, vector := range found {
		if _, wanted := want.model[id]; !wanted {
			return fmt.Errorf("vector %d is there: %v", id, vector)
		}
	}
	image, err := kernelImage(snapshot)
	if err != nil || !bytes.Equal(image, want.embed) {
		return fmt.Errorf("a kernel of %d bytes, want %d: %v", len(image), len(want.embed), err)
	}
	return nil
}

// afterCut are the things that may happen to a store that was cut before somebody
// thinks of recovering. Each returns what it added.
var afterCut = map[string]func(ctx context.Context, files *volumes.Files) (added map[uint64][]float32, err error){
	"nothing": func(context.Context, *volumes.Files) (map[uint64][]float32, error) { return nil, nil },
	"an append": func(ctx context.Context, files *volumes.Files) (map[uint64][]float32, error) {
		return appendAfterCut(ctx, files, func(*Store) error { return nil })
	},
	"an append and a compaction": func(ctx context.Context, files *volumes.Files) (map[uint64][]float32, error) {
		return appendAfterCut(ctx, files, func(s *Store) error {
			_, err := s.Compact(ctx)
			return err
		})
	},
	"a compaction": func(ctx context.Context, files *volumes.Files) (map[uint64][]float32, error) {
		s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
		if err != nil {
			return nil, err
		}
		_, err = s.Compact(ctx)
		return nil, errors.Join(err, s.Close())
	},
}

// appendAfterCut appends vectors that bring no ids: theirs must be none that the tail
// has.
func appendAfterCut(ctx context.Context, files *volumes.Files, then func(*Store) error) (map[uint64][]float32, error) {
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		return nil, err
	}
	before, err := vectorsOf(s.Current())
	if err != nil {
		return nil, err
	}
	if s.Current().Dimension() != 2 {
		return nil, fmt.Errorf("dimension %d", s.Current().Dimension())
	}
	if _, err = s.Ingest(ctx, nil, []float32{-7, -8, -9, -10}); err != nil {
		return nil, err
	}
	added, err := vectorsOf(s.Current())
	for id := range before {
		delete(added, id)
	}
	return added, errors.Join(err, then(s), s.Close())
}

// TestCutStoreLosesNothing cuts committed stores, a small one at every byte and a
// larger one at every 512th, and lets this and that happen to them. Looking changes no
// byte, nothing that is there is ever lost, and recover brings every committed vector
// back whose bytes are there.
func TestCutStoreLosesNothing(t *testing.T) {
	t.Parallel()
	for name, script := range cutScripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCutStore(t, script.script)
			step := script.step
			if testing.Short() {
				step *= 17
			}
			for length := len(c.content) / step * step; length >= 0; length -= step {
				c.checkCut(t, length)
			}
		})
	}
}

func (c *cutStore) checkCut(t *testing.T, length int) {
	t.Helper()
	for name, happens := range afterCut {
		if err := c.survives(length, happens); err != nil {
			t.Fatalf("cut to %d of %d bytes, then %s: %v", length, len(c.content), name, err)
		}
	}
}

func (c *cutStore) survives(length int, happens func(context.Context, *volumes.Files) (map[uint64][]float32, error)) error {
	ctx := context.Background()
	files := c.cutFiles(length)
	want := c.want(length)
	_, _, whole := c.base(length)
	if !whole {
		return c.rebuilds(ctx, files, length)
	}
	undecided, err := lookAt(ctx, files)
	if err != nil {
		return err
	}
	if !bytes.Equal(files.Content("a.rvf"), c.content[:length]) || len(files.Names) != 1 {
		return errors.New("looking changed something")
	}
	base, _, _ := c.base(length)
	lost := len(want.model) != len(base.model) || !bytes.Equal(want.embed, base.embed) ||
		!maps.EqualFunc(want.model, base.model, slices.Equal[[]float32])
	if lost && !undecided {
		return errors.New("nobody was told of what stands behind the manifest")
	}
	added, err := happens(ctx, files)
	if err != nil {
		return err
	}
	maps.Copy(want.model, added)
	for range 2 { // the second time nothing is left to do
		if err := recoverAll(ctx, files, want); err != nil {
			return err
		}
	}
	return onlyStore(files)
}

// lookAt looks at a store in all ways, and reports whether somebody is told to decide.
func lookAt(ctx context.Context, files *volumes.Files) (bool, error) {
	s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		return false, err
	}
	status, err := s.Status(ctx)
	if err != nil {
		return false, err
	}
	found, err := s.Verify(ctx)
	if err != nil {
		return false, err
	}
	if len(status.Tails) != len(found.Tails) || len(found.Tails) > 0 && found.Damages == 0 {
		return false, fmt.Errorf("status: %+v, verify: %+v", status.Tails, found)
	}
	listed, err := s.Recover(ctx, recovery.Options{List: true, Cut: true})
	listed = slices.DeleteFunc(listed, func(r recovery.Result) bool { return r.File == "" }) // a state is lost, and nothing to decide upon
	if err != nil || len(listed) != len(status.Tails) {
		return false, fmt.Errorf("listed %+v, %w", listed, err)
	}
	return len(status.Tails) > 0, s.Close()
}

// recoverAll recovers and compares.
func recoverAll(ctx context.Context, files *volumes.Files, want cutMark) error {
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		return err
	}
	results, err := s.Recover(ctx, recovery.Options{Cut: true})
	if err != nil {
		return err
	}
	for _, result := range results {
		for _, doubt := range result.Doubts {
			if doubt.Reason != recovery.DoubtHalf {
				return fmt.Errorf("undecided: %+v", result)
			}
		}
		if result.Gone != (len(result.Doubts) == 0) {
			return fmt.Errorf("%+v", result)
		}
		if result.Gone {
			continue
		}
		if _, err := s.Recover(ctx, recovery.Options{Drop: true}); err != nil {
			return err
		}
	}
	if err := want.holds(s); err != nil {
		return fmt.Errorf("after %+v: %w", results, err)
	}
	found, err := s.Verify(ctx)
	if err != nil || found.Damages > 0 || found.Notes > 0 {
		return fmt.Errorf("verify: %+v, %w", found, err)
	}
	return s.Close()
}

// wantRebuilt is want for a store that was cut before its first manifest.
func (c *cutStore) wantRebuilt(length int) cutMark {
	want := cutMark{model: map[uint64][]float32{}}
	for id, vector := range c.marks[0].model {
		if bytes.Contains(c.content[:length], rowBytes(id, vector)) {
			want.model[id] = vector
		}
	}
	if embed := c.marks[0].embed; bytes.Contains(c.content[:length], embed) && wholeSegment(c.content[:length], segments.TypeKernel) {
		want.embed = embed
	}
	return want
}

// rebuilds checks a store that was cut before its first manifest.
func (c *cutStore) rebuilds(ctx context.Context, files *volumes.Files, length int) error {
	want := c.wantRebuilt(length)
	options := Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1}
	err := Rebuild(ctx, "a.rvf", new(segments.L2), options)
	if len(want.model) == 0 && want.embed == nil {
		if !errors.Is(err, volume.ErrNotStore) || len(files.Names) != 1 || !bytes.Equal(files.Content("a.rvf"), c.content[:length]) {
			return fmt.Errorf("a file in which nothing is whole: %w", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if undecided, err := lookAt(ctx, files); err != nil || !undecided {
		return fmt.Errorf("after a rebuild nobody is told to decide: %w", err)
	}
	if err := recoverAll(ctx, files, want); err != nil {
		return err
	}
	return onlyStore(files)
}

// onlyStore checks that nothing is left beside the store.
func onlyStore(files *volumes.Files) error {
	if names := slices.Sorted(maps.Keys(files.Names)); len(names) != 1 || names[0] != "a.rvf" {
		return fmt.Errorf("left: %s", strings.Join(names, ", "))
	}
	return nil
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// crashWorkload is a script on one store, and what the store has to hold at each
// moment that the engine acknowledged something.
type crashWorkload struct {
	t     *testing.T
	files *volumes.Files
	store *Store
	model map[uint64][]float32
	marks []crashMark
	embed []byte // the kernel image that has to be there
	from  int    // length of the log from which on crashes are tried
}

// crashMark is what was promised from one moment on.
type crashMark struct {
	change int // length of the log
	model  map[uint64][]float32
	embed  []byte
}

func newCrashWorkload(t *testing.T, plain bool) *crashWorkload {
	w := &crashWorkload{t: t, files: volumes.New(), model: map[uint64][]float32{}}
	w.files.Plain = plain
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: w.files}})
	w.must(err)
	w.store = s
	w.acknowledged()
	return w
}

func (w *crashWorkload) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *crashWorkload) acknowledged() {
	w.marks = append(w.marks, crashMark{w.files.Changes(), maps.Clone(w.model), w.embed})
}

func (w *crashWorkload) ingest(ids []uint64, value float32) {
	vectors := make([]float32, 0, 2*len(ids))
	for _, id := range ids {
		w.model[id] = []float32{value, float32(id % 1000)}
		vectors = append(vectors, w.model[id]...)
	}
	_, err := w.store.Ingest(context.Background(), ids, vectors)
	w.must(err)
	w.acknowledged()
}

func (w *crashWorkload) delete(ids ...uint64) {
	for _, id := range ids {
		delete(w.model, id)
	}
	_, err := w.store.Delete(context.Background(), ids)
	w.must(err)
	w.acknowledged()
}

func (w *crashWorkload) compact() {
	_, err := w.store.Compact(context.Background())
	w.must(err)
	w.acknowledged()
}

func (w *crashWorkload) kernel(image []byte) {
	w.embed = image
	_, err := w.store.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: "quiet"})
	w.must(err)
	w.acknowledged()
}

func run(first, count uint64) []uint64 {
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = first + uint64(i)
	}
	return ids
}

// fakeManifest is a complete manifest segment, with a right hash, of a state that
// never was.
func fakeManifest() []byte {
	payload := (&segments.Manifest{Epoch: 999, Dimension: 7, TotalVectors: 1 << 40}).Encode()
	header := segments.Header{Version: 1, Type: segments.TypeManifest, ID: 3, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload)}
	encoded := header.Encode()
	return append(encoded[:], payload...)
}

// crashWorkloads are the scripts.
var crashWorkloads = map[string]func(*crashWorkload){
	"append": func(w *crashWorkload) {
		for i := range uint64(6) {
			w.ingest(run(10*i, 5+40*i), float32(i+1))
		}
	},
	"replace, delete and re-add": func(w *crashWorkload) {
		w.ingest(run(0, 30), 1)
		w.ingest(run(10, 5), 2)
		w.delete(3, 4, 12, 99)
		w.ingest([]uint64{12, 4}, 3)
		w.delete(12)
		w.ingest([]uint64{12, 1 << 60}, 4)
	},
	"compaction": func(w *crashWorkload) {
		w.ingest(run(0, 30), 1)
		w.delete(run(5, 10)...)
		w.compact()
		w.ingest(run(7, 2), 2)
		w.compact()
		w.compact()
		w.delete(1)
	},
	"merging small commits": func(w *crashWorkload) {
		for i := range uint64(log.MergeWidth - 1) {
			w.ingest([]uint64{i % 20}, float32(i))
		}
		w.from = w.files.Changes()
		for i := range uint64(3) {
			w.ingest([]uint64{i, 50}, 5)
		}
		w.delete(3, 50)
	},
	"compaction beside a stream": func(w *crashWorkload) {
		w.ingest(run(0, 30), 1)
		w.delete(run(5, 10)...)
		ctx := context.Background()
		a := w.store.NewAppender()
		write := func(ids []uint64) {
			rows := make([]float32, 0, 2*len(ids))
			for _, id := range ids {
				rows = append(rows, 9, float32(id%1000))
			}
			w.must(a.Append(ctx, ids, encodeRows(rows)))
			w.must(a.Flush()) // as if the block were full
		}
		write(run(100, 10))
		w.compact()
		write(run(110, 10))
		w.ingest(run(200, 3), 2)
		w.compact()
		for _, id := range run(100, 20) {
			w.model[id] = []float32{9, float32(id % 1000)}
		}
		_, _, err := a.Commit(context.Background())
		w.must(err)
		w.acknowledged()
	},
	"compaction that carries loads": func(w *crashWorkload) {
		followWithin(w.store, volume.FollowLimits{Little: 100, Frozen: 1000})
		w.ingest(run(0, 30), 1)
		w.delete(run(5, 10)...)
		ctx := context.Background()
		first, second := w.store.NewAppender(), w.store.NewAppender()
		write := func(a *ingest.Appender, ids []uint64) {
			w.must(a.Append(ctx, ids, rowsOf(ids, 9)))
			w.must(a.Flush()) // as if the block were full
		}
		commit := func(a *ingest.Appender, ids ...uint64) {
			put(ids, 9)(&crashMark{model: w.model})
			_, _, err := a.Commit(context.Background())
			w.must(err)
			w.acknowledged()
		}
		write(first, run(100, 30))
		write(second, run(200, 20))
		write(first, run(130, 10))
		w.compact()
		write(second, run(220, 5))
		w.ingest(run(300, 3), 2)
		w.must(second.Rollback())
		write(second, run(400, 10))
		w.compact()
		commit(second, run(400, 10)...)
		w.compact()
		commit(first, run(100, 40)...)
	},
	"kernels": func(w *crashWorkload) {
		w.ingest(run(0, 3), 1)
		w.kernel(bytes.Repeat([]byte("image"), 300))
		w.ingest(run(3, 3), 2)
		w.kernel(append(fakeManifest(), fakeManifest()...))
		w.compact()
	},
	"vectors that look like manifests": func(w *crashWorkload) {
		w.ingest(run(0, 3), 1)
		fake := fakeManifest()
		for len(fake)%8 != 0 {
			fake = append(fake, 0)
		}
		var ids []uint64
		var vectors []float32
		for i := 0; i < len(fake); i += 8 {
			id := uint64(100 + i)
			vector := []float32{finite(fake[i:]), finite(fake[i+4:])}
			w.model[id] = vector
			ids, vectors = append(ids, id), append(vectors, vector...)
		}
		_, err := w.store.Ingest(context.Background(), ids, vectors)
		w.must(err)
		w.acknowledged()
		w.ingest(run(3, 3), 2)
	},
	"ids that look like manifests": func(w *crashWorkload) {
		id := binary.LittleEndian.Uint64([]byte{0x53, 0x46, 0x56, 0x52, 1, 5, 0, 0})
		w.ingest([]uint64{1, id, id + 1, 2}, 1)
		w.delete(1)
		w.delete(id, 2)
		w.ingest([]uint64{id}, 2)
	},
	"two streams": func(w *crashWorkload) {
		ctx := context.Background()
		rows := func(ids []uint64, value float32) []byte {
			var encoded []byte
			for _, id := range ids {
				encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(value))
				encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(float32(id%1000)))
			}
			return encoded
		}
		first, second := w.store.NewAppender(), w.store.NewAppender()
		write := func(a *ingest.Appender, ids []uint64, value float32) {
			w.must(a.Append(ctx, ids, rows(ids, value)))
			w.must(a.Flush()) // as if the block were full
		}
		commit := func(a *ingest.Appender, ids []uint64, value float32) {
			for _, id := range ids {
				w.model[id] = []float32{value, float32(id % 1000)}
			}
			_, _, err := a.Commit(context.Background())
			w.must(err)
			w.acknowledged()
		}
		write(first, run(0, 20), 1)
		write(second, run(100, 20), 2)
		write(first, run(20, 20), 1)
		commit(second, run(100, 20), 2)
		write(second, run(200, 9), 3)
		write(first, run(40, 20), 1)
		w.must(second.Rollback())
		commit(first, run(0, 60), 1)
		write(first, run(300, 5), 5)
		w.must(first.Rollback())
		w.ingest(run(400, 2), 6)
	},
}

// finite is the float of four bytes that must not be NaN or infinite.
func finite(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }

func TestEveryCrashKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	var checked atomic.Int64
	t.Run("workloads", func(t *testing.T) {
		for name, script := range crashWorkloads {
			for kind, plain := range map[string]bool{"": false, " on plain files": true} {
				if plain && !strings.Contains(name, "compaction") { // commits are the same there
					continue
				}
				t.Run(name+kind, func(t *testing.T) {
					t.Parallel()
					w := newCrashWorkload(t, plain)
					script(w)
					w.must(w.store.Close())
					checked.Add(w.checkAll())
				})
			}
		}
	})
	t.Logf("%d crash states checked", checked.Load())
	if !testing.Short() && checked.Load() < 10_000 {
		t.Errorf("only %d crash states were built", checked.Load())
	}
}

// checkAll builds and checks the states that a crash at each point may leave.
func (w *crashWorkload) checkAll() int64 {
	var checked int64
	w.files.Crashes(max(w.from, w.marks[0].change), everyState(), func(what string, c volumes.Crash) {
		checked++
		err := w.check(c)
		if err == nil {
			err = w.sample(checked, c)
		}
		if err != nil {
			w.t.Fatalf("%s: after change %d of %d, torn at %d: %v", what, c.After, len(w.files.Log), c.Torn, err)
		}
	})
	return checked
}

// everyState says how many states are built of which one is tried.
func everyState() int {
	if testing.Short() {
		return 16
	}
	return 1
}

// check opens what a crash left and compares it with what was promised.
func (w *crashWorkload) check(c volumes.Crash) error {
	files := w.files.State(c)
	for name := range files.Names {
		if strings.HasSuffix(name, ".lock") {
			files.Age(name, time.Minute) // where locks are made in place, who comes at once waits
		}
	}
	allowed := w.allowed(c.After)
	err := checkState(files, allowed)
	if err != nil {
		return err
	}
	// The next writer gets on, and what was there stays.
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		return err
	}
	if _, err = s.Ingest(context.Background(), []uint64{7_000_000}, []float32{1, 2}); err != nil {
		return fmt.Errorf("the next commit: %w", err)
	}
	if err := thereForAll(files.Names["a.rvf"].Content, s.Current()); err != nil {
		return fmt.Errorf("after the next commit: %w", err)
	}
	for name := range files.Names {
		if _, is := volume.RemnantOf(name); is && c.Lost == nil {
			return fmt.Errorf("%s: of a process that died alone, it can be told that nothing was acknowledged", name)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	for i := range allowed {
		allowed[i].model = maps.Clone(allowed[i].model)
		allowed[i].model[7_000_000] = []float32{1, 2}
	}
	if err := checkState(files, allowed); err != nil {
		return fmt.Errorf("after the next commit: %w", err)
	}
	return nil
}

// sample keeps the store of a crash state for the reference runtime to open, if
// the environment names a folder for such samples.
func (w *crashWorkload) sample(number int64, c volumes.Crash) error {
	folder := os.Getenv("RVFFS_CRASH_SAMPLES")
	node, exists := w.files.State(c).Names["a.rvf"]
	if folder == "" || number%samplePace != 0 || !exists {
		return nil
	}
	name := fmt.Sprintf("%s-%d.rvf", strings.ReplaceAll(path.Base(w.t.Name()), " ", "_"), number)
	return os.WriteFile(filepath.Join(folder, name), node.Content, 0o644)
}

// samplePace is how many crash states one sample stands for.
const samplePace = 25

// allowed is what may be found when the log had so many entries: the last state
// that was acknowledged, or the one that was being made.
func (w *crashWorkload) allowed(after int) []crashMark {
	next, _ := slices.BinarySearchFunc(w.marks, after+1, func(m crashMark, after int) int { return m.change - after })
	return slices.Clone(w.marks[max(0, next-1):min(next+1, len(w.marks))])
}

func checkState(files *volumes.Files, allowed []crashMark) error {
	return checkStateOn(filelog.Shelf{Files: files}, allowed, func(*Store) ([]byte, error) { return files.Names["a.rvf"].Content, nil })
}

// checkStateOn is checkState for a store on a shelf, of which other programs get all bytes.
func checkStateOn(shelf volume.Shelf, allowed []crashMark, all func(*Store) ([]byte, error)) error {
	s, err := OpenReadOnly(context.Background(), "a.rvf", Options{Shelf: shelf})
	if err != nil {
		return err
	}
	found := map[uint64][]float32{}
	err = rowstest.Visit(context.Background(), rows.Of(s.Current()), func(ids []uint64, rows []byte) error {
		for i, id := range ids {
			found[id] = []float32{finite(rows[8*i:]), finite(rows[8*i+4:])}
		}
		return nil
	})
	if err != nil {
		return err
	}
	image, err := kernelImage(s.Current())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(allowed, func(mark crashMark) bool {
		return bytes.Equal(image, mark.embed) && maps.EqualFunc(found, mark.model, slices.Equal[[]float32])
	}) {
		return fmt.Errorf("%d vectors and a kernel of %d bytes were found, which is none of the %d states allowed", len(found), len(image), len(allowed))
	}
	status, err := s.Status(context.Background())
	if err != nil {
		return err
	}
	if status.LiveVectors != uint64(len(found)) || s.Current().Manifest().TotalVectors != status.TotalVectors {
		return fmt.Errorf("status %+v, manifest total %d, %d vectors found", status, s.Current().Manifest().TotalVectors, len(found))
	}
	content, err := all(s)
	if err == nil {
		err = errors.Join(believedByPeer(content, s.Current()), goneForAll(content, s.Current()))
	}
	return errors.Join(err, s.Close())
}

// goneForAll checks that nobody finds by its type what the newest manifest names no more, and
// what it never named. What stands behind that manifest is cut off by whoever writes next. An
// image that reads like a manifest is hidden by one more in front of the one that names it.
func goneForAll(content []byte, ours *state.Snapshot) error {
	walker := segments.NewWalker(bytes.NewReader(content), 0, ours.State().Segment.Offset)
	was := map[int64]bool{}
	var found []segments.Segment
	for walker.Next() {
		segment := walker.Segment()
		payload := content[segment.Offset+segments.HeaderSize:][:segment.PayloadLength]
		switch {
		case segment.Type == segments.TypeManifest:
			manifest, err := segments.ParseManifest(payload)
			if err != nil {
				return err
			}
			for _, entry := range manifest.Directory {
				was[entry.Offset] = true
			}
		case segment.Type.CountsByName() && !slices.ContainsFunc(ours.Named(), func(e segments.DirectoryEntry) bool { return e.Offset == segment.Offset }):
			found = append(found, segment)
		}
	}
	for _, segment := range found {
		verdict, err := segments.VerifySegment(bytes.NewReader(content), segment)
		if err != nil {
			return err
		}
		hidden := verdict != segments.HashMatch || segments.LooksLikeManifest(content[segment.Offset+segments.HeaderSize:][:segment.PayloadLength]) >= 0
		if was[segment.Offset] || !hidden {
			return fmt.Errorf("the %s segment at %d, which is gone, is found by its type", segment.Type, segment.Offset)
		}
	}
	return walker.Err()
}

// thereForAll checks that everybody finds by its type what the newest manifest names.
func thereForAll(content []byte, ours *state.Snapshot) error {
	for _, entry := range segments.CountedByName(ours.Named()) {
		if kind := segments.Type(content[entry.Offset+segments.TypeOffset]); kind != entry.Type {
			return fmt.Errorf("the %s segment at %d, which is there, has type %s for others", entry.Type, entry.Offset, kind)
		}
	}
	return nil
}

// believedByPeer checks that the reference runtime sees the same state. It takes
// the last bytes that read like a manifest's header for the newest manifest,
// whatever they stand in. A manifest that only states the former one again is as
// good.
func believedByPeer(content []byte, ours *state.Snapshot) error {
	for offset := len(content) - segments.HeaderSize; offset >= 0; offset-- {
		if !bytes.HasPrefix(content[offset:], []byte("SFVR")) || content[offset+5] != byte(segments.TypeManifest) {
			continue
		}
		header, err := segments.ParseHeader(content[offset:])
		if err != nil {
			return err
		}
		payload := content[offset+segments.HeaderSize:]
		theirs, err := segments.ParseManifest(payload[:min(uint64(len(payload)), header.PayloadLength)])
		if err != nil {
			return fmt.Errorf("another reader takes offset %d for a manifest: %w", offset, err)
		}
		own := ours.Manifest()
		if theirs.Epoch != own.Epoch || !slices.Equal(theirs.Directory, own.Directory) || !slices.Equal(theirs.Deleted, own.Deleted) {
			return fmt.Errorf("another reader takes the manifest of epoch %d at offset %d for the newest, it is that of epoch %d at %d",
				theirs.Epoch, offset, own.Epoch, ours.State().Segment.Offset)
		}
		return nil
	}
	return errors.New("another reader finds no manifest")
}

func kernelImage(s *state.Snapshot) ([]byte, error) {
	tree, err := compute.KindOf(segments.TypeKernel).Files(context.Background(), s)
	if err != nil || len(tree.Files) == 0 {
		return nil, err
	}
	views := tree.Files
	reader, err := views[0].View.Open(context.Background())
	if err != nil {
		return nil, err
	}
	image := make([]byte, views[0].View.Size())
	_, err = reader.ReadContext(context.Background(), image, 0)
	return image, errors.Join(err, reader.Close())
}

func TestCrashCheckFindsWhatItShould(t *testing.T) {
	t.Parallel()
	w := newCrashWorkload(t, false)
	w.ingest(run(0, 5), 1)
	w.marks[1].model[77] = []float32{1, 1} // a promise that was not kept
	err := w.check(volumes.Crash{After: len(w.files.Log), Torn: -1})
	if err == nil || !strings.Contains(err.Error(), "none of the") {
		t.Errorf("a lost vector was not found: %v", err)
	}
}

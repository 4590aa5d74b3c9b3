package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/recovery"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// tailStore is a store of dimension 2 with vectors 1, 2 and 3 in epoch 1.
func tailStore(t *testing.T) (*volumes.Files, *Store) {
	t.Helper()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}, TurnWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
	return files, s
}

// behind puts bytes at the end of a file, as a program does that ends before it
// commits, and gives the place of each.
func behind(t *testing.T, files *volumes.Files, parts ...[]byte) []int64 {
	t.Helper()
	file, err := files.Open("a.rvf", true)
	if err != nil {
		t.Fatal(err)
	}
	var places []int64
	for _, part := range parts {
		info, err := file.Describe()
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, info.Size)
		if _, err := file.WriteAt(part, info.Size); err != nil {
			t.Fatal(err)
		}
	}
	return places
}

// vecSegment is a segment of vectors (id, value).
func vecSegment(id uint64, value float32, ids ...uint64) []byte {
	var vectors []float32
	for _, id := range ids {
		vectors = append(vectors, value, float32(id))
	}
	return encodedSegment(segments.TypeVec, id, vecPayload(ids, vectors))
}

// keptBytes are what a kept tail holds of the store's own bytes.
func keptBytes(t *testing.T, files *volumes.Files, name string) []byte {
	t.Helper()
	_, _, start := tailInfo(t, files, name)
	return files.Content(name)[start:]
}

// TestWhatStandsBehindTheManifest tells what is somebody's from what is not.
func TestWhatStandsBehindTheManifest(t *testing.T) {
	t.Parallel()
	unsaidManifest := func(epoch uint32) []byte {
		segment := encodedSegment(segments.TypeManifest, 99, (&segments.Manifest{Epoch: epoch, Dimension: 2}).Encode())
		clear(segment[:4]) // the magic number comes last
		return segment
	}
	damaged := func(segment []byte) []byte {
		segment = bytes.Clone(segment)
		segment[len(segment)-1] ^= 1
		return segment
	}
	unhashed := func(segment []byte) []byte {
		segment = bytes.Clone(segment)
		clear(segment[40:56])
		return segment
	}
	const half = "1 segments of which only the beginning is there"
	vec, kernel := vecSegment(50, 5, 70, 71, 72), encodedSegment(segments.TypeKernel, 50, noise(200))
	for _, c := range []struct {
		name   string
		behind [][]byte
		want   string // of the tail; nothing: it is cut without a word
		kept   []byte // nil: all of it
	}{
		{"nothing", nil, "", nil},
		{"vectors", [][]byte{vec}, "3 vectors", nil},
		{"vectors of another dimension", [][]byte{encodedSegment(segments.TypeVec, 50, append([]byte{3, 0, 1, 0, 0, 0}, make([]byte, 20)...))}, "1 vectors", nil},
		{"a segment of no vectors", [][]byte{vecSegment(50, 5)}, "", nil},
		{"deletions", [][]byte{encodedSegment(segments.TypeJournal, 50, segments.EncodeJournal(2, []uint64{1, 2}))}, "2 deletions", nil},
		{"a kernel", [][]byte{encodedSegment(segments.TypeKernel, 50, []byte("kernel"))}, "1 embedded segments", nil},
		{"an index", [][]byte{encodedSegment(segments.TypeIndex, 50, []byte("index"))}, "", nil},
		{"an audit entry", [][]byte{encodedSegment(segments.TypeWitness, 50, segments.Witness{Action: []byte("query")}.Encode())}, "", nil},
		{"a cut segment of vectors", [][]byte{vec[:len(vec)-1]}, "2 vectors of a segment that was cut", nil},
		{"one of another dimension", [][]byte{encodedSegment(segments.TypeVec, 50, append([]byte{3, 0, 9, 0, 0, 0}, make([]byte, 180)...))[:150]}, half, nil},
		{"one in which no vector is whole", [][]byte{vec[:segments.HeaderSize+segments.VecPrefixSize+1]}, half, nil},
		{"one of which nothing but the counts is there", [][]byte{vec[:segments.HeaderSize+segments.VecPrefixSize]}, "", nil},
		{"a cut kernel", [][]byte{kernel[:len(kernel)-1]}, half, nil},
		{"the first byte of a kernel", [][]byte{kernel[:segments.HeaderSize+1]}, half, nil},
		{"a kernel's header", [][]byte{kernel[:segments.HeaderSize]}, "", nil},
		{"half a kernel's header", [][]byte{kernel[:segments.HeaderSize/2]}, "", nil},
		{"a kernel's header without a hash", [][]byte{unhashed(kernel)[:segments.HeaderSize+9]}, "", nil},
		{"a cut journal", [][]byte{journalSegment(1, 2)[:segments.HeaderSize+20]}, half, nil},
		{"cut metadata", [][]byte{encodedSegment(segments.TypeMeta, 50, noise(90))[:150]}, half, nil},
		{"a cut segment of an unknown type", [][]byte{encodedSegment(0xE7, 50, noise(90))[:150]}, half, nil},
		{"a cut audit entry", [][]byte{encodedSegment(segments.TypeWitness, 50, segments.Witness{Action: noise(90)}.Encode())[:140]}, "", nil},
		{"a cut manifest", [][]byte{encodedSegment(segments.TypeManifest, 50, (&segments.Manifest{Epoch: 2, Dimension: 2}).Encode())[:70]}, "", nil},
		{"two cut segments and vectors", [][]byte{kernel[:70], vec, kernel[:100]}, "3 vectors, 2" + half[1:], nil},
		{"damaged vectors", [][]byte{damaged(vec)}, "", nil},
		{"damaged vectors, and others", [][]byte{damaged(vec), vecSegment(51, 6, 80)}, "1 vectors", nil},
		{"a body of a stream", [][]byte{make([]byte, 500)}, "", nil},
		{"a body of a stream with bytes in it", [][]byte{make([]byte, 70), noise(500)}, "", nil},
		{"a body of a stream, and vectors of another program", [][]byte{make([]byte, 70), noise(500), vec}, "3 vectors", nil},
		{"an interrupted commit of ours", [][]byte{vec, unsaidManifest(2)}, "", nil},
		{"of which one header is missing", [][]byte{vec, make([]byte, 200), unsaidManifest(2)}, "", nil},
		{"and vectors of another program behind", [][]byte{vec, unsaidManifest(2), vecSegment(51, 6, 80)}, "1 vectors", vecSegment(51, 6, 80)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			files, s := tailStore(t)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			end := len(files.Content("a.rvf"))
			behind(t, files, c.behind...)
			before := bytes.Clone(files.Content("a.rvf"))
			var told []recovery.Tail
			s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}, OnTail: func(tail recovery.Tail) { told = append(told, tail) }})
			if err != nil {
				t.Fatal(err)
			}
			check := func(when string, kept bool) {
				t.Helper()
				status, err := s.Status(ctx)
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				if len(status.Tails) == 1 {
					got = status.Tails[0].String()
				}
				if got != c.want || len(status.Tails) > 1 || got != "" && status.Tails[0].Kept != kept {
					t.Errorf("%s: %+v, want %q", when, status.Tails, c.want)
				}
				found, err := s.Verify(ctx)
				if err != nil || (found.Damages > 0) != (c.want != "") || c.want != "" && !strings.Contains(found.Findings[len(found.Findings)-1].Text, c.want+" st") {
					t.Errorf("%s: verify: %+v, %v", when, found, err)
				}
			}
			check("before", false)
			if !bytes.Equal(before, files.Content("a.rvf")) || len(files.Names) != 1 {
				t.Error("looking changed something")
			}
			bring(t, s, []uint64{9}, 9, 9)
			check("after a commit", true)
			if len(told) != min(len(c.want), 1) {
				t.Errorf("told: %+v", told)
			}
			if c.want == "" {
				if err := onlyStore(files); err != nil {
					t.Error(err)
				}
				return
			}
			want := c.kept
			if want == nil {
				want = before[end:]
			}
			if got := keptBytes(t, files, "a.rvf.tail-1"); !bytes.Equal(got, want) {
				t.Errorf("%d bytes are kept, want %d, or others", len(got), len(want))
			}
			if found := contents(t, s); len(found) != 4 {
				t.Errorf("the store holds %v", found)
			}
		})
	}
}

// TestTailOfAWriterAtWork: what another program is just about to commit is not lost.
func TestTailOfAWriterAtWork(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	behind(t, files, vecSegment(50, 5, 70))
	putFile(t, files, "a.rvf.lock", lockOf(1, "elsewhere", time.Now()))
	if tails, err := s.Tails(ctx); err != nil || len(tails) > 0 {
		t.Errorf("%+v, %v", tails, err)
	}
	if found, err := s.Verify(ctx); err != nil || found.Damages > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if err := files.Remove("a.rvf.lock"); err != nil {
		t.Fatal(err)
	}
	if tails, err := s.Tails(ctx); err != nil || len(tails) != 1 {
		t.Errorf("%+v, %v", tails, err)
	}
}

// TestTailsOfOneEpoch are kept under names of their own, and none twice.
func TestTailsOfOneEpoch(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	missing := func() {
		t.Helper()
		if _, err := s.Delete(context.Background(), []uint64{1000}); err != nil { // takes the lock and changes nothing
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		value float32
		names int
	}{{5, 1}, {6, 2}, {5, 2}, {7, 3}} {
		behind(t, files, vecSegment(50, c.value, 70))
		missing()
		if tails, err := s.KeptTails(context.Background()); err != nil || len(tails) != c.names {
			t.Errorf("%+v, %v, want %d", tails, err, c.names)
		}
	}
	for _, name := range []string{"a.rvf.tail-1", "a.rvf.tail-1-2", "a.rvf.tail-1-3"} {
		if files.Content(name) == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// TestTailThatCannotBeKeptIsNotCut tries every operation of keeping one.
func TestTailThatCannotBeKeptIsNotCut(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for at := 1; ; at++ {
		files, s := tailStore(t)
		behind(t, files, vecSegment(50, 5, 70, 71))
		before := bytes.Clone(files.Content("a.rvf"))
		count := 0
		files.Fail = func(string) error {
			if count++; count >= at {
				return broken
			}
			return nil
		}
		_, err := s.Ingest(context.Background(), []uint64{9}, []float32{9, 9})
		files.Fail = nil
		if err == nil {
			break
		}
		_, kept := files.Names["a.rvf.tail-1"]
		if after := files.Content("a.rvf"); !bytes.HasPrefix(after, before) && !kept {
			t.Errorf("operation %d fails: the file has %d bytes instead of %d, and nothing is kept", at, len(after), len(before))
		}
		// The next writer does it.
		bring(t, s, []uint64{9}, 9, 9)
		if tails, err := s.KeptTails(context.Background()); err != nil || len(tails) != 1 || tails[0].Vectors != 2 {
			t.Errorf("operation %d fails: %+v, %v", at, tails, err)
		}
	}
}

// TestHandedOutIDsAvoidWhatIsKept, so that it can be brought back.
func TestHandedOutIDsAvoidWhatIsKept(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	behind(t, files, vecSegment(50, 5, 70, 71))
	bring(t, s, nil, 9, 9)
	if found := contents(t, s); found[72] == nil {
		t.Errorf("%v", found)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(context.Background(), []uint64{72}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, 9, 9)
	if found := contents(t, s); found[72] == nil {
		t.Errorf("by a later process: %v", found)
	}
	if _, err := s.Recover(context.Background(), recovery.Options{Drop: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(context.Background(), []uint64{72}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, 9, 9)
	if found := contents(t, s); found[4] == nil {
		t.Errorf("when it was let go: %v", found)
	}
}

// TestStoreWithATailIsNotRemoved, however empty it looks.
func TestStoreWithATailIsNotRemoved(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	behind(t, files, vecSegment(50, 5, 70))
	before := bytes.Clone(files.Content("a.rvf"))
	if err := s.Remove(t.Context(), s.shelf); !errors.Is(err, volume.ErrNotEmpty) || !bytes.Equal(before, files.Content("a.rvf")) || len(files.Names) != 1 {
		t.Errorf("remove: %v", err)
	}
	if _, err := s.Delete(context.Background(), []uint64{1000}); err != nil { // keeps it
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), s.shelf); !errors.Is(err, volume.ErrNotEmpty) || !strings.Contains(err.Error(), "a.rvf.tail-0") {
		t.Errorf("remove: %v", err)
	}
	if _, err := s.Recover(context.Background(), recovery.Options{Drop: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), s.shelf); err != nil || len(files.Names) > 0 {
		t.Errorf("remove: %v, left %v", err, files.Names)
	}
}

// TestRemovalEndsWithItsCaller, and so does a move, however long it takes to see what
// stands behind the manifest.
func TestRemovalEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	files, s := emptyStore(t)
	behind(t, files, vecSegment(50, 5, 70))
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Remove(gone, s.shelf); !errors.Is(err, context.Canceled) {
		t.Errorf("remove: %v", err)
	}
	if err := moveTo(gone, s, "b.rvf"); !errors.Is(err, context.Canceled) {
		t.Errorf("move: %v", err)
	}
	if len(files.Names) != 1 {
		t.Errorf("left %v", files.Names)
	}
}

// TestTailsGoAlong when a store is moved.
func TestTailsGoAlong(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	for i := range 2 {
		behind(t, files, vecSegment(50, float32(i), 70))
		if _, err := s.Delete(context.Background(), []uint64{1000}); err != nil {
			t.Fatal(err)
		}
	}
	if err := moveTo(t.Context(), s, "folder/b.rvdna"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range files.Names {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := fmt.Sprint(names); got != "[folder/b.rvdna folder/b.rvdna.tail-1 folder/b.rvdna.tail-1-2]" {
		t.Error(got)
	}
	if results, err := s.Recover(context.Background(), recovery.Options{Overwrite: true}); err != nil || len(results) != 2 {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestTailNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, store string
		is          bool
	}{
		{tailNamed("a.rvf", 7, 1), "a.rvf", true},
		{tailNamed("a.rvf", 7, 2), "a.rvf", true},
		{tailNamed("without", 0, 11), "without", true},
		{"a.rvf.tail-1.tail-2", "a.rvf.tail-1", true},
		{"a.rvf", "", false},
		{"a.rvf.tail-", "", false},
		{"a.rvf.tail-x", "", false},
		{"a.rvf.tail-1-", "", false},
		{"a.rvf.tail-4294967296", "", false},
		{".tail-1", "", false},
		{"a.rvf.tail-1.rvf", "", false},
	} {
		if store, is := volume.RemnantOf(c.name); is != c.is || is && store != c.store {
			t.Errorf("%s: %q, %t", c.name, store, is)
		}
	}
}

// TestDamagedTailFile is shown with the reason, and stays until somebody lets it go.
func TestDamagedTailFile(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, change := range map[string]func([]byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"cut":          func(b []byte) []byte { return b[:100] },
		"another byte": func(b []byte) []byte { b[80] ^= 1; return b },
		"a huge length": func(b []byte) []byte {
			copy(b[16:], []byte{255, 255, 255, 255, 255, 255, 255, 127})
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, s := tailStore(t)
			behind(t, files, vecSegment(50, 5, 70))
			bring(t, s, []uint64{9}, 9, 9)
			files.Names["a.rvf.tail-1"].Content = change(files.Content("a.rvf.tail-1"))
			status, err := s.Status(ctx)
			if err != nil || len(status.Tails) != 1 || status.Tails[0].Problem == "" {
				t.Errorf("%+v, %v", status.Tails, err)
			}
			if _, err := s.Recover(ctx, recovery.Options{}); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("recover: %v", err)
			}
			if _, err := s.Recover(ctx, recovery.Options{Drop: true}); err != nil {
				t.Errorf("drop: %v", err)
			}
			if err := onlyStore(files); err != nil {
				t.Error(err)
			}
		})
	}
}

// tailNamed is the n-th name, from 1, of a tail of a store.
func tailNamed(store string, epoch uint32, n int) string {
	if n == 1 {
		return fmt.Sprintf("%s.tail-%d", store, epoch)
	}
	return fmt.Sprintf("%s.tail-%d-%d", store, epoch, n)
}

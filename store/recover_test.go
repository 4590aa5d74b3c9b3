package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/recovery"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// keepBehind puts bytes behind the manifest of a store and lets a writer keep them.
func keepBehind(t *testing.T, files *volumes.Files, s *Store, parts ...[]byte) {
	t.Helper()
	behind(t, files, parts...)
	if _, err := s.Delete(context.Background(), []uint64{1_000_000}); err != nil {
		t.Fatal(err)
	}
	if tails, err := s.KeptTails(context.Background()); err != nil || len(tails) != 1 {
		t.Fatalf("%+v, %v", tails, err)
	}
}

// describeRecovery puts the account of one tail into words.
func describeRecovery(r recovery.Result) string {
	words := []string{fmt.Sprintf("%d recovered, %d present, %d deleted, %d others", r.Recovered, r.Present, r.Deleted, r.Others)}
	if r.LeftOut > 0 {
		words = append(words, fmt.Sprintf("%d left out", r.LeftOut))
	}
	for _, d := range r.Doubts {
		words = append(words, fmt.Sprintf("%d %s %v", d.Count, d.Reason, d.IDs))
	}
	if r.Gone {
		words = append(words, "gone")
	}
	return strings.Join(words, "; ")
}

// contentText lists the vectors of a store, whose second component is their id, by
// their first.
func contentText(t *testing.T, s *Store) string {
	t.Helper()
	found := contents(t, s)
	var words []string
	for _, id := range slices.Sorted(maps.Keys(found)) {
		words = append(words, fmt.Sprintf("%d:%v", id, found[id][0]))
	}
	return strings.Join(words, " ")
}

func journalSegment(ids ...uint64) []byte {
	return encodedSegment(segments.TypeJournal, 60, segments.EncodeJournal(2, ids))
}

// TestRecover tries what a tail may hold and what may have happened since it was cut
// off. The store has the vectors 1, 2 and 3 with themselves as values at first, of
// which 3 is deleted.
func TestRecover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	type action func(*testing.T, *Store)
	store := func(value float32, ids ...uint64) action {
		return func(t *testing.T, s *Store) {
			var vectors []float32
			for _, id := range ids {
				vectors = append(vectors, value, float32(id))
			}
			bring(t, s, ids, vectors...)
		}
	}
	remove := func(ids ...uint64) action {
		return func(t *testing.T, s *Store) {
			if _, err := s.Delete(ctx, ids); err != nil {
				t.Fatal(err)
			}
		}
	}
	compact := func(t *testing.T, s *Store) {
		if _, err := s.Compact(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(segment []byte, bytes int) []byte { return segment[:len(segment)-bytes] }
	damaged := func(segment []byte) []byte {
		segment = bytes.Clone(segment)
		segment[len(segment)-1] ^= 1
		return segment
	}
	manifest := encodedSegment(segments.TypeManifest, 61, (&segments.Manifest{Epoch: 3, Dimension: 2}).Encode())
	const doubtless = "; gone"
	for _, c := range []struct {
		name    string
		tail    [][]byte
		since   []action
		options recovery.Options
		want    string // of the account
		store   string // what it holds then
	}{
		{"new vectors", [][]byte{vecSegment(50, 9, 7, 8)}, nil, recovery.Options{},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 7:9 8:9"},
		{"other vectors of ids that were there", [][]byte{vecSegment(50, 9, 1, 7)}, nil, recovery.Options{},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9"},
		{"the same behind a compaction", [][]byte{vecSegment(50, 9, 1, 7)}, []action{store(5, 20), compact}, recovery.Options{},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9 20:5"},
		{"the last of several vectors of an id", [][]byte{vecSegment(50, 8, 1, 7), vecSegment(51, 9, 7, 1, 1)}, nil, recovery.Options{},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9"},
		{"one that the store has as it is", [][]byte{vecSegment(50, 1, 1)}, nil, recovery.Options{},
			"0 recovered, 1 present, 0 deleted, 0 others" + doubtless, "1:1 2:2"},
		{"one that was deleted before", [][]byte{vecSegment(50, 9, 3)}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 3:9"},
		{"one that was deleted before, behind a compaction", [][]byte{vecSegment(50, 9, 3)}, []action{compact}, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 3:9"},
		{"ids that were stored since", [][]byte{vecSegment(50, 9, 1, 7, 8)}, []action{store(5, 1, 7)}, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others; 2 " + recovery.DoubtNewer + " [1 7]", "1:5 2:2 7:5 8:9"},
		{"the same behind a compaction that nothing tells apart from before", [][]byte{vecSegment(50, 9, 1, 7, 8)}, []action{store(5, 1, 7), compact}, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others; 2 " + recovery.DoubtNewer + " [1 7]", "1:5 2:2 7:5 8:9"},
		{"overwritten all the same", [][]byte{vecSegment(50, 9, 1, 7, 8)}, []action{store(5, 1, 7)}, recovery.Options{Overwrite: true},
			"3 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9 8:9"},
		{"an id that was deleted since", [][]byte{vecSegment(50, 9, 1)}, []action{remove(1)}, recovery.Options{},
			"0 recovered, 0 present, 0 deleted, 0 others; 1 " + recovery.DoubtNewer + " [1]", "2:2"},
		{"and compacted away", [][]byte{vecSegment(50, 9, 1)}, []action{remove(1), compact}, recovery.Options{},
			"0 recovered, 0 present, 0 deleted, 0 others; 1 " + recovery.DoubtNewer + " [1]", "2:2"},
		{"ids that were stored since as they are in the tail", [][]byte{vecSegment(50, 9, 1, 7)}, []action{store(9, 1, 7)}, recovery.Options{},
			"0 recovered, 2 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9"},
		{"ids that were stored since and are what they were again", [][]byte{vecSegment(50, 9, 1)}, []action{store(5, 1), store(1, 1)}, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2"},
		{"deletions", [][]byte{journalSegment(1, 1000)}, nil, recovery.Options{},
			"0 recovered, 0 present, 1 deleted, 0 others" + doubtless, "2:2"},
		{"deletions of what was stored since", [][]byte{journalSegment(1, 2)}, []action{store(5, 1)}, recovery.Options{},
			"0 recovered, 0 present, 1 deleted, 0 others; 1 " + recovery.DoubtUndelete + " [1]", "1:5"},
		{"deletions of what is deleted", [][]byte{journalSegment(1, 3)}, []action{remove(1)}, recovery.Options{},
			"0 recovered, 0 present, 0 deleted, 0 others" + doubtless, "2:2"},
		{"a deletion of a vector of the same commit", [][]byte{vecSegment(50, 9, 7), journalSegment(7, 1)}, nil, recovery.Options{},
			"1 recovered, 0 present, 1 deleted, 0 others; 1 " + recovery.DoubtBoth + " [7]", "2:2 7:9"},
		{"a deletion of a vector of a commit before", [][]byte{vecSegment(50, 9, 7, 1), damaged(manifest), journalSegment(7, 1)}, nil, recovery.Options{},
			"0 recovered, 0 present, 1 deleted, 0 others" + doubtless, "2:2"},
		{"a vector behind its deletion", [][]byte{journalSegment(1), vecSegment(50, 9, 1)}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2"},
		{"a cut segment", [][]byte{cut(vecSegment(50, 9, 1, 7, 8), 1)}, nil, recovery.Options{},
			"0 recovered, 0 present, 0 deleted, 0 others; 2 " + recovery.DoubtCut + " [7 1]", "1:1 2:2"},
		{"a cut segment that is asked for", [][]byte{cut(vecSegment(50, 9, 1, 7, 8), 1)}, nil, recovery.Options{Cut: true},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:9 2:2 7:9"},
		{"a cut segment behind a whole one", [][]byte{vecSegment(50, 8, 7), cut(vecSegment(51, 9, 7, 8, 9), 1)}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others; 2 " + recovery.DoubtCut + " [8 7]", "1:1 2:2 7:8"},
		{"both asked for", [][]byte{vecSegment(50, 8, 7), cut(vecSegment(51, 9, 7, 8, 9), 1)}, nil, recovery.Options{Cut: true},
			"2 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 7:9 8:9"},
		{"a cut segment of what was stored since", [][]byte{cut(vecSegment(50, 9, 1, 7, 8), 1)}, []action{store(5, 1)}, recovery.Options{Cut: true},
			"1 recovered, 0 present, 0 deleted, 0 others; 1 " + recovery.DoubtNewer + " [1]", "1:5 2:2 7:9"},
		{"damaged vectors", [][]byte{damaged(vecSegment(50, 9, 7)), vecSegment(51, 9, 8)}, nil, recovery.Options{Cut: true, Overwrite: true},
			"1 recovered, 0 present, 0 deleted, 0 others; 1 " + recovery.DoubtDamaged + " []", "1:1 2:2 8:9"},
		{"another dimension", [][]byte{encodedSegment(segments.TypeVec, 50, append([]byte{3, 0, 1, 0, 0, 0}, make([]byte, 20)...)), vecSegment(51, 9, 8)}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others; 1 " + recovery.DoubtOther + " []", "1:1 2:2 8:9"},
		{"an index and an audit entry", [][]byte{vecSegment(50, 9, 8), encodedSegment(segments.TypeIndex, 51, []byte("index"))}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 8:9"},
		{"what belongs to the state before and behind", [][]byte{encodedSegment(unknownType, 49, []byte("before")), vecSegment(50, 9, 8), encodedSegment(unknownType, 51, []byte("behind"))}, nil, recovery.Options{},
			"1 recovered, 0 present, 0 deleted, 0 others" + doubtless, "1:1 2:2 8:9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, s := tailStore(t)
			remove(3)(t, s)
			keepBehind(t, files, s, c.tail...)
			for _, happens := range c.since {
				happens(t, s)
			}
			before := maps.Clone(files.Names)
			content := bytes.Clone(files.Content("a.rvf"))
			list := c.options
			list.List = true
			listed, err := s.Recover(ctx, list)
			if err != nil || len(listed) != 1 || !maps.Equal(before, files.Names) || !bytes.Equal(content, files.Content("a.rvf")) {
				t.Errorf("a list changed something: %+v, %v", listed, err)
			}
			results, err := s.Recover(ctx, c.options)
			if err != nil || len(results) != 1 {
				t.Fatalf("%+v, %v", results, err)
			}
			if got := describeRecovery(results[0]); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got, planned := describeRecovery(results[0]), describeRecovery(listed[0]); got != planned {
				t.Errorf("the list said %s, it came to %s", planned, got)
			}
			if got := contentText(t, s); got != c.store {
				t.Errorf("the store holds %s, want %s", got, c.store)
			}
			if _, stays := files.Names["a.rvf.tail-2"]; stays == results[0].Gone {
				t.Errorf("gone %t, and it is there: %t", results[0].Gone, stays)
			}
			// A second run does nothing more.
			epoch := s.Current().Epoch()
			again, err := s.Recover(ctx, c.options)
			if err != nil || s.Current().Epoch() != epoch || len(again) > 0 && (again[0].Recovered+again[0].Deleted+again[0].Others > 0 || again[0].Gone) {
				t.Errorf("again: %+v, %v", again, err)
			}
			if len(again) > 0 {
				dropped, err := s.Recover(ctx, recovery.Options{Drop: true})
				if err != nil || len(dropped) != 1 || !dropped[0].Dropped || !dropped[0].Gone {
					t.Errorf("dropped: %+v, %v", dropped, err)
				}
			}
			if err := onlyStore(files); err != nil {
				t.Error(err)
			}
			if got := contentText(t, s); got != c.store {
				t.Errorf("in the end the store holds %s, want %s", got, c.store)
			}
			if found, err := s.Verify(ctx); err != nil || found.Damages > 0 {
				t.Errorf("verify: %+v, %v", found, err)
			}
		})
	}
}

// TestRecoverInTwoSteps: what one run took does not stand in the way of the next.
func TestRecoverInTwoSteps(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	keepBehind(t, files, s, vecSegment(50, 8, 1, 7), vecSegment(51, 9, 7, 8, 1, 9)[:64+6+16+16+16+8])
	for _, c := range []struct {
		options recovery.Options
		want    string
		store   string
	}{
		{recovery.Options{}, "2 recovered, 0 present, 0 deleted, 0 others; 3 " + recovery.DoubtCut + " [8 1 7]", "1:8 2:2 3:3 7:8"},
		{recovery.Options{Cut: true}, "3 recovered, 0 present, 0 deleted, 0 others; gone", "1:9 2:2 3:3 7:9 8:9"},
	} {
		results, err := s.Recover(ctx, c.options)
		if err != nil || len(results) != 1 {
			t.Fatalf("%+v, %v", results, err)
		}
		if got := describeRecovery(results[0]); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		if got := contentText(t, s); got != c.store {
			t.Errorf("%s, want %s", got, c.store)
		}
	}
	if witnesses, err := auditChain(ctx, s.Current()); err != nil || !strings.HasPrefix(witnesses[len(witnesses)-1].Action, "recover:vectors=3,deleted=0,others=0,epoch=4") { // 2 may have been that of what was cut
		t.Errorf("audit chain: %+v, %v", witnesses, err)
	}
}

// TestRecoverWithoutMemoryOfBefore: when it is not known what the store had, nothing
// that it has is overwritten.
func TestRecoverWithoutMemoryOfBefore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	if _, err := s.Delete(ctx, []uint64{3}); err != nil {
		t.Fatal(err)
	}
	keepBehind(t, files, s, vecSegment(50, 9, 1, 3, 7))
	editTail(t, files, "a.rvf.tail-2", "before", -1)
	results, err := s.Recover(ctx, recovery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeRecovery(results[0]), "1 recovered, 0 present, 0 deleted, 0 others; 2 "+recovery.DoubtNewer+" [1 3]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRecoverByTheCutManifest: where its directory is there, it says what was part of
// the commit.
func TestRecoverByTheCutManifest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	base := s.Current()
	end := base.Size()
	own, rolledBack := vecSegment(50, 9, 1, 7), vecSegment(51, 8, 8, 9)
	manifest := segments.Manifest{
		Epoch: 2, Dimension: 2, TotalVectors: 4, Deleted: []uint64{2, 3},
		Directory: append(base.Named(), segments.DirectoryEntry{SegmentID: 50, Offset: end, PayloadLength: uint64(len(own) - 64), Type: segments.TypeVec}),
	}
	segment := encodedSegment(segments.TypeManifest, 52, manifest.Encode())
	for _, c := range []struct {
		cut   int // bytes
		want  string
		store string
	}{
		{1, "2 recovered, 0 present, 1 deleted, 0 others; 2 left out; gone", "1:9 3:3 7:9"},      // the last deleted id is cut
		{12, "2 recovered, 0 present, 0 deleted, 0 others; 2 left out; gone", "1:9 2:2 3:3 7:9"}, // both are
		{40, "4 recovered, 0 present, 0 deleted, 0 others; gone", "1:9 2:2 3:3 7:9 8:8 9:8"},     // and the directory
	} {
		copied := volumes.New()
		putFile(t, copied, "a.rvf", files.Content("a.rvf"))
		s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: copied}})
		if err != nil {
			t.Fatal(err)
		}
		keepBehind(t, copied, s, own, rolledBack, segment[:len(segment)-c.cut])
		results, err := s.Recover(ctx, recovery.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := describeRecovery(results[0]); got != c.want {
			t.Errorf("cut by %d: %s, want %s", c.cut, got, c.want)
		}
		if got := contentText(t, s); got != c.store {
			t.Errorf("cut by %d: %s, want %s", c.cut, got, c.store)
		}
	}
}

// TestRemainsOfTwoManifestsSayNothing: a commit of which the manifest is damaged was one
// all the same, and the beginning of a later manifest does not name what it brought.
func TestRemainsOfTwoManifestsSayNothing(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	damaged := encodedSegment(segments.TypeManifest, 52, (&segments.Manifest{Epoch: 2, Dimension: 2}).Encode())
	damaged[len(damaged)-1] ^= 1
	later := encodedSegment(segments.TypeManifest, 53, (&segments.Manifest{Epoch: 2, Dimension: 2, Deleted: []uint64{1, 2}}).Encode())
	keepBehind(t, files, s, vecSegment(50, 9, 7), damaged, vecSegment(51, 9, 8), later[:len(later)-1])
	results, err := s.Recover(context.Background(), recovery.Options{})
	if err != nil || describeRecovery(results[0]) != "2 recovered, 0 present, 0 deleted, 0 others; gone" {
		t.Errorf("%+v, %v", results, err)
	}
}

// TestRecoverDoesNotRepeatWhatAMergeCopied: a merge makes one segment of many, and its
// rows may be older than others of the same commit.
func TestRecoverDoesNotRepeatWhatAMergeCopied(t *testing.T) {
	t.Parallel()
	for _, cut := range []int{0, 20} {
		files := volumes.New()
		s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		var ids []uint64
		var vectors []float32
		for i := range uint64(3) {
			bring(t, s, []uint64{i, 10 + i}, 1, float32(i), 1, float32(10+i))
			ids, vectors = append(ids, i, 10+i), append(vectors, 1, float32(i), 1, float32(10+i))
		}
		merged := encodedSegment(segments.TypeVec, 51, vecPayload(ids, vectors))
		keepBehind(t, files, s, vecSegment(50, 9, 1, 7), merged[:len(merged)-cut])
		if _, err := s.Compact(context.Background()); err != nil { // by now nothing is left to compare it with
			t.Fatal(err)
		}
		results, err := s.Recover(context.Background(), recovery.Options{Cut: true})
		if err != nil || len(results) != 1 || !results[0].Gone || results[0].Recovered != 2 {
			t.Errorf("cut by %d: %+v, %v", cut, results, err)
		}
		if got := contentText(t, s); got != "0:1 1:9 2:1 7:9 10:1 11:1 12:1" {
			t.Errorf("cut by %d: %s", cut, got)
		}
	}
}

// TestRecoverOtherSegments brings images and what nobody understands back.
func TestRecoverOtherSegments(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	kernelOf := func(t *testing.T, image string) []byte {
		t.Helper()
		s := newStore(t)
		if _, err := s.EmbedKernel(ctx, bytes.NewReader([]byte(image)), int64(len(image)), compute.KernelConfig{}); err != nil {
			t.Fatal(err)
		}
		var segment []byte
		err := s.Current().Backing().With(ctx, func(file volume.Bytes) error {
			entry := s.Current().OfType(segments.TypeKernel)[0]
			segment = make([]byte, segments.HeaderSize+entry.PayloadLength)
			return volume.ReadFull(file, segment, entry.Offset)
		})
		if err != nil {
			t.Fatal(err)
		}
		return segment
	}
	embed := func(t *testing.T, s *Store, image string) {
		t.Helper()
		if _, err := s.EmbedKernel(ctx, bytes.NewReader([]byte(image)), int64(len(image)), compute.KernelConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	unknown := encodedSegment(unknownType, 70, []byte("nobody knows"))
	for _, c := range []struct {
		name          string
		before, since string // kernels of the store
		options       recovery.Options
		want          string
		kernel        string
	}{
		{"the first kernel", "", "", recovery.Options{}, "1 recovered, 0 present, 0 deleted, 2 others; gone", "tail"},
		{"in the place of one that was there", "before", "", recovery.Options{}, "1 recovered, 0 present, 0 deleted, 2 others; gone", "tail"},
		{"beside one that came since", "before", "since", recovery.Options{}, "1 recovered, 0 present, 0 deleted, 1 others; 1 " + recovery.DoubtImage + " []", "since"},
		{"in its place if that is asked for", "before", "since", recovery.Options{Overwrite: true}, "1 recovered, 0 present, 0 deleted, 2 others; gone", "tail"},
		{"one that is there already", "before", "tail", recovery.Options{}, "1 recovered, 0 present, 0 deleted, 1 others; gone", "tail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, s := tailStore(t)
			if c.before != "" {
				embed(t, s, c.before)
			}
			keepBehind(t, files, s, vecSegment(50, 9, 7), kernelOf(t, "tail"), vecSegment(51, 9, 7))
			tail := slices.Collect(maps.Keys(files.Names))
			name := tail[slices.IndexFunc(tail, func(name string) bool { return name != "a.rvf" })]
			files.Names[name].Content = append(files.Content(name), unknown...)
			lengthenTail(t, files, name, len(unknown))
			if c.since != "" {
				embed(t, s, c.since)
			}
			list := c.options
			list.List = true
			listed, err := s.Recover(ctx, list)
			if err != nil {
				t.Fatal(err)
			}
			results, err := s.Recover(ctx, c.options)
			if err != nil {
				t.Fatal(err)
			}
			got := describeRecovery(results[0])
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if planned := describeRecovery(listed[0]); planned != got {
				t.Errorf("the list said %s, it came to %s", planned, got)
			}
			if image, err := kernelImage(s.Current()); err != nil || string(image) != c.kernel {
				t.Errorf("the kernel is %q, want %q: %v", image, c.kernel, err)
			}
			if kernels := s.Current().OfType(segments.TypeKernel); len(kernels) != 1 {
				t.Errorf("%d kernels", len(kernels))
			}
			if !bytes.Contains(files.Content("a.rvf"), []byte("nobody knows")) || len(s.Current().OfType(unknownType)) != 1 {
				t.Error("the unknown segment is not there")
			}
			again, err := s.Recover(ctx, c.options)
			if err != nil || len(again) > 0 && again[0].Others > 0 {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

// TestRecoverPartsOfABranch: a map or a filter counts alone, and what it would hide
// nobody can tell.
func TestRecoverPartsOfABranch(t *testing.T) {
	t.Parallel()
	files, s := tailStore(t)
	keepBehind(t, files, s, vecSegment(50, 9, 7))
	members := segments.Membership{Bitmap: bytes.Repeat([]byte{0xff}, 16)}
	members.Header.VectorCount = 100
	segment := encodedSegment(segments.TypeMembership, 51, members.Encode())
	files.Names["a.rvf.tail-1"].Content = append(files.Content("a.rvf.tail-1"), segment...)
	lengthenTail(t, files, "a.rvf.tail-1", len(segment))
	results, err := s.Recover(context.Background(), recovery.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeRecovery(results[0]), "1 recovered, 0 present, 0 deleted, 0 others; 1 "+recovery.DoubtBranch+" []"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(s.Current().OfType(segments.TypeMembership)) > 0 {
		t.Error("the store became a branch")
	}
}

// tailInfo is what a kept tail says of itself, by name, with what stands behind that line,
// and where the store's bytes begin.
func tailInfo(t *testing.T, files *volumes.Files, name string) (info map[string]json.RawMessage, behind []byte, start int64) {
	t.Helper()
	content := files.Content(name)
	header, err := segments.ParseHeader(content)
	if err != nil {
		t.Fatal(err)
	}
	start = segments.HeaderSize + int64(header.PayloadLength)
	line, behind, _ := bytes.Cut(content[segments.HeaderSize:start], []byte("\n"))
	if err := json.Unmarshal(line, &info); err != nil {
		t.Fatal(err)
	}
	return info, behind, start
}

// editTail changes something of what a kept tail says of itself.
func editTail(t *testing.T, files *volumes.Files, name, what string, value any) {
	t.Helper()
	info, behind, start := tailInfo(t, files, name)
	if _, known := info[what]; !known {
		t.Fatalf("%s says nothing of %s", name, what)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	info[what] = encoded
	line, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	kind := segments.Type(files.Content(name)[5])
	node := files.Names[name]
	node.Content = append(encodedSegment(kind, 1, slices.Concat(line, []byte("\n"), behind)), node.Content[start:]...)
}

// lengthenTail has a kept tail have more bytes.
func lengthenTail(t *testing.T, files *volumes.Files, name string, by int) {
	t.Helper()
	info, _, _ := tailInfo(t, files, name)
	length, err := strconv.Atoi(string(info["bytes"]))
	if err != nil {
		t.Fatal(err)
	}
	editTail(t, files, name, "bytes", length+by)
}

// TestRecoverNamedTails looks at those alone, and at none of another store.
func TestRecoverNamedTails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	for i := range uint64(3) {
		behind(t, files, vecSegment(50, 9, 10+i))
		if _, err := s.Delete(ctx, []uint64{1000}); err != nil {
			t.Fatal(err)
		}
	}
	results, err := s.Recover(ctx, recovery.Options{Only: []string{"a.rvf.tail-1-2"}})
	if err != nil || len(results) != 1 || contentText(t, s) != "1:1 2:2 3:3 11:9" {
		t.Errorf("%+v, %v: %s", results, err, contentText(t, s))
	}
	// A tail whose store was renamed by hand is named as well.
	if err := files.Rename("a.rvf.tail-1", "former.rvf.tail-1"); err != nil {
		t.Fatal(err)
	}
	if tails, err := s.KeptTails(context.Background()); err != nil || len(tails) != 1 {
		t.Errorf("%+v, %v", tails, err)
	}
	if _, err := s.Recover(ctx, recovery.Options{Only: []string{"former.rvf.tail-1"}}); err != nil || contentText(t, s) != "1:1 2:2 3:3 10:9 11:9" {
		t.Errorf("%v: %s", err, contentText(t, s))
	}
	other, err := Create(context.Background(), "b.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Recover(ctx, recovery.Options{Only: []string{"a.rvf.tail-1-3"}}); !errors.Is(err, volume.ErrInput) || contentText(t, other) != "" {
		t.Errorf("%v: %s", err, contentText(t, other))
	}
	if results, err := s.Recover(ctx, recovery.Options{}); err != nil || len(results) != 1 || contentText(t, s) != "1:1 2:2 3:3 10:9 11:9 12:9" {
		t.Errorf("%+v, %v: %s", results, err, contentText(t, s))
	}
}

// TestRecoverAddsNoRowsThatAreThere, nor such as stay out.
func TestRecoverAddsNoRowsThatAreThere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	files, s := tailStore(t)
	keepBehind(t, files, s, vecSegment(50, 1, 1), vecSegment(51, 9, 2, 7))
	bring(t, s, []uint64{2}, 5, 2)
	if _, err := s.Recover(ctx, recovery.Options{}); err != nil {
		t.Fatal(err)
	}
	if status, err := s.Status(ctx); err != nil || status.StoredRows != 5 || contentText(t, s) != "1:1 2:5 3:3 7:9" {
		t.Errorf("%+v, %v: %s", status, err, contentText(t, s))
	}
}

// TestRecoverFirstVectors of a store that has no dimension yet.
func TestRecoverFirstVectors(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	keepBehind(t, files, s, vecSegment(50, 9, 7, 8))
	results, err := s.Recover(context.Background(), recovery.Options{})
	if err != nil || len(results) != 1 || s.Current().Dimension() != 2 || contentText(t, s) != "7:9 8:9" {
		t.Errorf("%+v, %v, dimension %d: %s", results, err, s.Current().Dimension(), contentText(t, s))
	}
}

// TestRebuildKnowsWhatIsLeftOfTheManifest.
func TestRebuildKnowsWhatIsLeftOfTheManifest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	manifest := encodedSegment(segments.TypeManifest, 3, (&segments.Manifest{
		Epoch: 7, Dimension: 2, Metric: segments.Cosine, Directory: []segments.DirectoryEntry{{SegmentID: 1, PayloadLength: 38, Type: segments.TypeVec}}, HasIdentity: true, Identity: lineage.Identity{FileID: lineage.FileID{1}},
	}).Encode())
	for _, c := range []struct {
		cut    int
		metric segments.Metric
	}{{1, segments.Cosine}, {150, segments.InnerProduct}} {
		files := volumes.New()
		putFile(t, files, "a.rvf", slices.Concat(vecSegment(1, 9, 7, 8), manifest[:len(manifest)-c.cut]))
		options := Options{Shelf: filelog.Shelf{Files: files}}
		if _, err := Open(context.Background(), "a.rvf", options); !errors.Is(err, volume.ErrNotStore) {
			t.Fatal(err)
		}
		before := bytes.Clone(files.Content("a.rvf"))
		if _, measured, err := Salvageable(ctx, "a.rvf", options); err != nil || measured != (c.metric == segments.Cosine) {
			t.Errorf("the distance is known: %t, %v", measured, err)
		}
		err := Rebuild(ctx, "a.rvf", nil, options)
		if c.metric != segments.Cosine {
			if !errors.Is(err, volume.ErrInput) || !bytes.Equal(files.Content("a.rvf"), before) || len(files.Names) > 1 {
				t.Errorf("without a distance: %v", err)
			}
			err = Rebuild(ctx, "a.rvf", new(segments.InnerProduct), options)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Rebuild(ctx, "a.rvf", new(segments.InnerProduct), options); !errors.Is(err, volume.ErrExists) {
			t.Errorf("a second time: %v", err)
		}
		s, err := Open(context.Background(), "a.rvf", options)
		if err != nil {
			t.Fatal(err)
		}
		if s.Current().Metric() != c.metric || s.FileID().IsZero() || s.FileID() == (lineage.FileID{1}) {
			t.Errorf("metric %v, id %v", s.Current().Metric(), s.FileID())
		}
		if results, err := s.Recover(ctx, recovery.Options{}); err != nil || len(results) != 1 || !results[0].NoManifest || contentText(t, s) != "7:9 8:9" {
			t.Errorf("%+v, %v: %s", results, err, contentText(t, s))
		}
	}
}

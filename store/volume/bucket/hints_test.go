package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// manyStores makes stores in a folder of a bucket.
func manyStores(t *testing.T, bucket *memory.Bucket, options Options, count int) {
	t.Helper()
	v := Open(bucket, options)
	must(t, errors.Join(v.MakeFolder(t.Context(), "folder", 0o755), v.Close()))
	for i := range count {
		create(t, bucket, options, fmt.Sprintf("folder/%03d.rvf", i))
	}
}

// lookAtAll does what a reader of the folder does: it recalls what is known of each store, and
// peeks at the others. It tells of how many what was known.
func lookAtAll(t *testing.T, v *Volume) (recalled int, infos map[string]volume.FileInfo) {
	t.Helper()
	listing, err := v.List(t.Context(), "folder")
	must(t, err)
	entries, err := listing.Entries()
	must(t, err)
	other, err := v.List(t.Context(), "folder") // as those have it who look beside each other
	must(t, err)
	infos = map[string]volume.FileInfo{}
	for _, entry := range entries {
		note, info, known := other.(volume.Notes).Recall(entry.Name)
		if known {
			if string(note.Found) != "found in "+entry.Name || note.Born == 0 {
				t.Errorf("%s: recalled is %q, of %d", entry.Name, note.Found, note.Born)
			}
			recalled++
		} else {
			var file volume.Peeked
			file, info, err = other.Peek(entry.Name)
			must(t, err)
			other.(volume.Notes).Note(entry.Name, volume.Note{Born: file.Born(), Found: []byte("found in " + entry.Name)})
			must(t, file.Close())
		}
		infos[entry.Name] = info
	}
	must(t, errors.Join(other.Close(), listing.Close()))
	return recalled, infos
}

// TestHints: what one machine has found in many stores, another one need not look for, as far as
// it is as it was, and whatever has become of the object that tells it.
func TestHints(t *testing.T) {
	t.Parallel()
	const count = 3 * hintsLeast
	key := "team/" + hintsKey
	for what, c := range map[string]struct {
		between  func(t *testing.T, bucket *memory.Bucket, p *process)
		recalled int // of the stores, by the second machine
	}{
		"as it was":   {func(*testing.T, *memory.Bucket, *process) {}, count},
		"one changed": {func(t *testing.T, _ *memory.Bucket, p *process) { must(t, p.put("more")) }, count - 1},
		"gone": {func(t *testing.T, b *memory.Bucket, _ *process) {
			must(t, b.Delete(t.Context(), key, objects.Condition{}))
		}, 0},
		"cut": {func(_ *testing.T, b *memory.Bucket, _ *process) {
			b.Upload(key, b.Content(key)[:len(b.Content(key))/2])
		}, 0},
		"damaged": {func(_ *testing.T, b *memory.Bucket, _ *process) { b.Damage(key, len(b.Content(key))/2) }, 0},
		"empty":   {func(_ *testing.T, b *memory.Bucket, _ *process) { b.Upload(key, nil) }, 0},
		"of others": {func(_ *testing.T, b *memory.Bucket, _ *process) {
			b.Upload(key, encodeHints([]hint{{Name: "folder/000.rvf", Tag: "x"}}))
		}, 0},
		"another store": {func(t *testing.T, b *memory.Bucket, _ *process) { b.Upload("team/folder/002.rvf", content(t, 300)) }, count - 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket, options := memory.New(), Options{Prefix: "team/"}
			manyStores(t, bucket, options, count)
			first := Open(bucket, options)
			recalled, before := lookAtAll(t, first)
			must(t, first.Close())
			if recalled != 0 || bucket.Content(key) == nil {
				t.Fatalf("%d are recalled of nothing, and %d bytes are kept", recalled, len(bucket.Content(key)))
			}
			p := open(t, bucket, options, "folder/005.rvf")
			c.between(t, bucket, p)
			asked := bucket.Requests("get")
			second := Open(bucket, options)
			recalled, now := lookAtAll(t, second)
			if recalled != c.recalled && !(what == "cut" || what == "damaged") || recalled > count {
				t.Errorf("%d are recalled, want %d", recalled, c.recalled)
			}
			if gets := bucket.Requests("get") - asked; c.recalled > 0 && gets > 10+count-c.recalled {
				t.Errorf("%d objects were read", gets)
			}
			for name, info := range now {
				if changed := info.Size != before[name].Size || !info.Is(before[name]); changed != (what == "one changed" && name == "005.rvf" || what == "another store" && name == "002.rvf") {
					t.Errorf("%s is %+v, was %+v", name, info, before[name])
				}
				if alone, err := Open(bucket, options).Describe(t.Context(), "folder/"+name); err != nil || alone != info {
					t.Errorf("%s is %+v, by itself %+v, %v", name, info, alone, err)
				}
			}
			must(t, second.Close())
			third := Open(bucket, options)
			if recalled, _ := lookAtAll(t, third); recalled < count-1 {
				t.Errorf("%d are recalled in the end", recalled)
			}
			must(t, third.Close())
		})
	}
}

// TestHintsAreNotWritten by who may not write, or has found little.
func TestHintsAreNotWritten(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		options Options
		count   int
	}{"read-only": {Options{ReadOnly: true}, 2 * hintsLeast}, "few": {Options{}, hintsLeast / 2}} {
		bucket := memory.New()
		manyStores(t, bucket, Options{}, c.count)
		v := Open(bucket, c.options)
		lookAtAll(t, v)
		must(t, v.Close())
		if bucket.Content(hintsKey) != nil {
			t.Errorf("%s: hints are written", what)
		}
	}
}

// TestNamesOfACrowd: who looks at many names, one behind the other, is told by pages of the
// listing, and sees what others have changed as soon as who looks at one name does.
func TestNamesOfACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bucket := memory.New()
		const count = 300
		manyStores(t, bucket, Options{}, count)
		v := Open(bucket, Options{Untidy: true})
		lookAtAll(t, v)
		p := open(t, bucket, Options{}, "folder/200.rvf")
		for round := range 3 {
			must(t, p.put("more"))
			if round == 2 {
				must(t, bucket.Delete(t.Context(), "folder/250.rvf", objects.Condition{}))
			}
			time.Sleep(2 * time.Second) // all that is known is too old
			gets, lists := bucket.Requests("get"), bucket.Requests("list")
			for i := range count {
				name := fmt.Sprintf("folder/%03d.rvf", i)
				info, err := v.Describe(t.Context(), name)
				if gone := round == 2 && i == 250; gone != (err != nil) {
					t.Errorf("%s: %v", name, err)
				}
				if i == 200 && info.Size != p.log.current.Size {
					t.Errorf("round %d: a size of %d, want %d", round, info.Size, p.log.current.Size)
				}
			}
			if gets, lists = bucket.Requests("get")-gets, bucket.Requests("list")-lists; gets > 2*crowdSize || lists > 6 {
				t.Errorf("round %d: %d objects were read, and %d pages", round, gets, lists)
			}
		}
		must(t, v.Close())
	})
}

// FuzzHints: whatever is in the object, reading it ends, and what it tells can be written again.
func FuzzHints(f *testing.F) {
	good := []hint{{Name: "a.rvf", Tag: `"1"`, ID: "x", Mode: 0o644, Found: []byte("found")}, {Name: "b/c.rvf", Tag: `"2"`, Foreign: true}}
	f.Add(encodeHints(good))
	f.Add(encodeHints(nil))
	f.Add([]byte(hintsMark + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := decodeHints(content, 100)
		if err != nil {
			return
		}
		again, err := decodeHints(encodeHints(all), 100)
		if err != nil || !slices.EqualFunc(all, again, func(a, b hint) bool {
			return a.Name == b.Name && a.Tag == b.Tag && a.Size == b.Size && a.ID == b.ID && bytes.Equal(a.Found, b.Found)
		}) && !strings.Contains(fmt.Sprint(all), "\ufffd") {
			t.Errorf("%+v becomes %+v, %v", all, again, err)
		}
		v := Open(memory.New(), Options{})
		v.heads.learn(all, v)
		must(t, v.Close())
	})
}

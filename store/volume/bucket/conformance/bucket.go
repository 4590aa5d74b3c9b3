package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"rvffs/store/volume/bucket/objects"
)

// Bucket tests one bucket, through so many ways to it as there are gateways. It leaves
// objects behind whose keys begin with a prefix.
func Bucket(t *testing.T, prefix string, ways ...objects.Bucket) {
	for name, test := range map[string]func(*bucket){
		"reads": (*bucket).reads, "metadata": (*bucket).metadata, "keys": (*bucket).keys, "conditions": (*bucket).conditions,
		"deletions": (*bucket).deletions, "listing": (*bucket).listing, "copies": (*bucket).copies, "uploads": (*bucket).uploads,
		"abandoned": (*bucket).abandoned, "one winner": (*bucket).oneWinner, "one maker": (*bucket).oneMaker,
	} {
		t.Run(name, func(t *testing.T) {
			test(&bucket{t: t, ways: ways, Bucket: ways[0], prefix: prefix + t.Name() + "/"})
		})
	}
}

// bucket is one under a test.
type bucket struct {
	objects.Bucket
	t      *testing.T
	ways   []objects.Bucket
	prefix string
}

// must fails the test where something failed.
func (b *bucket) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// fails wants one of some causes.
func (b *bucket) fails(what string, err error, want ...error) {
	b.t.Helper()
	if !slices.ContainsFunc(want, func(cause error) bool { return errors.Is(err, cause) }) {
		b.t.Errorf("%s: %v, want one of %v", what, err, want)
	}
}

// put makes an object.
func (b *bucket) put(key, content string, only objects.Condition) objects.Tag {
	b.t.Helper()
	tag, err := b.Put(b.t.Context(), b.prefix+key, []byte(content), nil, only)
	b.must(err)
	return tag
}

// holds wants an object to have a content, whichever way one comes.
func (b *bucket) holds(key, content string) *objects.Object {
	b.t.Helper()
	var found *objects.Object
	for _, way := range b.ways {
		var err error
		found, err = way.Get(b.t.Context(), b.prefix+key, objects.Read{})
		b.must(err)
		if string(found.Content) != content || found.Size != int64(len(content)) {
			b.t.Errorf("%s has %d bytes %.40q, want %d %.40q", key, found.Size, found.Content, len(content), content)
		}
	}
	return found
}

func (b *bucket) reads() {
	tag := b.put("a", "0123456789", objects.Condition{})
	if found := b.holds("a", "0123456789"); found.Tag != tag || found.Modified.IsZero() {
		b.t.Errorf("tag %s of %v, want %s", found.Tag, found.Modified, tag)
	}
	for _, c := range []struct {
		read objects.Read
		want string
	}{
		{objects.Read{Offset: 3}, "3456789"}, {objects.Read{Length: 4}, "0123"}, {objects.Read{Offset: 3, Length: 4}, "3456"},
		{objects.Read{Offset: 9, Length: 1}, "9"}, {objects.Read{Offset: 8, Length: 100}, "89"}, {objects.Read{Offset: -4}, "6789"},
		{objects.Read{Offset: -100}, "0123456789"}, {objects.Read{Offset: -4, Length: 2}, "67"}, {objects.Read{Offset: 10}, ""},
		{objects.Read{Offset: 100, Length: 5}, ""}, {objects.Read{Offset: 2, Length: 2, Match: tag}, "23"},
	} {
		found, err := b.Get(b.t.Context(), b.prefix+"a", c.read)
		b.must(err)
		if string(found.Content) != c.want || found.Size != 10 || found.Tag != tag {
			b.t.Errorf("%+v gives %q of %d bytes, tag %s", c.read, found.Content, found.Size, found.Tag)
		}
	}
	b.put("empty", "", objects.Condition{})
	b.holds("empty", "")
	_, err := b.Get(b.t.Context(), b.prefix+"none", objects.Read{})
	b.fails("what is not there", err, objects.ErrNotFound)
	_, err = b.Get(b.t.Context(), b.prefix+"a", objects.Read{NoneMatch: tag})
	b.fails("what is as it was", err, objects.ErrSame)
	b.put("a", "another", objects.Condition{})
	_, err = b.Get(b.t.Context(), b.prefix+"a", objects.Read{Match: tag})
	b.fails("what is another", err, objects.ErrCondition)
	found, err := b.Get(b.t.Context(), b.prefix+"a", objects.Read{NoneMatch: tag})
	b.must(err)
	if string(found.Content) != "another" {
		b.t.Errorf("after a change %q is read", found.Content)
	}
}

func (b *bucket) metadata() {
	meta := objects.Metadata{"one": "1 a:b;c=d", "two-words": "x"}
	_, err := b.Put(b.t.Context(), b.prefix+"a", []byte("content"), meta, objects.Condition{})
	b.must(err)
	if found := b.holds("a", "content"); !maps.Equal(found.Metadata, meta) {
		b.t.Errorf("metadata %v, want %v", found.Metadata, meta)
	}
	b.put("a", "other", objects.Condition{})
	if found := b.holds("a", "other"); len(found.Metadata) != 0 {
		b.t.Errorf("the next object has the metadata %v", found.Metadata)
	}
}

func (b *bucket) keys() {
	want := []string{"a b.rvf", "a+b.rvf", "a&b=c;d.rvf", "a%20b.rvf", "ünïcode.rvf", "#a?b.rvf", "deep/er/a'b\"c.rvf", ".rvffs/x/y", "[1]{2}~.rvf"}
	for _, key := range want {
		b.put(key, key, objects.Condition{None: true})
	}
	for _, key := range want {
		b.holds(key, key)
		_, err := b.Copy(b.t.Context(), b.prefix+key, b.prefix+"copy of "+key)
		b.must(err)
		b.holds("copy of "+key, key)
	}
	listed := b.listed("", "", 0)
	for _, key := range want {
		if !slices.Contains(listed, key) {
			b.t.Errorf("%q is not listed: %q", key, listed)
		}
	}
}

func (b *bucket) conditions() {
	change := func(only objects.Condition) error {
		_, err := b.Put(b.t.Context(), b.prefix+"a", []byte("changed"), nil, only)
		return err
	}
	b.fails("to change what is not there", change(objects.Condition{Match: `"00000000000000000000000000000000"`}), objects.ErrNotFound, objects.ErrCondition)
	first := b.put("a", "first", objects.Condition{None: true})
	b.fails("to make what is there", change(objects.Condition{None: true}), objects.ErrCondition, objects.ErrConflict)
	b.holds("a", "first")
	second := b.put("a", "second", objects.Condition{Match: first})
	if second == first {
		b.t.Errorf("two contents have the tag %s", first)
	}
	b.fails("to change what was", change(objects.Condition{Match: first}), objects.ErrCondition, objects.ErrConflict)
	b.holds("a", "second")
}

func (b *bucket) deletions() {
	b.must(b.Delete(b.t.Context(), b.prefix+"none", objects.Condition{}))
	b.put("a", "content", objects.Condition{})
	b.must(b.Delete(b.t.Context(), b.prefix+"a", objects.Condition{}))
	for _, way := range b.ways {
		_, err := way.Get(b.t.Context(), b.prefix+"a", objects.Read{})
		b.fails("what is deleted", err, objects.ErrNotFound)
	}
	if left := b.listed("", "", 0); len(left) != 0 {
		b.t.Errorf("%q are listed", left)
	}
	b.put("a", "anew", objects.Condition{None: true})
	b.holds("a", "anew")
}

// listed are the keys and prefixes of a listing, without the test's own prefix.
func (b *bucket) listed(prefix, delimiter string, most int) (keys []string) {
	b.t.Helper()
	list := objects.List{Prefix: b.prefix + prefix, Delimiter: delimiter, Most: most}
	for {
		page, err := b.List(b.t.Context(), list)
		b.must(err)
		if most > 0 && len(page.Entries)+len(page.Prefixes) > most {
			b.t.Errorf("a page of %d, want %d at most", len(page.Entries)+len(page.Prefixes), most)
		}
		var all []string
		for _, entry := range page.Entries {
			all = append(all, entry.Key)
		}
		for _, key := range append(all, page.Prefixes...) {
			keys = append(keys, key[len(b.prefix):])
		}
		if list.After = page.Next; list.After == "" {
			slices.Sort(keys)
			return keys
		}
	}
}

func (b *bucket) listing() {
	tag := b.put("a/1", "one", objects.Condition{})
	for _, key := range []string{"a/2", "a/sub/3", "a/sub/4", "b/5", "c"} {
		b.put(key, key, objects.Condition{})
	}
	for _, c := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{"", "", []string{"a/1", "a/2", "a/sub/3", "a/sub/4", "b/5", "c"}}, {"", "/", []string{"a/", "b/", "c"}},
		{"a/", "/", []string{"a/1", "a/2", "a/sub/"}}, {"a/sub/", "/", []string{"a/sub/3", "a/sub/4"}}, {"z", "/", nil}, {"a/s", "", []string{"a/sub/3", "a/sub/4"}},
	} {
		for _, most := range []int{0, 1, 2} {
			if got := b.listed(c.prefix, c.delimiter, most); !slices.Equal(got, c.want) {
				b.t.Errorf("%q by %q, %d at once: %q, want %q", c.prefix, c.delimiter, most, got, c.want)
			}
		}
	}
	page, err := b.List(b.t.Context(), objects.List{Prefix: b.prefix + "a/1"})
	b.must(err)
	if len(page.Entries) != 1 || page.Entries[0].Size != 3 || page.Entries[0].Tag != tag || page.Entries[0].Modified.IsZero() {
		b.t.Errorf("listed as %+v, want 3 bytes of the tag %s", page.Entries, tag)
	}
}

func (b *bucket) copies() {
	b.put("a", "content", objects.Condition{})
	tag, err := b.Copy(b.t.Context(), b.prefix+"a", b.prefix+"b/c")
	b.must(err)
	if found := b.holds("b/c", "content"); found.Tag != tag {
		b.t.Errorf("the copy has the tag %s, want %s", found.Tag, tag)
	}
	_, err = b.Copy(b.t.Context(), b.prefix+"none", b.prefix+"d")
	b.fails("to copy what is not there", err, objects.ErrNotFound)
}

func (b *bucket) uploads() {
	ctx := b.t.Context()
	const megabyte = 1 << 20
	source := bytes.Repeat([]byte("0123456789abcdef"), 8*megabyte/16)
	b.put("source", string(source), objects.Condition{})
	upload, err := b.Begin(ctx, b.prefix+"whole", objects.Metadata{"rvffs-a": "b c"})
	b.must(err)
	first := bytes.Repeat([]byte("first part"), 6*megabyte/10)
	last := []byte("the end")
	tags := make([]objects.Tag, 3)
	tags[2], err = b.PutPart(ctx, b.prefix+"whole", upload, 3, last) // in any order
	b.must(err)
	tags[1], err = b.CopyPart(ctx, b.prefix+"whole", upload, 2, b.prefix+"source", megabyte+3, 6*megabyte)
	b.must(err)
	_, err = b.PutPart(ctx, b.prefix+"whole", upload, 1, bytes.Repeat([]byte("x"), 5*megabyte))
	b.must(err)
	tags[0], err = b.PutPart(ctx, b.prefix+"whole", upload, 1, first) // the last one counts
	b.must(err)
	_, err = b.Get(ctx, b.prefix+"whole", objects.Read{})
	b.fails("before it is complete", err, objects.ErrNotFound)
	if got := b.listed("", "", 0); !slices.Equal(got, []string{"source"}) {
		b.t.Errorf("before it is complete %q are listed", got)
	}
	tag, err := b.Complete(ctx, b.prefix+"whole", upload, tags, objects.Condition{})
	b.must(err)
	want := slices.Concat(first, source[megabyte+3:7*megabyte+3], last)
	if found := b.holds("whole", string(want)); tag != "" && found.Tag != tag || found.Metadata["rvffs-a"] != "b c" {
		b.t.Errorf("the tag is %s, want %s, and the metadata are %v", found.Tag, tag, found.Metadata)
	}
}

func (b *bucket) abandoned() {
	ctx := b.t.Context()
	upload, err := b.Begin(ctx, b.prefix+"whole", nil)
	b.must(err)
	tag, err := b.PutPart(ctx, b.prefix+"whole", upload, 1, []byte("part"))
	b.must(err)
	b.must(b.Abort(ctx, b.prefix+"whole", upload))
	_, err = b.Complete(ctx, b.prefix+"whole", upload, []objects.Tag{tag}, objects.Condition{})
	b.fails("to complete what was given up", err, objects.ErrNotFound, objects.ErrServer) // Ceph's: 500, somebody else completes it
	_, err = b.Get(ctx, b.prefix+"whole", objects.Read{})
	b.fails("what was given up", err, objects.ErrNotFound)
}

// competitors are as many as try at once.
const (
	competitors = 16
	rounds      = 8
)

// compete has many try one thing at once and returns those that won.
func (b *bucket) compete(try func(ctx context.Context, way objects.Bucket, who int) error) (winners []int) {
	b.t.Helper()
	outcomes := make([]error, competitors)
	var all sync.WaitGroup
	start := make(chan struct{})
	for who := range outcomes {
		all.Go(func() {
			<-start
			outcomes[who] = try(b.t.Context(), b.ways[who%len(b.ways)], who)
		})
	}
	close(start)
	all.Wait()
	for who, err := range outcomes {
		switch {
		case err == nil:
			winners = append(winners, who)
		case !errors.Is(err, objects.ErrCondition) && !errors.Is(err, objects.ErrConflict) && !errors.Is(err, objects.ErrServer):
			b.t.Errorf("who lost is told: %v", err)
		}
	}
	return winners
}

func (b *bucket) oneWinner() {
	tag := b.put("a", "start", objects.Condition{})
	for round := range rounds {
		said := func(who int) string { return fmt.Sprintf("round %d, competitor %d", round, who) }
		winners := b.compete(func(ctx context.Context, way objects.Bucket, who int) error {
			_, err := way.Put(ctx, b.prefix+"a", []byte(said(who)), nil, objects.Condition{Match: tag})
			return err
		})
		if len(winners) != 1 {
			b.t.Fatalf("round %d has the winners %d", round, winners)
		}
		tag = b.holds("a", said(winners[0])).Tag
	}
}

func (b *bucket) oneMaker() {
	for round := range rounds {
		key := fmt.Sprint("made ", round)
		said := func(who int) string { return fmt.Sprint("competitor ", who) }
		winners := b.compete(func(ctx context.Context, way objects.Bucket, who int) error {
			_, err := way.Put(ctx, b.prefix+key, []byte(said(who)), nil, objects.Condition{None: true})
			return err
		})
		if len(winners) != 1 {
			b.t.Fatalf("%s has the makers %d", key, winners)
		}
		b.holds(key, said(winners[0]))
	}
}

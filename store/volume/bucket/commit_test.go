package bucket

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// slowAnswers is a bucket whose answers to who puts something take their time.
type slowAnswers struct {
	*memory.Bucket
	slow  atomic.Bool
	done  chan struct{} // it is there
	knows chan struct{} // and who has put it there is told
}

// Put implements objects.Bucket.
func (s *slowAnswers) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	tag, err := s.Bucket.Put(ctx, key, content, meta, only)
	if s.slow.Swap(false) {
		s.done <- struct{}{}
		<-s.knows
	}
	return tag, err
}

// TestOvertakenCommit: who is told late that his commit counts, when he has seen what others
// have committed since, takes none of theirs for his own.
func TestOvertakenCommit(t *testing.T) {
	t.Parallel()
	for what, theirs := range map[string]func(*process) error{
		"a commit":               func(p *process) error { return p.put("theirs") },
		"a rewrite and a commit": func(p *process) error { return p.compactAnd("theirs") },
		"nothing":                func(*process) error { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket := &slowAnswers{Bucket: memory.New(), done: make(chan struct{}), knows: make(chan struct{})}
			create(t, bucket.Bucket, Options{}, "a.rvf")
			other := open(t, bucket.Bucket, Options{Untidy: true}, "a.rvf")
			mine := &process{t: t, volume: Open(bucket, looking(Options{Untidy: true}))}
			mine.log = mine.volume.Shelf().Log("a.rvf", volume.LogOptions{}).(*Log)
			if _, err := mine.log.Open(t.Context(), volume.Known{}); err != nil {
				t.Fatal(err)
			}
			defer mine.close()
			mine.begin()
			e := mine.extent("mine")
			bucket.slow.Store(true)
			type answer struct {
				version *volume.Version
				err     error
			}
			committed := make(chan answer)
			go func() {
				version, err := mine.commit(e)
				committed <- answer{version, err}
			}()
			<-bucket.done
			if err := theirs(other); err != nil {
				t.Fatal(err)
			}
			if err := mine.log.look(t.Context()); err != nil { // as who began to before
				t.Fatal(err)
			}
			bucket.knows <- struct{}{}
			got := <-committed
			if got.err != nil || got.version.State.Manifest.Epoch != 2 || len(got.version.State.Named()) != 1 {
				t.Fatalf("the commit has epoch %d, and names %d segments, %v", got.version.State.Manifest.Epoch, len(got.version.State.Named()), got.err)
			}
			if texts, err := textsOf(got.version); err != nil || !slices.Equal(texts, []string{"mine"}) {
				t.Errorf("in it are %q, %v", texts, err)
			}
			if _, err := mine.commit(mine.extent("last")); err != nil {
				t.Error(err)
			}
			mine.end()
			want := []string{"mine", "theirs", "last"}
			if what == "nothing" {
				want = []string{"mine", "last"}
			}
			for whose, p := range map[string]*process{"mine": mine, "theirs": other} {
				if texts, err := p.texts(); err != nil || !slices.Equal(texts, want) {
					t.Errorf("found by %s are %q, %v", whose, texts, err)
				}
			}
		})
	}
}

// compactAnd writes the store anew and commits a text.
func (p *process) compactAnd(text string) error {
	if err := p.compact(); err != nil {
		return err
	}
	return p.put(text)
}

// TestCommitIsOneRequest, where nobody else commits. Who does is found out, and is asked for then
// before each commit, for a while.
func TestCommitIsOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		objects := memory.New()
		create(t, objects, Options{}, "a.rvf")
		mine := &process{t: t, volume: Open(objects, Options{Untidy: true, Freshness: time.Second})}
		mine.log = mine.volume.Shelf().Log("a.rvf", volume.LogOptions{}).(*Log)
		if _, err := mine.log.Open(t.Context(), volume.Known{}); err != nil {
			t.Fatal(err)
		}
		defer mine.close()
		other := open(t, objects, Options{Untidy: true}, "a.rvf")
		for i, c := range []struct {
			waits    time.Duration
			theirs   bool
			requests int
		}{
			{0, false, 1},
			{0, false, 1},
			{3 * time.Second, false, 2}, // what is known is old
			{0, false, 1},
			{0, true, 3}, // in vain, a look, and once more
			{0, false, 2},
			{aloneAfter / 2, true, 2},
			{3 * time.Second, false, 2},
			{0, false, 1},
		} {
			time.Sleep(c.waits)
			if c.theirs {
				if err := other.put(fmt.Sprint("theirs ", i)); err != nil {
					t.Fatal(err)
				}
			}
			before := objects.Requests("")
			if err := mine.put(fmt.Sprint("mine ", i)); err != nil {
				t.Fatal(err)
			}
			if got := objects.Requests("") - before; got != c.requests {
				t.Errorf("commit %d took %d requests, want %d", i, got, c.requests)
			}
		}
	})
}

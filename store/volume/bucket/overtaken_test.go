package bucket

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

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

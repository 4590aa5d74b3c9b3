package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

func settle(t *testing.T, bucket objects.Bucket, options Options) (Settled, error) {
	t.Helper()
	v := Open(bucket, looking(options))
	done, err := v.SettleStore(t.Context(), "a.rvf", func(int64, int64) {})
	if bad := v.Close(); bad != nil {
		t.Error(bad)
	}
	return done, err
}

// TestSettledStores are one plain object that is the store's file, whoever reads and writes
// meanwhile; and their former extents can go.
func TestSettledStores(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		size   int
		atOnce int64
	}{
		"short": {size: 1000}, "read in two parts": {size: firstRead / 2}, "longer than is held in memory": {size: firstRead},
		"longer than is sent at once": {size: firstRead, atOnce: firstRead / 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bucket, clock := memory.New(), &clock{}
			options := inExtents(clock)
			options.AtOnce, options.SwapsParts = test.atOnce, test.atOnce > 0
			size := test.size
			create(t, bucket, options, "a.rvf")
			writer, reader := open(t, bucket, options, "a.rvf"), open(t, bucket, options, "a.rvf")
			want := []string{"one", strings.Repeat("two ", size), strings.Repeat("three ", 100)}
			for _, text := range want {
				must(t, writer.put(text))
			}
			before := assembled(t, bucket, "a.rvf")
			former := writer.log.current.line
			version, err := reader.log.refresh(t.Context())
			must(t, err)
			// A stream is under way, and has its extent in the bucket already.
			writer.begin()
			late := writer.extent(strings.Repeat("late ", 9<<20/5))
			must(t, late.Settle(t.Context()))
			clock.turn(time.Second)
			done, err := settle(t, bucket, options)
			if err != nil || !done.Changed || done.Extents != len(former.Extents) {
				t.Fatalf("%+v, %v", done, err)
			}
			plain := bucket.Content("a.rvf")
			found, err := bucket.Get(t.Context(), "a.rvf", objects.Read{Length: 1})
			if err != nil || strings.Contains(string(found.Tag), "-") != options.SwapsParts {
				t.Errorf("it was made in parts: %s, %v", found.Tag, err)
			}
			if done.Bytes != int64(len(plain)) || !bytes.HasPrefix(plain, before) || len(plain) > len(before)+1000 {
				t.Fatalf("the object has %d bytes, %d are said, and the file had %d", len(plain), done.Bytes, len(before))
			}
			wants(t, bucket, options, want...)
			if texts, err := textsOf(version); err != nil || !slices.Equal(texts, want) {
				t.Errorf("who reads finds %d texts, %v", len(texts), err)
			}
			generation := version.Generation.(*Generation)
			if now := open(t, bucket, options, "a.rvf").log.newest.Generation.(*Generation); now.id != generation.id || now.number != generation.number || now.info.Identity != generation.info.Identity {
				t.Errorf("it is another file: %+v, was %+v", now.info, generation.info)
			}
			if again, err := settle(t, bucket, options); err != nil || again.Changed || !bytes.Equal(bucket.Content("a.rvf"), plain) {
				t.Errorf("once more: %+v, %v", again, err)
			}
			// Days later the stream is still under way, and what is left is swept away.
			clock.turn(48 * time.Hour)
			sweeper := Open(bucket, looking(options))
			swept, err := sweeper.SweepRemoved(t.Context(), false)
			if err != nil || len(swept) != 1 || swept[0].Stays != "" || swept[0].Extents < len(former.Extents) {
				t.Fatalf("%+v, %v", swept, err)
			}
			must(t, sweeper.Close())
			if left := bucket.Keys(former.Log + "/"); len(left) > 0 {
				t.Errorf("%q are left", left)
			}
			if texts, err := textsOf(version); err != nil || !slices.Equal(texts, want) {
				t.Errorf("who reads finds %d texts then, %v", len(texts), err)
			}
			_, err = writer.commit(late)
			must(t, errors.Join(err, writer.session.End()))
			want = append(want, strings.Repeat("late ", 9<<20/5))
			wants(t, bucket, options, want...)
			must(t, writer.put("last"))
			wants(t, bucket, options, append(want, "last")...)
		})
	}
}

// TestSettledObjectsOfOthers: a program that puts other bytes in the place of a settled object, with
// the metadata of that, has put another store there.
func TestSettledObjectsOfOthers(t *testing.T) {
	t.Parallel()
	bucket, options := memory.New(), inExtents(&clock{})
	create(t, bucket, options, "a.rvf")
	create(t, bucket, options, "b.rvf")
	p, other := open(t, bucket, options, "a.rvf"), open(t, bucket, options, "b.rvf")
	must(t, errors.Join(p.put(strings.Repeat("one ", firstRead/3)), other.put(strings.Repeat("two ", firstRead/3))))
	_, err := settle(t, bucket, options)
	must(t, err)
	settled := open(t, bucket, options, "a.rvf").log.current
	if settled.ID != p.log.current.ID || !settled.large || settled.line.Horizon == "" {
		t.Fatalf("settled it is %+v", settled)
	}
	found, err := bucket.Get(t.Context(), "a.rvf", objects.Read{})
	must(t, err)
	_, err = bucket.Put(t.Context(), "a.rvf", assembled(t, bucket, "b.rvf"), found.Metadata, objects.Condition{})
	must(t, err)
	v := Open(bucket, looking(options))
	now, err := v.read(t.Context(), "a.rvf", "")
	if err != nil || now.ID == settled.ID || now.line.Horizon != "" {
		t.Errorf("other bytes are taken for %+v, %v", now, err)
	}
	must(t, v.Close())
	wants(t, bucket, options, strings.Repeat("two ", firstRead/3))
}

// sending is a bucket to which something happens before an object is sent as it is read.
type sending struct {
	objects.Bucket
	before func() error
}

func (s sending) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	if err := s.before(); err != nil {
		return "", err
	}
	return s.Bucket.PutLong(ctx, key, content, length, meta, only)
}

func (s sending) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	if only.Match != "" {
		if err := s.before(); err != nil {
			return "", err
		}
	}
	return s.Bucket.Complete(ctx, key, upload, parts, only)
}

// TestSettlingAgainstWriters gives up where others are faster as long as a commit may take, and settles
// what they have committed once they are not.
func TestSettlingAgainstWriters(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		commits int
		atOnce  int64
		want    error
	}{{5, 0, nil}, {1 << 20, 0, volume.ErrHeld}, {5, 1000, nil}, {1 << 20, 1000, volume.ErrHeld}} {
		commits, want := test.commits, test.want
		synctest.Test(t, func(t *testing.T) {
			bucket, options := memory.New(), inExtents(&clock{})
			options.CommitTimeout = 2 * time.Second
			options.AtOnce, options.SwapsParts = test.atOnce, test.atOnce > 0
			create(t, bucket, options, "a.rvf")
			p := open(t, bucket, options, "a.rvf")
			texts := []string{strings.Repeat("one ", firstRead/3)}
			must(t, p.put(texts[0]))
			done, err := settle(t, sending{bucket, func() error {
				time.Sleep(time.Second / 4)
				if len(texts) > commits {
					return nil
				}
				texts = append(texts, "more")
				return p.put("more")
			}}, options)
			if fails(t, "settle", err, want); done.Changed != (want == nil) {
				t.Errorf("%d commits: %+v", commits, done)
			}
			wants(t, bucket, options, texts...)
			if left := bucket.Uploads(); left > 0 {
				t.Errorf("%d uploads are left", left)
			}
		})
	}
}

// TestStoresTooLongToSettle stay as they are where the server keeps no condition of an object in
// parts.
func TestStoresTooLongToSettle(t *testing.T) {
	t.Parallel()
	bucket, options := memory.New(), inExtents(&clock{})
	create(t, bucket, options, "a.rvf")
	text := strings.Repeat("one ", 1000)
	must(t, open(t, bucket, options, "a.rvf").put(text))
	before := bucket.Content("a.rvf")
	options.AtOnce = 1000
	done, err := settle(t, bucket, options)
	if fails(t, "settle", err, volume.ErrInput); done.Changed || !strings.Contains(err.Error(), "rvffs export") || !bytes.Equal(bucket.Content("a.rvf"), before) {
		t.Errorf("%+v, %v", done, err)
	}
	wants(t, bucket, options, text)
}

// TestSettlingWithoutAnswer says so, and what is there is the one or the other.
func TestSettlingWithoutAnswer(t *testing.T) {
	t.Parallel()
	for what, fault := range map[string]memory.Fault{"lost": memory.Lost, "unsaid": memory.Unsaid, "refused": memory.Refused, "broken": memory.Broken, "condition": memory.Condition} {
		for _, inParts := range []bool{false, true} {
			settleWithout(t, what, fault, inParts)
		}
	}
}

// settleWithout settles a store by a server that answers as it should not.
func settleWithout(t *testing.T, what string, fault memory.Fault, inParts bool) {
	bucket, options := memory.New(), inExtents(&clock{})
	if options.SwapsParts = inParts; inParts {
		options.AtOnce = 1000
	}
	create(t, bucket, options, "a.rvf")
	text := strings.Repeat("one ", firstRead/3)
	must(t, open(t, bucket, options, "a.rvf").put(text))
	bucket.Fault = func(r memory.Request) memory.Fault {
		if (r.Kind == "put" || r.Kind == "complete") && r.Key == "a.rvf" {
			return fault
		}
		return memory.None
	}
	done, err := settle(t, bucket, options)
	bucket.Fault = nil
	plain := !strings.HasPrefix(string(bucket.Content("a.rvf")), extentsMark)
	if (err == nil) != plain || done.Changed != plain {
		t.Errorf("%s, in parts: %t: the object is plain: %t, and settle says %+v, %v", what, inParts, plain, done, err)
	}
	wants(t, bucket, options, text)
}

// looked is a bucket to which something happens before a folder of it is listed.
type looked struct {
	objects.Bucket
	folder string
	before func() error
}

func (l *looked) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	if list.Prefix == l.folder && l.before != nil {
		before := l.before
		l.before = nil
		if err := before(); err != nil {
			return nil, err
		}
	}
	return l.Bucket.List(ctx, list)
}

// TestSweepingWhatWasSettled leaves alone what is committed after it was looked who names extents.
func TestSweepingWhatWasSettled(t *testing.T) {
	t.Parallel()
	bucket, clock := memory.New(), &clock{}
	options := inExtents(clock)
	create(t, bucket, options, "a.rvf")
	p := open(t, bucket, options, "a.rvf")
	must(t, p.put("one"))
	log := p.log.current.line.Log
	clock.turn(time.Second)
	_, err := settle(t, bucket, options)
	must(t, err)
	clock.turn(48 * time.Hour)
	sweeper := Open(&looked{bucket, log + "/", func() error { return p.put("two") }}, looking(options))
	swept, err := sweeper.SweepRemoved(t.Context(), false)
	if err != nil || len(swept) != 1 || swept[0].Stays != "" || swept[0].Extents == 0 {
		t.Fatalf("%+v, %v", swept, err)
	}
	must(t, sweeper.Close())
	if p.log.current.line.Log != log {
		t.Fatalf("the commit went into %s", p.log.current.line.Log)
	}
	wants(t, bucket, options, "one", "two")
}

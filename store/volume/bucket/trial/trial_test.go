package trial

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
)

// server is a bucket whose server has a fault.
type server struct {
	objects.Bucket
	deaf     bool // it drops conditions without a word
	lax      bool // it drops those of deletions
	hasty    bool // it drops those of objects in parts
	bare     bool // it knows tags only without quotes
	readOnly bool // it denies all writes
	closed   bool // it denies everything
}

// Put implements objects.Bucket.
func (s server) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	switch {
	case s.readOnly, s.closed:
		return "", fmt.Errorf("%w: 403", objects.ErrDenied)
	case s.deaf:
		only = objects.Condition{}
	case s.bare && strings.HasPrefix(string(only.Match), `"`):
		return "", objects.ErrCondition
	case s.bare && only.Match != "":
		only.Match = `"` + only.Match + `"`
	}
	return s.Bucket.Put(ctx, key, content, meta, only)
}

// Delete implements objects.Bucket.
func (s server) Delete(ctx context.Context, key string, only objects.Condition) error {
	if s.lax {
		only = objects.Condition{}
	}
	return s.Bucket.Delete(ctx, key, only)
}

// Complete implements objects.Uploads.
func (s server) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	if s.hasty {
		only = objects.Condition{}
	}
	return s.Bucket.Complete(ctx, key, upload, parts, only)
}

// List implements objects.Bucket.
func (s server) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	if s.closed {
		return nil, objects.ErrDenied
	}
	return s.Bucket.List(ctx, list)
}

// bareWay sends tags without their quotes.
type bareWay struct{ objects.Bucket }

// Put implements objects.Bucket.
func (b bareWay) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	only.Match = objects.Tag(unquoted(string(only.Match)))
	return b.Bucket.Put(ctx, key, content, meta, only)
}

// TestServersAreSeenThrough: what a server does not do is found, and what it does.
func TestServersAreSeenThrough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault            server
		bare             bool
		commits, reading bool
		broken           []string
	}{
		"none":                                   {commits: true, reading: true},
		"conditions dropped":                     {fault: server{deaf: true}, reading: true, broken: []string{"PUT with If-None-Match: * makes only what is not there", "PUT with If-Match replaces only what is known"}},
		"conditions of deletions dropped":        {fault: server{lax: true}, commits: true, reading: true, broken: []string{"DELETE with If-Match removes only what is known"}},
		"conditions of objects in parts dropped": {fault: server{hasty: true}, commits: true, reading: true, broken: []string{"an object in parts replaces only what is known"}},
		"tags without quotes":                    {fault: server{bare: true}, bare: true, commits: true, reading: true},
		"may only read":                          {fault: server{readOnly: true}, reading: true, broken: []string{"objects can be written"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.fault.Bucket = memory.New()
			report, err := Try(t.Context(), "some/", func(bareTags bool) ([]objects.Bucket, error) {
				var way objects.Bucket = test.fault
				if bareTags {
					way = bareWay{way}
				}
				return []objects.Bucket{way}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if report.Allows(Commits) != test.commits || report.Allows(Reading) != test.reading || report.BareTags != test.bare {
				t.Errorf("%+v", report)
			}
			if removes := !test.fault.lax; report.Allows(Removing) != removes {
				t.Errorf("removing is allowed: %t, want %t", !removes, removes)
			}
			for _, rule := range test.broken {
				if !slices.ContainsFunc(report.Rules, func(r Rule) bool { return r.Name == rule && !r.Kept && r.Problem != "" }) {
					t.Errorf("%q is kept: %+v", rule, report.Rules)
				}
			}
		})
	}
	if report, err := Try(t.Context(), "", func(bool) ([]objects.Bucket, error) {
		return []objects.Bucket{server{Bucket: memory.New(), closed: true}}, nil
	}); err == nil {
		t.Errorf("of who may nothing it is told %+v", report)
	}
}

// TestTrialsOfFolders: what was found of a server counts in the folders below, but not that somebody
// may not write there.
func TestTrialsOfFolders(t *testing.T) {
	t.Parallel()
	bucket := memory.New()
	opens := func(prefix string, fault server) (commits bool, puts int) {
		t.Helper()
		fault.Bucket = bucket
		before := bucket.Requests("put")
		_, report, err := Open(t.Context(), prefix, time.Minute, func(error) {}, func(bool) ([]objects.Bucket, error) { return []objects.Bucket{fault}, nil })
		if err != nil {
			t.Fatal(err)
		}
		return report.Allows(Commits), bucket.Requests("put") - before
	}
	for _, step := range []struct {
		prefix  string
		fault   server
		commits bool
		tries   bool
	}{
		{"kept/", server{readOnly: true}, false, false}, // nothing can be kept there
		{"team/", server{}, true, true},
		{"team/", server{}, true, false},
		{"team/sub/deep/", server{}, true, false},
		{"other/", server{}, true, true},
		{"", server{}, true, true},
		{"third/", server{}, true, false},
	} {
		if commits, puts := opens(step.prefix, step.fault); commits != step.commits || (puts > 0) != step.tries {
			t.Errorf("%+v: commits %t, %d objects written", step, commits, puts)
		}
	}
	content := bucket.Content(keptAt)
	bucket.Upload("readers/"+keptAt, bytes.ReplaceAll(content, []byte(`"kept": true`), []byte(`"kept": false`)))
	if commits, puts := opens("readers/writers/", server{}); !commits || puts > 0 {
		t.Errorf("below a folder in which nothing can be written: commits %t, %d objects written", commits, puts)
	}
}

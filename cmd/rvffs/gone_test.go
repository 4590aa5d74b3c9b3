package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/trial"
)

// listed is a server's answer to who asks what is in a bucket.
const listed = `<ListBucketResult><Name>b</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>team/%s</Key>` +
	`<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"1"</ETag><Size>4</Size></Contents></ListBucketResult>`

// answering is a server with a bucket b, whose folder team shows one object in a listing, and in
// which each object is what its name says.
func answering(t *testing.T, shows string) {
	report, err := trial.Try(t.Context(), "", func(bool) ([]objects.Bucket, error) { return []objects.Bucket{memory.New()}, nil })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/b/team/.rvffs/server":
			_, _ = w.Write(report.Encode())
		case r.URL.Query().Has("list-type") && (shows == "" || r.URL.Query().Get("prefix") != "team/"):
			_, _ = fmt.Fprint(w, `<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>`)
		case r.URL.Query().Has("list-type"):
			_, _ = fmt.Fprintf(w, listed, shows)
		case strings.HasPrefix(r.URL.Path, "/b/team/there"):
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write([]byte("text"))
		case strings.HasPrefix(r.URL.Path, "/b/team/busy"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.HasPrefix(r.URL.Path, "/b/team/denied"):
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "XDG_CACHE_HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
}

// TestWhatNobodyCanSeeIsNotGone: only an answer tells that nothing is at a path.
func TestWhatNobodyCanSeeIsNotGone(t *testing.T) {
	answering(t, "")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(at("there.rvf"), nil, 0o644), os.Symlink("none.rvf", at("lost.rvf")), os.Symlink("loop.rvf", at("loop.rvf")))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		at("there.rvf"): false, at("gone.rvf"): true, at("there.rvf/below.rvf"): true, at("lost.rvf"): true, at("loop.rvf"): false,
		"s3://b/team/there.rvf": false, "s3://b/team/gone.rvf": true, "s3://b/team/busy.rvf": false, "s3://b/team/denied.rvf": false,
	} {
		patience := time.Minute
		if strings.Contains(path, "busy") {
			patience = time.Second
		}
		ctx, stop := context.WithTimeout(t.Context(), patience)
		if gone := siteOf(path).isGone(ctx, path); gone != want {
			t.Errorf("%s is gone: %t, want %t", path, gone, want)
		}
		stop()
	}
}

// TestWhoDoesNotAnswerMayBeARelative: the family of a store is not known then, the first time and
// the next.
func TestWhoDoesNotAnswerMayBeARelative(t *testing.T) {
	answering(t, "busy.rvf")
	f := newFamily(nil)
	for range 2 {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		if err := f.read(ctx, []string{"s3://b/team"}); !errors.Is(err, objects.ErrSilent) {
			t.Errorf("whose relative a silent store is: %v", err)
		}
		stop()
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPathsSeenFromStores: what a store's file says of another is true of the places where both
// lie, whether they are there already or named by symlinks, on disks and in buckets.
func TestPathsSeenFromStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, folder := range []string{"a/b", "c"} {
		if err := os.MkdirAll(at(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("a/p.rvf"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"c/link.rvf": "../a/p.rvf", "short": "a/b"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ file, other, want string }{
		{at("a/p.rvf"), at("a/new.rvf"), "new.rvf"},
		{at("a/p.rvf"), at("c/new.rvf"), "../c/new.rvf"},
		{at("a/p.rvf"), at("short/new.rvf"), "b/new.rvf"},
		{at("c/link.rvf"), at("short/new.rvf"), "b/new.rvf"},
		{at("short/new.rvf"), at("c/link.rvf"), "../p.rvf"},
		{"s3://bucket/a/p.rvf", "s3://bucket/a/new.rvf", "new.rvf"},
		{"s3://bucket/a/p.rvf", "s3://bucket/c/new.rvf", "../c/new.rvf"},
		{"s3://bucket/p.rvf", "s3://bucket/c/new.rvf", "c/new.rvf"},
	} {
		got := siteOf(test.file).seenFrom(test.file, test.other)
		if got != test.want {
			t.Errorf("%s is %q as seen from %s, want %q", test.other, got, test.file, test.want)
		}
		if filepath.Base(test.file) == "new.rvf" {
			continue // a path is read from a file that is there alone
		}
		if back := siteOf(test.file).beside(test.file, got); absolute(back) != absolute(test.other) {
			t.Errorf("%q beside %s is %s, want %s", got, test.file, back, test.other)
		}
	}
}

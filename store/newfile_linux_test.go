package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/storetest"
)

// TestModeThatWasAskedFor is what a file gets, and no more, for 0 is one, too.
func TestModeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shelf := storetest.Shelf(t, filepath.Join(dir, "0.rvf"))
	zero, some := os.FileMode(0), os.FileMode(0o600)
	for i, c := range []struct {
		perm *os.FileMode
		want os.FileMode
	}{{&zero, 0}, {&some, 0o600}, {nil, 0o644}} {
		made, derived := filepath.Join(dir, fmt.Sprint(i, ".rvf")), filepath.Join(dir, fmt.Sprint(i, " derived.rvf"))
		if err := Make(context.Background(), filepath.Base(made), CreateOptions{Perm: c.perm}, Options{Shelf: shelf}); err != nil {
			t.Fatal(err)
		}
		parent, err := Create(context.Background(), fmt.Sprint(i, " parent.rvf"), CreateOptions{}, Options{Shelf: shelf})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(parent.Derive(context.Background(), filepath.Base(derived), DeriveOptions{Perm: c.perm}), parent.Close()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{made, derived} {
			if info, err := os.Stat(name); err != nil || info.Mode() != c.want {
				t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, c.want)
			}
		}
	}
}

package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/volume"
)

type askedBy struct{}

// TestChildrenStandWhereTheirViewersCanGo: who may enter the parent's folder finds a
// child there, and who may not finds it where its file lies.
func TestChildrenStandWhereTheirViewersCanGo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to ask as others")
	}
	const alice, bob, carol, team = 1001, 1002, 1003, 2001
	for _, test := range []struct {
		mode  os.FileMode // of the parent's file, which is alice's and the team's
		nests map[string]bool
	}{
		{0o600, map[string]bool{"alice": true, "bob": false, "carol": false, "root": true}},
		{0o640, map[string]bool{"alice": true, "bob": false, "carol": true, "root": true}},
		{0o644, map[string]bool{"alice": true, "bob": true, "carol": true, "root": true}},
		{0o604, map[string]bool{"alice": true, "bob": true, "carol": false, "root": true}},
		{0o044, map[string]bool{"alice": false, "bob": true, "carol": true, "root": true}},
		{0o400, map[string]bool{"alice": true, "bob": false, "carol": false, "root": true}},
	} {
		t.Run(fmt.Sprintf("%o", test.mode), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, map[string][]byte{"parent.rvf": person(1, 0), "child.rvf": person(2, 1)}, Options{})
			file := filepath.Join(p.directory, "parent.rvf")
			if err := errors.Join(os.Chown(file, alice, team), os.Chmod(file, test.mode)); err != nil {
				t.Fatal(err)
			}
			p.catalog.IdentifyCallers(func(ctx context.Context) volume.Caller {
				caller, _ := ctx.Value(askedBy{}).(volume.Caller)
				return caller
			})
			for name, caller := range map[string]volume.Caller{
				"root": {}, "alice": {UID: alice, GID: alice}, "bob": {UID: bob, GID: bob}, "carol": {UID: carol, GID: carol, Groups: func() []uint32 { return []uint32{team} }},
			} {
				ctx := context.WithValue(context.Background(), askedBy{}, caller)
				entry, err := p.catalog.Root().Lookup(ctx, "child.rvf")
				if err != nil {
					t.Fatal(err)
				}
				if nested := entry.Kind == KindLink; nested != test.nests[name] {
					t.Errorf("for %s it is nested: %v", name, nested)
				}
			}
		})
	}
}

package catalog

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// TestSettles: a folder's time says that nothing has changed when no later change could
// leave the same time.
func TestSettles(t *testing.T) {
	t.Parallel()
	now := time.Now()
	whole := now.Truncate(time.Second)
	for what, c := range map[string]struct {
		modified, since time.Time
		want            bool
	}{
		"just changed":                   {now, now, false},
		"changed a second ago":           {whole.Add(-time.Second + 1), now, true},
		"in whole seconds":               {whole.Add(-5 * time.Second), now, false},
		"in whole seconds, seen so long": {whole.Add(-time.Minute), now.Add(-time.Minute), true},
		"by a slow clock":                {whole.Add(-time.Minute), now, false},
		"in whole seconds, long ago":     {whole.Add(-2 * time.Hour), now, true},
	} {
		scan := folderScan{info: volume.FileInfo{Modified: c.modified}, since: c.since}
		if got := scan.settles(); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

// listed is a volume to which something happens once, when the names of a folder have been read.
type listed struct {
	volume.Volume
	then func() error
}

func (l *listed) List(ctx context.Context, name string) (volume.Listing, error) {
	listing, err := l.Volume.List(ctx, name)
	return listedNames{listing, l}, err
}

type listedNames struct {
	volume.Listing
	of *listed
}

func (l listedNames) Entries() ([]volume.FolderEntry, error) {
	entries, err := l.Listing.Entries()
	if then := l.of.then; then != nil && err == nil {
		l.of.then = nil
		err = then()
	}
	return entries, err
}

// TestRenamedBehindItsListing: a store that another program renames when its folder's names have
// been read, and it itself not yet, is shown under its new name, and known as the same one.
func TestRenamedBehindItsListing(t *testing.T) {
	t.Parallel()
	p := &place{T: t, directory: t.TempDir()}
	p.write("a.rvf", person(1, 0))
	disk, err := directory.OpenVolume(p.directory)
	if err != nil {
		t.Fatal(err)
	}
	behind := &listed{Volume: disk}
	p.catalog = Open(behind, Options{})
	defer p.catalog.Close()
	p.shows(p.catalog.Root(), "a.rvf")
	before := p.find("a.rvf").Store
	p.write("notes.txt", nil) // so that it is read again
	behind.then = func() error {
		return os.Rename(filepath.Join(p.directory, "a.rvf"), filepath.Join(p.directory, "b.rvf"))
	}
	p.age()
	p.shows(p.catalog.Root(), "b.rvf")
	if behind.then != nil {
		t.Fatal("nobody has read the names")
	}
	if former := p.find("b.rvf").Store.takeFormer(); len(former) != 1 || former[0].store != before || !former[0].sure {
		t.Errorf("its former names are %+v", former)
	}
}

package integration

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rvffs/store"
	"rvffs/test/integration/rawfile"
)

// TestLinksAreShownAsTheyAre puts symlinks of every kind into the backing folder.
// The mount shows each with its own text, owner and time, whoever looks at it
// resolves it, and nobody makes or removes one through the mount.
func TestLinksAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	elsewhere := folder(t, map[string][]byte{"other.rvf": rawfile.NewBuilder("other.rvf", 2).Vec(map[uint64][]float32{1: {1, 2}}).Manifest().Bytes})
	dir := folder(t, map[string][]byte{
		"store.rvf": rawfile.NewBuilder("store.rvf", 2).Vec(map[uint64][]float32{1: {1, 2}}).Manifest().Bytes, "team/notes.txt": nil,
	})
	deep := strings.Repeat("./", 2043) + "store.rvf" // 4095 bytes, the longest there can be
	links := map[string]string{
		"beside.rvf": "store.rvf", "team/up.rvf": "../store.rvf", "other.rvf": filepath.Join(elsewhere, "other.rvf"), "nowhere.rvf": "gone.rvf",
		"loop.rvf": "loop.rvf", "out": "../../..", "folder": "team", "notes": "team/notes.txt", "deep.rvf": deep, "self.rvf": filepath.Join(dir, "store.rvf"),
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Lchown(filepath.Join(dir, "other.rvf"), 20001, 20002); err != nil {
			t.Fatal(err)
		}
	}
	m := serve(t, dir)
	for name, target := range links {
		got, err := os.Readlink(m.path(name))
		if err != nil || got != target {
			t.Errorf("%s leads to %q (%v), want %q", name, got, err, target)
		}
		shown, err := os.Lstat(m.path(name))
		if err != nil {
			t.Error(err)
			continue
		}
		backing, err := os.Lstat(m.backing(name))
		if err != nil {
			t.Fatal(err)
		}
		a, b := shown.Sys().(*syscall.Stat_t), backing.Sys().(*syscall.Stat_t)
		if shown.Mode() != backing.Mode() || shown.Size() != int64(len(target)) || !shown.ModTime().Equal(backing.ModTime()) || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%s is shown as %v of %d:%d, %d bytes, %v", name, shown.Mode(), a.Uid, a.Gid, shown.Size(), shown.ModTime())
		}
		wantErrno(t, "rm "+name, os.Remove(m.path(name)), syscall.EPERM)
		wantErrno(t, "mv "+name, os.Rename(m.path(name), m.path("moved.rvf")), syscall.EPERM)
		wantErrno(t, "mkdir "+name, os.Mkdir(m.path(name), 0o755), syscall.EEXIST)
	}
	whole := readFile(t, m.backing("store.rvf"))
	for _, inside := range []string{"beside.rvf", "team/up.rvf", "folder/up.rvf", "deep.rvf"} {
		if !bytes.Equal(readFile(t, m.path(inside, "raw")), whole) {
			t.Errorf("%s does not lead to the store's folder", inside)
		}
	}
	if !bytes.Equal(readFile(t, m.path("other.rvf")), readFile(t, filepath.Join(elsewhere, "other.rvf"))) {
		t.Error("a link that leads out does not lead to the file")
	}
	if !bytes.Equal(readFile(t, m.path("self.rvf")), whole) {
		t.Error("a link to the whole path of the backing file does not lead to that")
	}
	for name, want := range map[string]syscall.Errno{"nowhere.rvf": syscall.ENOENT, "loop.rvf": syscall.ELOOP, "notes": syscall.ENOENT} {
		_, err := os.Stat(m.path(name))
		wantErrno(t, "following "+name, err, want)
	}
	// A link that takes a store's place, and a store that takes a link's.
	if err := errors.Join(os.Rename(m.backing("beside.rvf"), m.backing("store.rvf")), os.Rename(filepath.Join(elsewhere, "other.rvf"), m.backing("self.rvf"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the exchanged names are seen", func() error {
		link, err := os.Lstat(m.path("store.rvf"))
		if err == nil && link.Mode().Type() != fs.ModeSymlink {
			err = errors.New("the link is not seen")
		}
		if err == nil {
			_, err = os.Stat(m.path("self.rvf", "raw"))
		}
		return err
	})
}

// TestCommandsFollowLinks runs the commands on a store that is reached through
// symlinks, whole and in the middle of the path. Each works on the file itself,
// whose lock and temporary files stand beside it.
func TestCommandsFollowLinks(t *testing.T) {
	t.Parallel()
	real := folder(t, map[string][]byte{
		"store.rvf": rawfile.NewBuilder("store.rvf", 2).Vec(map[uint64][]float32{1: {1, 2}, 2: {3, 4}, 3: {5, 6}}).Manifest().Bytes,
	})
	links := t.TempDir()
	link := filepath.Join(links, "link.rvf")
	for name, target := range map[string]string{link: "second.rvf", filepath.Join(links, "second.rvf"): filepath.Join(links, "dir", "store.rvf"), filepath.Join(links, "dir"): real} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(real, "store.rvf")
	input := writeFile(t, filepath.Join(t.TempDir(), "in.jsonl"), []byte("[7,8]\n"))
	output := filepath.Join(t.TempDir(), "out.npy")
	before := must(os.Stat(file))(t)
	for _, command := range [][]string{
		{"inspect", link}, {"verify", link}, {"import", link, input}, {"delete", link, "2"},
		{"query", link, "--id", "1"}, {"export", link, "-f", "npy", "-o", output}, {"compact", link},
		{"derive", link, filepath.Join(links, "child.rvf")}, {"verify", filepath.Join(links, "child.rvf")}, {"import", link, input},
	} {
		if got := try(t, program, command...); got.code != 0 {
			t.Errorf("%v: exit status %d\n%s", command, got.code, got.stderr)
		}
	}
	if after := must(os.Stat(file))(t); os.SameFile(before, after) {
		t.Error("the file was not compacted")
	}
	if got := names(t, links); strings.Join(got, " ") != "child.rvf dir link.rvf second.rvf" {
		t.Errorf("beside the link: %q", got)
	}
	if got := names(t, real); strings.Join(got, " ") != "store.rvf" {
		t.Errorf("beside the file: %q", got)
	}
	if target, err := os.Readlink(link); err != nil || target != "second.rvf" {
		t.Errorf("the link became %q, %v", target, err)
	}
	if got := must(rawfile.Read(file))(t).Vectors(); len(got) != 4 {
		t.Errorf("%d vectors, want 4: %v", len(got), got)
	}
	// The child's parent is found where the link leads.
	if got := run(t, program, "verify", filepath.Join(links, "child.rvf")); !strings.Contains(got, "lineage verified") {
		t.Error(got)
	}
	withEngine(t, file, func(limit context.Context, opened *store.Store) error {
		writer := opened.NewAppender()
		if err := writer.Join(limit); err != nil {
			return err
		}
		if _, err := os.Lstat(file + ".lock"); err != nil {
			t.Error(err)
		}
		if got := try(t, program, "import", link, input); got.code == 0 || !strings.Contains(got.stderr, "another writer") {
			t.Errorf("import beside another writer: exit status %d\n%s", got.code, got.stderr)
		}
		return writer.Rollback()
	})
	// A mount of the folder by a link to it.
	m := serve(t, filepath.Join(links, "dir"))
	if !bytes.Equal(readFile(t, m.path("store.rvf", "raw")), readFile(t, file)) {
		t.Error("the mounted link does not show the folder")
	}
	got := try(t, program, "inspect", filepath.Join(links, "nowhere.rvf"))
	if got.code == 0 || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("nothing at all: exit status %d, %s", got.code, got.stderr)
	}
}

package conformance

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Test tries everything on files of which there are none yet. Each call of fresh makes
// some that are of their own.
func Test(t *testing.T, fresh func(t *testing.T) filelog.FileSystem) {
	for name, test := range map[string]func(*testing.T, filelog.FileSystem){
		"names": names, "bytes": bytesOf, "locks": locks, "replacing": replacing, "attributes": attributes, "what is missing": missing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// put makes a file with these bytes.
func put(t *testing.T, files filelog.FileSystem, name, content string) filelog.File {
	t.Helper()
	file, err := files.Create(name, 0o640)
	if err == nil {
		_, err = file.WriteAt([]byte(content), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// holds checks what the file of a name holds.
func holds(t *testing.T, files filelog.FileSystem, name, want string) {
	t.Helper()
	file, err := files.Open(name, false)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	info, err := file.Describe()
	content := make([]byte, info.Size)
	if err == nil && info.Size > 0 {
		_, err = file.ReadAt(content, 0)
	}
	if err = errors.Join(err, file.Close()); err != nil || string(content) != want {
		t.Errorf("%s holds %q, want %q, %v", name, content, want, err)
	}
}

// fails checks the cause of an error.
func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func names(t *testing.T, files filelog.FileSystem) {
	put(t, files, "a", "one")
	_, err := files.Create("a", 0o640)
	fails(t, "create a name that is taken", err, fs.ErrExist)
	put(t, files, "b", "two")
	fails(t, "move to a name that is taken", files.RenameNew("a", "b"), fs.ErrExist)
	holds(t, files, "b", "two")
	first, err := files.Stat("a")
	if err := errors.Join(err, files.RenameNew("a", "c"), files.SyncDirectory("c")); err != nil {
		t.Fatal(err)
	}
	second, err := files.Stat("c")
	if err != nil || !first.Is(second) || second.Names > 1 {
		t.Errorf("one file under two names, one after the other, is %+v and %+v, %v", first, second, err)
	}
	if _, err := files.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old name of what was moved: %v", err)
	}
	if err := files.Rename("c", "b"); err != nil {
		t.Fatal(err)
	}
	if err := files.RenameNew("b", "d"); err != nil {
		t.Fatal(err)
	}
	holds(t, files, "d", "one")
	found, err := files.Siblings("anything")
	if err != nil || !slices.Equal(found, []string{"d"}) {
		t.Errorf("the names are %q, %v", found, err)
	}
}

func bytesOf(t *testing.T, files filelog.FileSystem) {
	file := put(t, files, "a", "0123456789")
	if _, err := file.WriteAt([]byte("xy"), 12); err != nil {
		t.Fatal(err)
	}
	holds(t, files, "a", "0123456789\x00\x00xy")
	if err := file.Truncate(4); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(6); err != nil {
		t.Fatal(err)
	}
	holds(t, files, "a", "0123\x00\x00")
	p := bytes.Repeat([]byte{9}, 4)
	if n, err := file.ReadAt(p, 4); n != 2 || err != io.EOF || !bytes.Equal(p, []byte{0, 0, 9, 9}) {
		t.Errorf("%d bytes %v over the end, %v", n, p, err)
	}
	if n, err := file.ReadAt(p, 100); n != 0 || err != io.EOF {
		t.Errorf("%d bytes behind the end, %v", n, err)
	}
	file.StartWriteback(0, 4)
	if err := file.SyncData(); err != nil {
		t.Error(err)
	}
	// What is open stays, whatever becomes of its name.
	if err := files.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if n, err := file.ReadAt(p, 0); n != 4 || string(p) != "0123" || err != nil {
		t.Errorf("%d bytes %q of a file without a name, %v", n, p, err)
	}
}

func locks(t *testing.T, files filelog.FileSystem) {
	first := put(t, files, "a", "")
	if mine, err := first.TryLock(); !mine || err != nil {
		t.Fatalf("the first lock: %t, %v", mine, err)
	}
	second, err := files.Open("a", true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if mine, err := second.TryLock(); mine || err != nil {
		t.Errorf("a lock that another has: %t, %v", mine, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if mine, err := second.TryLock(); !mine || err != nil {
		t.Errorf("a lock that nobody has any more: %t, %v", mine, err)
	}
}

func replacing(t *testing.T, files filelog.FileSystem) {
	put(t, files, "a", "old")
	old, err := files.Stat("a")
	if err != nil {
		t.Fatal(err)
	}
	put(t, files, "fresh", "new")
	if err := files.Replace("fresh", "a", old); err != nil {
		t.Fatal(err)
	}
	holds(t, files, "a", "new")
	if _, err := files.Stat("fresh"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was replaced is left: %v", err)
	}
	put(t, files, "fresh", "newer")
	fails(t, "replace another file than was asked for", files.Replace("fresh", "a", old), volume.ErrStale)
	holds(t, files, "a", "new")
	holds(t, files, "fresh", "newer")
}

func attributes(t *testing.T, files filelog.FileSystem) {
	first, second := put(t, files, "a", ""), put(t, files, "b", "")
	want, err := first.Attributes()
	if err != nil {
		t.Fatal(err)
	}
	want.Mode = 0o600
	if err := second.SetAttributes(want); err != nil {
		t.Fatal(err)
	}
	if got, err := second.Attributes(); err != nil || !got.Equal(want) {
		t.Errorf("%+v, want %+v, %v", got, want, err)
	}
}

func missing(t *testing.T, files filelog.FileSystem) {
	_, err := files.Open("a", false)
	fails(t, "open", err, fs.ErrNotExist)
	_, err = files.Stat("a")
	fails(t, "stat", err, fs.ErrNotExist)
	fails(t, "rename", files.Rename("a", "b"), fs.ErrNotExist)
	fails(t, "move", files.RenameNew("a", "b"), fs.ErrNotExist)
	fails(t, "remove", files.Remove("a"), fs.ErrNotExist)
	put(t, files, "b", "")
	fails(t, "replace", files.Replace("a", "b", volume.FileInfo{}), fs.ErrNotExist)
}

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// accessListOf is an access control list that lets one more user in, in the bytes of
// its extended attribute: version, then tag, permissions and id of each entry.
func accessListOf(owner, group, mask, others uint16, user uint32, its uint16) []byte {
	const anyone = ^uint32(0)
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range []struct {
		tag, permissions uint16
		id               uint32
	}{{1, owner, anyone}, {2, its, user}, {4, group, anyone}, {0x10, mask, anyone}, {0x20, others, anyone}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.permissions)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	return list
}

// demandXattrs skips the test on a file system without extended attributes.
func demandXattrs(t *testing.T, name string) {
	t.Helper()
	err := unix.Setxattr(name, "user.try", []byte("1"), 0)
	if errors.Is(err, unix.ENOTSUP) && os.Getenv("CI") != "true" {
		t.Skip("no extended attributes here")
	}
	if err == nil {
		err = unix.Removexattr(name, "user.try")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dressed makes a store with dead vectors in a folder that hands down a list of its
// own, and gives its file everything that a file can have.
func dressed(t *testing.T) (name string, want filelog.FileAttributes) {
	t.Helper()
	dir := t.TempDir()
	name = filepath.Join(dir, "a.rvf")
	s, err := Create(context.Background(), filepath.Base(name), CreateOptions{Dimension: 2}, Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, 1, 2, 3, 4, 5, 6)
	if _, err := s.Delete(context.Background(), []uint64{1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	demandXattrs(t, name)
	want = filelog.FileAttributes{
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Mode: 0o664 | fs.ModeSetgid | fs.ModeSticky,
		Extended: map[string][]byte{
			directory.AccessListAttribute: accessListOf(6, 0, 6, 4, 20003, 6), "user.note": []byte("kept"), "user.empty": {}, "user.long": bytes.Repeat([]byte("x"), 1500),
		},
	}
	if os.Getuid() == 0 {
		want.UID, want.GID = 20001, 20002
		want.Extended["trusted.note"] = []byte("root's")
	}
	steps := []error{
		unix.Setxattr(dir, "system.posix_acl_default", accessListOf(7, 7, 7, 7, 20009, 7), 0),
		os.Chown(name, int(want.UID), int(want.GID)),
	}
	for attribute, value := range want.Extended {
		steps = append(steps, unix.Setxattr(name, attribute, value, 0))
	}
	if err := errors.Join(append(steps, os.Chmod(name, want.Mode))...); err != nil {
		t.Fatal(err)
	}
	return name, want
}

// sameAttributes compares those of the file at name.
func sameAttributes(t *testing.T, name string, want filelog.FileAttributes) {
	t.Helper()
	files, err := directory.Open(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	file, err := files.Open(filepath.Base(name), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	got, err := file.Attributes()
	if err != nil {
		t.Fatal(err)
	}
	delete(got.Extended, "security.selinux") // every file has one where there are any
	if !got.Equal(want) {
		t.Errorf("attributes are\n%+v, want\n%+v", got, want)
	}
}

func TestCompactionKeepsAttributes(t *testing.T) {
	t.Parallel()
	name, want := dressed(t)
	held, err := os.Open(name) // so that its number is not given out again
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	for range 2 {
		compactFile(t, name)
		sameAttributes(t, name, want)
	}
	before, err := held.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(name); err != nil || os.SameFile(before, after) {
		t.Errorf("nothing was rewritten: %v", err)
	}
}

func compactFile(t *testing.T, name string) {
	t.Helper()
	s, err := Open(context.Background(), filepath.Base(name), Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Compact(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A store whose folder hands a list down and which itself has none gets none.
func TestCompactionInventsNoAccess(t *testing.T) {
	t.Parallel()
	name, want := dressed(t)
	if err := errors.Join(unix.Removexattr(name, directory.AccessListAttribute), os.Chmod(name, 0o600)); err != nil {
		t.Fatal(err)
	}
	delete(want.Extended, directory.AccessListAttribute)
	want.Mode = 0o600
	compactFile(t, name)
	sameAttributes(t, name, want)
}

func TestMoveKeepsAttributes(t *testing.T) {
	t.Parallel()
	name, want := dressed(t)
	if err := os.Mkdir(filepath.Join(filepath.Dir(name), "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := directory.Open(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(moveTo(t.Context(), s, "folder/b.rvf"), s.Close()); err != nil {
		t.Fatal(err)
	}
	sameAttributes(t, filepath.Join(filepath.Dir(name), "folder/b.rvf"), want)
}

// revokingFiles lets the owner of a store take rights away at the last moment.
type revokingFiles struct {
	*directory.Files
	revoke func() error
}

func (r *revokingFiles) Replace(fresh, name string, old volume.FileInfo) error {
	if err := r.revoke(); err != nil {
		return err
	}
	return r.Files.Replace(fresh, name, old)
}

// Rights that are taken away while the new file takes the old one's place stay so.
func TestCompactionKeepsLateChanges(t *testing.T) {
	t.Parallel()
	name, want := dressed(t)
	files, err := directory.Open(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	revoking := &revokingFiles{files, func() error {
		return errors.Join(unix.Removexattr(name, directory.AccessListAttribute), os.Chmod(name, 0o600))
	}}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: revoking}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Compact(context.Background())
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	delete(want.Extended, directory.AccessListAttribute)
	want.Mode = 0o600
	sameAttributes(t, name, want)
}

// A file whose attributes cannot be read or set is not replaced by another.
func TestCompactionWithoutAttributesFails(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, 1, 2, 3, 4)
	before, err := files.Stat("a.rvf")
	if err != nil {
		t.Fatal(err)
	}
	files.Fail = func(operation string) error {
		if operation == "set attributes" {
			return fs.ErrPermission
		}
		return nil
	}
	if _, err := s.Compact(context.Background()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("compact: %v", err)
	}
	if now, err := files.Stat("a.rvf"); err != nil || !volume.SameFile(now, before) || len(files.Names) != 1 {
		t.Errorf("the store is another file, or litter stayed: %v, %v", err, files.Names)
	}
	files.Fail = nil
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAttributesAreBounded(t *testing.T) {
	t.Parallel()
	name, _ := dressed(t)
	_, err := directory.ReadGrowing(func(buffer []byte) (int, error) {
		if len(buffer) > 1<<20 {
			t.Fatalf("asked for %d bytes", len(buffer))
		}
		return 0, unix.ERANGE
	})
	if !errors.Is(err, unix.ERANGE) {
		t.Error(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if value, err := directory.ReadXattr(int(file.Fd()), "user.long"); err != nil || string(value) != strings.Repeat("x", 1500) {
		t.Errorf("%d bytes, %v", len(value), err)
	}
}

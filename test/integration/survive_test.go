package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// accessList lets one more user read and write, in the bytes of its extended
// attribute: version, then tag, permissions and id of each entry.
func accessList(user uint32) []byte {
	const anyone = ^uint32(0)
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range []struct {
		tag, permissions uint16
		id               uint32
	}{{1, 6, anyone}, {2, 6, user}, {4, 4, anyone}, {0x10, 6, anyone}, {0x20, 0, anyone}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.permissions)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	return list
}

// TestAttributesSurvive gives a store's file an owner, a mode, an access control list
// and notes, and then compacts and renames it through the mount and by the command.
func TestAttributesSurvive(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	dir := folder(t, map[string][]byte{"notes/.keep": nil})
	store := rawfile.NewBuilder("a.rvf", 2).Vec(map[uint64][]float32{1: {1, 2}, 2: {3, 4}})
	store.Deleted = []uint64{1}
	file := store.Manifest().Write(t, dir+"/a.rvf")
	values := map[string][]byte{"system.posix_acl_access": accessList(20003), "user.origin": []byte("somewhere"), "user.empty": {}}
	steps := []error{os.Chown(file, alice, bob)}
	for name, value := range values {
		steps = append(steps, unix.Setxattr(file, name, value, 0))
	}
	err := errors.Join(steps...)
	if errors.Is(err, unix.ENOTSUP) {
		demand(t, "extended attributes", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := must(os.Stat(file))(t)
	m := serve(t, dir)
	check := func(what, name string) {
		t.Helper()
		got, err := os.Stat(m.backing(name))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		owner := got.Sys().(*syscall.Stat_t)
		if got.Mode() != want.Mode() || owner.Uid != alice || owner.Gid != bob {
			t.Errorf("%s: %v of %d:%d, want %v of %d:%d", what, got.Mode(), owner.Uid, owner.Gid, want.Mode(), alice, bob)
		}
		for attribute, value := range values {
			content := make([]byte, 256)
			n, err := unix.Getxattr(m.backing(name), attribute, content)
			if err != nil || !bytes.Equal(content[:max(n, 0)], value) {
				t.Errorf("%s: %s is %q (%v), want %q", what, attribute, content[:max(n, 0)], err, value)
			}
		}
	}
	size := want.Size()
	if err := pour(m.path("a.rvf", "ctl"), []byte("compact\n")); err != nil {
		t.Fatal(err)
	}
	check("compact by ctl", "a.rvf")
	if err := os.Rename(m.path("a.rvf"), m.path("b.rvf")); err != nil {
		t.Fatal(err)
	}
	check("mv", "b.rvf")
	if err := os.Rename(m.path("b.rvf"), m.path("notes", "c.rvf")); err != nil {
		t.Fatal(err)
	}
	check("mv into a folder", "notes/c.rvf")
	run(t, program, "compact", m.backing("notes", "c.rvf"))
	check("compact by the command", "notes/c.rvf")
	if now := must(os.Stat(m.backing("notes", "c.rvf")))(t); now.Size() == size {
		t.Error("nothing was compacted")
	}
}

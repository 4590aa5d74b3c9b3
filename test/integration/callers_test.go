package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// secretValue is the component of vectors that only one person may see, and no text
// of ours contains by chance.
const secretValue = 271828

// secretID is the first id of such vectors.
const secretID = 900001

// secretRows are vectors of it.
func secretRows(count, dimension int) [][]float32 {
	rows := randomRows(1, count, dimension)
	for _, row := range rows {
		row[0] = secretValue
	}
	return rows
}

// TestNestedStoresAreForThoseWhoReachThem has a public parent whose child lies in a
// private folder.
func TestNestedStoresAreForThoseWhoReachThem(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("public parent", 3).Vec(dimension3).Manifest()
	secret := parent.Child("secret").Vec(numbered(0, secretRows(5, 3))).Manifest()
	m := commons(t, []planted{
		{name: "parent.rvf", mode: 0o666, content: parent.Bytes},
		{name: "alice", owner: alice, group: alice, mode: 0o755},
		{name: "bob", owner: bob, group: bob, mode: 0o700},
		{name: "bob/secret.rvf", owner: bob, group: bob, mode: 0o666, content: secret.Bytes},
		{name: "alice/open.rvf", owner: alice, group: alice, mode: 0o644, content: parent.Child("open").Bytes},
		// Beside the parent, and derived from what alice cannot see.
		{name: "grand.rvf", owner: bob, group: bob, mode: 0o644, content: secret.Child("grand").Bytes},
		{name: "bob/copy.rvf", owner: carol, group: bob, mode: 0o644, content: parent.Bytes},
	})
	hers, his, root := newPerson(t, alice), newPerson(t, bob), newPerson(t, 0)
	hidden := m.path("parent.rvf", "secret.rvf")
	check := func() {
		t.Helper()
		for _, owner := range []*person{his, root} {
			for _, verb := range []string{"list", "list long"} {
				if listed := owner.must(verb, m.path("parent.rvf")); !strings.Contains(listed, "secret.rvf") {
					t.Errorf("its owner and root see %s", listed)
				}
			}
			owner.must("list", hidden)
			owner.must("read", filepath.Join(hidden, "raw"))
			owner.must("ask", filepath.Join(hidden, "query"), `{"vector":[1,2,3],"k":1}`)
			if to := owner.must("readlink", m.path("bob", "secret.rvf")); to != "../parent.rvf/secret.rvf" {
				t.Errorf("the link leads to %s", to)
			}
			if to := owner.must("readlink", m.path("grand.rvf")); to != "parent.rvf/secret.rvf/grand.rvf" {
				t.Errorf("the link leads to %s", to)
			}
			if identity := owner.must("read", m.path("parent.rvf", "identity.json")); !strings.Contains(identity, "bob/copy.rvf") {
				t.Errorf("the identity names no copy:\n%s", identity)
			}
			// Right after somebody else has walked there the kernel asks anew.
			hers.cannot("stat", []string{hidden}, syscall.ENOENT)
		}
		for _, verb := range []string{"list", "list long"} {
			if listed := hers.must(verb, m.path("parent.rvf")); strings.Contains(listed, "secret") || !strings.Contains(listed, "open.rvf") {
				t.Errorf("alice sees %s", listed)
			}
		}
		for verb, args := range map[string][]string{
			"stat": {hidden}, "list": {hidden}, "read": {filepath.Join(hidden, "raw")}, "rmdir": {hidden},
			"rename": {hidden, m.path("parent.rvf", "taken.rvf")}, "chmod": {hidden, "777"}, "xattr": {hidden, "user.rvf.epoch"},
			"write": {filepath.Join(hidden, "vectors.append"), "[1,2,3]\n"}, "ask": {filepath.Join(hidden, "query"), `{"vector":[1,2,3]}`},
			"mkdir": {filepath.Join(hidden, "below.rvf"), "755"},
		} {
			hers.cannot(verb, args, syscall.ENOENT)
		}
		for verb, args := range map[string][]string{"list": {m.path("bob")}, "stat": {m.path("bob", "secret.rvf")}, "readlink": {m.path("bob", "secret.rvf")}} {
			hers.cannot(verb, args, syscall.EACCES)
		}
		if identity := hers.must("read", m.path("parent.rvf", "identity.json")); strings.Contains(identity, "bob") {
			t.Errorf("the identity tells alice of\n%s", identity)
		}
		// What descends from what she cannot see stands where it lies.
		if is := hers.must("stat", m.path("grand.rvf")); !strings.HasPrefix(is, "d") {
			t.Errorf("to alice the grandchild is %s", is)
		}
		identity := hers.must("read", m.path("grand.rvf", "identity.json"))
		if strings.Contains(identity, "secret") || !strings.Contains(identity, "parent-missing") {
			t.Errorf("the grandchild's identity tells alice\n%s", identity)
		}
		if is := his.must("stat", m.path("grand.rvf")); !strings.HasPrefix(is, "L") {
			t.Errorf("to bob the grandchild is %s", is)
		}
	}
	check()
	// She stays where she is, and on no path that is not hers to know.
	hers.must("enter", m.path("grand.rvf"))
	his.must("list", m.path("parent.rvf", "secret.rvf", "grand.rvf"))
	his.must("read", m.path("parent.rvf", "secret.rvf", "grand.rvf", "raw"))
	if where := hers.must("where"); where != m.path("grand.rvf") {
		t.Errorf("alice is in %s", where)
	}
	hers.must("read", "raw")
	hers.must("enter", "/")
	// Access goes with the folder's mode, at once.
	his.must("chmod", m.backing("bob"), "711")
	hers.must("read", filepath.Join(hidden, "raw"))
	his.must("chmod", m.backing("bob"), "700")
	check()
}

// TestCopiesOfParentsTakeNothing has alice copy a parent whose child is bob's.
func TestCopiesOfParentsTakeNothing(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("copied parent", 3).Vec(dimension3).Manifest()
	m := commons(t, []planted{
		{name: "p.rvf", mode: 0o644, content: parent.Bytes},
		{name: "shared", mode: 0o777 | fs.ModeSticky},
		{name: "shared/child.rvf", owner: bob, group: bob, mode: 0o644, content: parent.Child("child").Bytes},
		{name: "a", owner: alice, group: alice, mode: 0o755},
	})
	hers, his := newPerson(t, alice), newPerson(t, bob)
	check := func(moment string) {
		t.Helper()
		if to := his.must("readlink", m.path("shared", "child.rvf")); to != "../p.rvf/child.rvf" {
			t.Errorf("%s the child stands in %s", moment, to)
		}
		for _, copied := range []string{"a/p.rvf", "shared/a.rvf"} {
			for _, who := range []*person{hers, his} {
				if listed, err := who.do("list", m.path(copied)); err == nil && strings.Contains(listed, "child.rvf") {
					t.Errorf("%s the copy %s shows %s", moment, copied, listed)
				}
				who.cannot("stat", []string{m.path(copied, "child.rvf")}, syscall.ENOENT)
			}
			hers.cannot("rmdir", []string{m.path(copied, "child.rvf")}, syscall.ENOENT)
		}
		hers.cannot("rmdir", []string{m.path("p.rvf", "child.rvf")}, syscall.EACCES)
		hers.cannot("rename", []string{m.path("p.rvf", "child.rvf"), m.path("p.rvf", "mine.rvf")}, syscall.EACCES)
	}
	check("before there are copies")
	for _, copied := range []string{"a/p.rvf", "shared/a.rvf"} {
		hers.must("create", m.backing(copied), string(parent.Bytes))
	}
	for _, copied := range []string{"a/p.rvf", "shared/a.rvf"} {
		eventually(t, "the copy is seen", func() error {
			_, err := his.do("list", m.path(copied))
			return err
		})
	}
	check("with copies")
	m.stop()
	m = serveAt(t, m.Dir, m.Point, "--allow-other")
	check("after a remount")
}

// TestChangesNeedTheBackingFolder makes, renames and removes in folders of all kinds
// what alice could in the tree, but for the folder that the files lie in.
func TestChangesNeedTheBackingFolder(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	plain := func(name string) []byte { return parent.Child(name).Bytes }
	m := commons(t, []planted{
		{name: "p.rvf", owner: alice, group: alice, mode: 0o666, content: parent.Bytes},
		{name: "mine", owner: alice, group: alice, mode: 0o755},
		{name: "mine/c.rvf", owner: alice, group: alice, mode: 0o644, content: plain("mine")},
		{name: "fixed", mode: 0o755},
		{name: "fixed/f.rvf", owner: alice, group: alice, mode: 0o644, content: plain("fixed")},
		{name: "fixed/p.rvf", owner: alice, group: alice, mode: 0o666, content: rawfile.NewBuilder("fixed parent", 3).Bytes},
		{name: "fixed/full.rvf", owner: alice, group: alice, mode: 0o644, content: parent.Child("full").Vec(dimension3).Manifest().Bytes},
		{name: "blind", owner: alice, group: alice, mode: 0o600},
		{name: "sticky", mode: 0o777 | fs.ModeSticky},
		{name: "sticky/b.rvf", owner: bob, group: bob, mode: 0o644, content: rawfile.NewBuilder("sticky", 3).Bytes},
		{name: "sticky/p.rvf", owner: alice, group: alice, mode: 0o666, content: rawfile.NewBuilder("sticky parent", 3).Bytes},
		{name: "sticky/c.rvf", owner: bob, group: bob, mode: 0o644, content: rawfile.NewBuilder("sticky parent", 3).Child("sticky child").Bytes},
		{name: "team", group: team, mode: 0o775 | fs.ModeSetgid},
		{name: "team/p.rvf", owner: bob, group: team, mode: 0o664, content: rawfile.NewBuilder("team parent", 3).Bytes},
		{name: "left", owner: alice, group: alice, mode: 0o755},
		{name: "left/inner", mode: 0o755},
		{name: "left/inner/s.rvf", owner: alice, group: alice, mode: 0o644, content: rawfile.NewBuilder("left", 3).Bytes},
	})
	loner, hers, his := newPerson(t, alice), newPerson(t, alice, team), newPerson(t, bob)
	const no, notYours = syscall.EACCES, syscall.EPERM
	for _, try := range []struct {
		who  *person
		verb string
		args []string
		want syscall.Errno
	}{
		{hers, "mkdir", []string{"mine/new.rvf", "755"}, 0},
		{hers, "mkdir", []string{"mine/folder", "755"}, 0},
		{hers, "rename", []string{"mine/new.rvf", "mine/folder/new.rvf"}, 0},
		{hers, "rmdir", []string{"mine/folder/new.rvf"}, 0},
		{hers, "rmdir", []string{"mine/folder"}, 0},
		{hers, "rename", []string{"p.rvf/c.rvf", "p.rvf/d.rvf"}, 0},

		{hers, "mkdir", []string{"fixed/new.rvf", "755"}, no},
		{hers, "mkdir", []string{"fixed/folder", "755"}, no},
		{hers, "mkdir", []string{"fixed/p.rvf/new.rvf", "755"}, no}, // she may write to the parent, not to its folder
		{hers, "rename", []string{"fixed/p.rvf", "mine/p.rvf"}, no},
		{hers, "rename", []string{"p.rvf/f.rvf", "p.rvf/e.rvf"}, no},
		{hers, "rmdir", []string{"p.rvf/f.rvf"}, no},
		{hers, "rmdir", []string{"p.rvf/full.rvf"}, no}, // and not that it holds something
		{hers, "mkdir", []string{"p.rvf/new.rvf", "755"}, no},
		{hers, "mkdir", []string{"blind/new.rvf", "755"}, no},
		{hers, "mkdir", []string{"new.rvf", "755"}, no},
		{hers, "rename", []string{"left/inner/s.rvf", "left/s.rvf"}, no},
		{hers, "rename", []string{"left/inner", "left/outer"}, 0}, // for its name she may write

		{hers, "mkdir", []string{"sticky/new.rvf", "755"}, 0},
		{hers, "rename", []string{"sticky/new.rvf", "sticky/old.rvf"}, 0},
		{his, "rename", []string{"sticky/old.rvf", "sticky/taken.rvf"}, notYours},
		{his, "rmdir", []string{"sticky/old.rvf"}, notYours},
		{hers, "rename", []string{"sticky/b.rvf", "sticky/taken.rvf"}, notYours},
		{hers, "rmdir", []string{"sticky/b.rvf"}, notYours},
		// Her parent's folder has no sticky bit; that of the files has.
		{hers, "rename", []string{"sticky/p.rvf/c.rvf", "sticky/p.rvf/taken.rvf"}, notYours},
		{hers, "rmdir", []string{"sticky/p.rvf/c.rvf"}, notYours},
		{hers, "chmod", []string{"sticky/p.rvf/c.rvf", "777"}, notYours},
		{hers, "rmdir", []string{"sticky/old.rvf"}, 0},

		{loner, "mkdir", []string{"team/new.rvf", "755"}, no},
		{loner, "mkdir", []string{"team/p.rvf/new.rvf", "755"}, no},
		{hers, "mkdir", []string{"team/new.rvf", "755"}, 0},
		{hers, "mkdir", []string{"team/folder", "750"}, 0},
		{hers, "mkdir", []string{"team/folder/sticky", "1777"}, 0},
		{hers, "mkdir", []string{"team/p.rvf/derived.rvdna", "775"}, 0},
	} {
		var args []string
		for i, arg := range try.args {
			if i == 0 || try.verb == "rename" {
				arg = m.path(arg)
			}
			args = append(args, arg)
		}
		if try.want == 0 {
			try.who.must(try.verb, args...)
		} else {
			try.who.cannot(try.verb, args, try.want)
		}
	}
	for name, want := range map[string]string{
		"team/new.rvf": fmt.Sprintf("-rw-r--r-- %d:%d", alice, team), "team/folder": fmt.Sprintf("dgrwxr-x--- %d:%d", alice, team),
		"team/derived.rvdna": fmt.Sprintf("-rw-r--r-- %d:%d", alice, team), "mine/d.rvf": fmt.Sprintf("-rw-r--r-- %d:%d", alice, alice),
		"team/folder/sticky": fmt.Sprintf("dgtrwxr-xr-x %d:%d", alice, team),
	} {
		if got, err := (&stage{}).act("stat", []string{m.backing(name)}); err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", name, got, err, want)
		}
	}
	for _, absent := range []string{"fixed/new.rvf", "new.rvf", "blind/new.rvf"} {
		if _, err := os.Lstat(m.backing(absent)); err == nil {
			t.Errorf("%s was made", absent)
		}
	}
	// A refused change leaves no locks or temporary files, wherever the folder is.
	leftovers := must(filepath.Glob(m.backing("*", ".*")))(t)
	if locks := must(filepath.Glob(m.backing("*", "*.lock")))(t); len(locks)+len(leftovers) > 0 {
		t.Errorf("left behind: %v %v", locks, leftovers)
	}
}

// aclOf is a POSIX access control list as its extended attribute has it:
// version 2, then of each entry tag, permissions and id.
func aclOf(entries ...[3]uint32) []byte {
	list := []byte{2, 0, 0, 0}
	for _, entry := range entries {
		list = append(list, byte(entry[0]), byte(entry[0]>>8), byte(entry[1]), 0, byte(entry[2]), byte(entry[2]>>8), byte(entry[2]>>16), byte(entry[2]>>24))
	}
	return list
}

// The tags of entries, and the id of those that have none.
const (
	aclUserObj, aclUser, aclGroupObj, aclGroup, aclMask, aclOther = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

	aclNobody = 0xffffffff

	accessAttribute, defaultAttribute = "system.posix_acl_access", "system.posix_acl_default"
)

// TestAccessListsCount: of a file with a list the mode tells less than the truth, its
// group bits being the mask.
func TestAccessListsCount(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	probe := writeFile(t, filepath.Join(t.TempDir(), "probe"), nil)
	demand(t, "access control lists", unix.Setxattr(probe, accessAttribute, aclOf(
		[3]uint32{aclUserObj, 6, aclNobody}, [3]uint32{aclUser, 4, bob}, [3]uint32{aclGroupObj, 0, aclNobody},
		[3]uint32{aclMask, 4, aclNobody}, [3]uint32{aclOther, 0, aclNobody}), 0))
	// The group has nothing, and the mask, which ls shows as its bits, is rw.
	list := func(named uint32) map[string][]byte {
		return map[string][]byte{accessAttribute: aclOf(
			[3]uint32{aclUserObj, 6, aclNobody}, [3]uint32{aclUser, named, bob}, [3]uint32{aclGroupObj, 0, aclNobody},
			[3]uint32{aclMask, 6, aclNobody}, [3]uint32{aclOther, 0, aclNobody})}
	}
	secret := rawfile.NewBuilder("listed", 3).Vec(numbered(0, secretRows(5, 3))).Manifest()
	defaults := map[string][]byte{defaultAttribute: aclOf(
		[3]uint32{aclUserObj, 7, aclNobody}, [3]uint32{aclUser, 6, bob}, [3]uint32{aclGroupObj, 5, aclNobody},
		[3]uint32{aclMask, 7, aclNobody}, [3]uint32{aclOther, 0, aclNobody})}
	m := commons(t, []planted{
		{name: "secret.rvf", owner: alice, group: team, mode: 0o660, content: secret.Bytes, attributes: list(6)},
		{name: "folder", owner: alice, group: team, mode: 0o770, attributes: map[string][]byte{accessAttribute: aclOf(
			[3]uint32{aclUserObj, 7, aclNobody}, [3]uint32{aclUser, 7, bob}, [3]uint32{aclGroupObj, 0, aclNobody},
			[3]uint32{aclMask, 7, aclNobody}, [3]uint32{aclOther, 0, aclNobody})}},
		{name: "folder/inner.rvf", owner: alice, group: alice, mode: 0o644, content: rawfile.NewBuilder("inner", 3).Bytes},
		{name: "handing", owner: alice, group: alice, mode: 0o755, attributes: defaults},
	})
	hers, his, member := newPerson(t, alice), newPerson(t, bob), newPerson(t, carol, team)
	store := m.path("secret.rvf")
	attempts := map[string][]string{
		"read": {filepath.Join(store, "raw")}, "list": {store}, "ask": {filepath.Join(store, "query"), `{"vector":[1,2,3]}`},
		"write": {filepath.Join(store, "vectors.append"), "[1,2,3]\n"}, "xattr": {store, "user.rvf.epoch"},
	}
	for verb, args := range attempts {
		hers.must(verb, args...)
		member.cannot(verb, args, syscall.EACCES)
	}
	for _, name := range []string{"identity.json", "status.json", "append.log", "vectors/vectors.npy", "vectors/by-id/1.json", "neighbors/1.json", "segments"} {
		verb := "read"
		if name == "segments" {
			verb = "list"
		}
		hers.must(verb, filepath.Join(store, name))
		member.cannot(verb, []string{filepath.Join(store, name)}, syscall.EACCES)
	}
	member.cannot("write", []string{filepath.Join(store, "ctl"), "compact\n"}, syscall.EACCES)
	member.cannot("write", []string{filepath.Join(store, "vectors.delete"), "1\n"}, syscall.EACCES)
	member.cannot("create", []string{filepath.Join(store, "kernel", "image"), "x"}, syscall.EACCES)
	member.cannot("list", []string{m.path("folder")}, syscall.EACCES)
	member.cannot("stat", []string{m.path("folder", "inner.rvf")}, syscall.EACCES)
	member.cannot("mkdir", []string{m.path("folder", "new.rvf"), "755"}, syscall.EACCES)
	// The list names bob, for whom mode and group have nothing.
	for verb, args := range attempts {
		his.must(verb, args...)
	}
	his.must("list", m.path("folder"))
	his.must("read", m.path("folder", "inner.rvf", "raw"))
	his.must("mkdir", m.path("folder", "new.rvf"), "755")
	hers.must("mkdir", m.path("handing", "new.rvf"), "777")
	value := make([]byte, 256)
	n, err := unix.Getxattr(m.backing("handing", "new.rvf"), accessAttribute, value)
	want := aclOf([3]uint32{aclUserObj, 6, aclNobody}, [3]uint32{aclUser, 6, bob}, [3]uint32{aclGroupObj, 5, aclNobody},
		[3]uint32{aclMask, 6, aclNobody}, [3]uint32{aclOther, 0, aclNobody})
	if err != nil || !bytes.Equal(value[:n], want) {
		t.Errorf("the new store has the list %x (%v), want %x", value[:max(n, 0)], err, want)
	}
}

// TestAccessListsCountForOpens: where the kernel is told of no lists, its own decision
// by the mode is not the last word.
func TestAccessListsCountForOpens(t *testing.T) {
	t.Parallel()
	list := aclOf([3]uint32{aclUserObj, 6, aclNobody}, [3]uint32{aclUser, 6, bob}, [3]uint32{aclGroupObj, 0, aclNobody},
		[3]uint32{aclMask, 6, aclNobody}, [3]uint32{aclOther, 0, aclNobody})
	for _, option := range []string{"noacl", "noxattr"} {
		m := commons(t, []planted{{
			name: "s.rvf", owner: alice, group: team, mode: 0o660, content: rawfile.NewBuilder("listed", 3).Vec(dimension3).Manifest().Bytes,
			attributes: map[string][]byte{accessAttribute: list},
		}}, "-o", option)
		hers, member := newPerson(t, alice), newPerson(t, carol, team)
		for _, one := range []task{
			{Verb: "read", Args: words{m.path("s.rvf", "raw")}}, {Verb: "list", Args: words{m.path("s.rvf")}},
			{Verb: "ask", Args: words{m.path("s.rvf", "query"), `{"vector":[1,2,3]}`}},
			{Verb: "write", Args: words{m.path("s.rvf", "vectors.append"), "[1,2,3]\n"}},
			{Verb: "write", Args: words{m.path("s.rvf", "ctl"), "flush\n"}},
		} {
			hers.must(one.Verb, one.Args...)
			member.cannot(one.Verb, one.Args, syscall.EACCES)
		}
	}
}

// TestRightsAreAskedAtEachOpen takes rights away where the mount does not see it, on
// the store's file or on the folder that it lies in, of files that the kernel knows.
func TestRightsAreAskedAtEachOpen(t *testing.T) {
	t.Parallel()
	store := rawfile.NewBuilder("asked", 3).Vec(dimension3).Kernel(image, "console=ttyS0", false).Manifest()
	m := commons(t, []planted{
		{name: "folder", owner: bob, group: bob, mode: 0o755},
		{name: "folder/s.rvf", owner: bob, group: bob, mode: 0o666, content: store.Bytes},
	})
	hers := newPerson(t, alice)
	in := func(name string) string { return m.path("folder", "s.rvf", name) }
	reads := []task{
		{Verb: "list", Args: words{in("")}}, {Verb: "ask", Args: words{in("query"), `{"vector":[1,2,3]}`}},
		{Verb: "xattr", Args: words{m.path("folder", "s.rvf"), "user.rvf.epoch"}},
	}
	for _, name := range []string{"raw", "manifest.json", "identity.json", "status.json", "append.log", "vectors/vectors.npy", "vectors/by-id/1.json", "neighbors/1.json", "kernel/image"} {
		reads = append(reads, task{Verb: "read", Args: words{in(name)}})
	}
	writes := []task{
		{Verb: "write", Args: words{in("vectors.append"), "[1,2,3]\n"}}, {Verb: "write", Args: words{in("vectors.delete"), "1000\n"}},
		{Verb: "write", Args: words{in("ctl"), "flush\n"}}, {Verb: "create", Args: words{in("kernel/cmdline"), "quiet"}},
	}
	all := append(append([]task(nil), reads...), writes...)
	allowed := func(moment string, tasks []task) {
		t.Helper()
		for _, one := range tasks {
			if _, err := hers.do(one.Verb, one.Args...); err != nil {
				t.Errorf("%s, %s %q: %v", moment, one.Verb, one.Args, err)
			}
		}
	}
	refused := func(tasks []task) {
		t.Helper()
		for _, one := range tasks {
			hers.cannot(one.Verb, one.Args, syscall.EACCES)
		}
	}
	for _, step := range []struct {
		name             string
		mode             fs.FileMode
		allowed, refused []task
	}{
		{"folder/s.rvf", 0o644, reads, writes},
		{"folder/s.rvf", 0o600, nil, all},
		{"folder/s.rvf", 0o666, all, nil},
		{"folder", 0o700, nil, all},
		{"folder", 0o755, all, nil},
	} {
		// The kernel has looked all names up just now.
		hers.do("list long", in(""))
		if err := os.Chmod(m.backing(step.name), step.mode); err != nil {
			t.Fatal(err)
		}
		refused(step.refused)
		if len(step.allowed) > 0 {
			// What was refused may be believed for its second.
			eventually(t, "rights are given", func() error {
				_, err := hers.do("list", in(""))
				return err
			})
			allowed(step.name+" is given back", step.allowed)
		}
	}
	// What is open stays open: rights are those of the moment of open(2).
	hers.must("open", "view", in("raw"), fmt.Sprint(os.O_RDONLY))
	hers.must("open", "stream", in("vectors.append"), fmt.Sprint(os.O_WRONLY))
	if err := os.Chmod(m.backing("folder", "s.rvf"), 0o600); err != nil {
		t.Fatal(err)
	}
	hers.must("read from", "view")
	hers.must("write to", "stream", "[4,5,6]\n")
	hers.must("close", "stream")
}

// TestDescriptorsAreTheirOpeners has root open files of bob's and then become alice.
func TestDescriptorsAreTheirOpeners(t *testing.T) {
	t.Parallel()
	m := commons(t, []planted{
		{name: "s.rvf", owner: bob, group: bob, mode: 0o600, content: rawfile.NewBuilder("opened", 3).Vec(dimension3).Manifest().Bytes},
	})
	she := newPerson(t, 0)
	for name, flags := range map[string]int{"raw": os.O_RDONLY, "query": os.O_RDWR, "ctl": os.O_WRONLY, "vectors.append": os.O_WRONLY, "append.log": os.O_RDONLY} {
		she.must("open", name, m.path("s.rvf", name), fmt.Sprint(flags))
	}
	she.must("become", fmt.Sprint(alice))
	she.cannot("read", []string{m.path("s.rvf", "raw")}, syscall.EACCES)
	she.must("read from", "raw")
	she.must("write to", "query", `{"vector":[1,2,3],"k":1}`)
	if answer := she.must("read from", "query"); !strings.Contains(answer, "distance") {
		t.Errorf("the answer is %q", answer)
	}
	she.must("write to", "ctl", "compact\n")
	she.must("write to", "vectors.append", "[1,2,3]\n")
	for _, name := range []string{"raw", "query", "ctl", "vectors.append", "append.log"} {
		she.must("close", name)
	}
}

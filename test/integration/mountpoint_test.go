package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMountPointsAreLookedAt before anything is mounted over what somebody needs.
func TestMountPointsAreLookedAt(t *testing.T) {
	t.Parallel()
	dir, full := t.TempDir(), folder(t, map[string][]byte{"letter": []byte("to be kept")})
	refused := func(says string, arguments ...string) {
		t.Helper()
		if got := try(t, program, append(words{"mount"}, arguments...)...); got.code != 1 || !strings.Contains(got.stderr, says) {
			t.Errorf("rvffs mount %v: exit status %d, %s", arguments, got.code, got.stderr)
		}
	}
	refused("is not empty, it holds letter", dir, full)
	refused("say --allow-non-empty", dir, full, "-o", "rw")
	for _, say := range []string{"--allow-non-empty", "--options=nonempty"} {
		m := serveAt(t, dir, full, say)
		refused("the stores of "+dir+" are mounted there already", dir, full)
		m.stop()
	}
	if got := string(readFile(t, filepath.Join(full, "letter"))); got != "to be kept" {
		t.Errorf("what was below the mount is %q", got)
	}
}

// TestNoDeviceIsSaid: a machine or a container without /dev/fuse hears what it lacks.
func TestNoDeviceIsSaid(t *testing.T) {
	t.Parallel()
	demandProgram(t, "unshare")
	if os.Geteuid() != 0 {
		t.Skip("only root can hide the device")
	}
	got := try(t, "unshare", "-m", "sh", "-c", `mount -t tmpfs none /dev && exec "$@"`, "sh", program, "mount", t.TempDir(), t.TempDir())
	if got.code != 1 || !strings.Contains(got.stderr, "there is no /dev/fuse: load the kernel's module with `modprobe fuse`") {
		t.Errorf("exit status %d, %s", got.code, got.stderr)
	}
}

// TestUsersOfAMountAreNamed where it cannot end because of them.
func TestUsersOfAMountAreNamed(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	sleeper := exec.Command("sleep", "1000")
	sleeper.Dir = m.Point
	demand(t, "start", sleeper.Start())
	got := try(t, program, "umount", m.Point)
	within := try(t, "env", "-C", m.Point, program, "umount", m.Point)
	want := fmt.Sprintf("is in use by sleep (process %d)", sleeper.Process.Pid)
	demand(t, "kill", sleeper.Process.Kill())
	_ = sleeper.Wait()
	if got.code != 1 || !strings.Contains(got.stderr, want) {
		t.Errorf("exit status %d, %s; want %s", got.code, got.stderr, want)
	}
	// Who asks from within is no user that he would have to look for.
	if within.code != 1 || !strings.Contains(within.stderr, want) || strings.Contains(within.stderr, "rvffs (") {
		t.Errorf("exit status %d, %s; want %s alone", within.code, within.stderr, want)
	}
}

// TestRemount makes a mount read-only and back, as the system's mount program asks for it.
func TestRemount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can remount")
	}
	dir := t.TempDir()
	run(t, program, "create", filepath.Join(dir, "a.rvf"), "--dimension", "2")
	m := serve(t, dir)
	// mount(8) gives the helper all that its table says, too.
	remount := func(how string) outcome {
		return try(t, program, dir, m.Point, "-o", "rw,nosuid,nodev,relatime,remount,user_id=0,group_id=0,max_read=1048576,"+how)
	}
	tell := func(want string) {
		t.Helper()
		if config := string(readFile(t, m.path(".rvffs", "config.json"))); !strings.Contains(config, `"read_only": `+want) {
			t.Errorf("config.json says %s", config)
		}
	}
	stream := must(os.OpenFile(m.path("a.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
	if got := remount("ro"); got.code != 1 || !strings.Contains(got.stderr, "is in use by") {
		t.Errorf("while somebody writes: %+v", got)
	}
	demand(t, "close", stream.Close())
	eventually(t, "it can be made read-only", func() error {
		if got := remount("ro"); got.code != 0 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	tell("true")
	wantRefusal(t, tryShell(t, `echo '[1,2]' > "$1"`, m.path("a.rvf", "vectors.append")), syscall.EROFS)
	wantRefusal(t, try(t, "mkdir", m.path("b.rvf")), syscall.EROFS)
	if got := remount("rw"); got.code != 0 {
		t.Errorf("back: %+v", got)
	}
	tell("false")
	shell(t, `echo '[1,2]' > "$1"`, m.path("a.rvf", "vectors.append"))
	m.stop()
	m = serve(t, dir, "--read-only")
	if got := remount("rw"); got.code != 1 || !strings.Contains(got.stderr, "was mounted read-only") {
		t.Errorf("what was never to be written to: %+v", got)
	}
	wantRefusal(t, try(t, "mkdir", m.path("b.rvf")), syscall.EROFS)
}

// TestFoldersOfStoresAreStores to every command: who knows a store by its mount need not
// know its file.
func TestFoldersOfStoresAreStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	demand(t, "mkdir", os.Mkdir(at("sub"), 0o755))
	run(t, program, "create", at("a.rvf"), "--dimension", "2")
	withVectors(t, at("a.rvf"), model{1: {1, 2}, 2: {3, 4}})
	demand(t, "write", os.WriteFile(at("sub/bad.rvf"), []byte("no store at all, and long enough to be looked at for one"), 0o644))
	m := serve(t, dir)
	shown := m.path("a.rvf")
	image := filepath.Join(t.TempDir(), "image")
	demand(t, "write", os.WriteFile(image, []byte("a kernel"), 0o644))
	for _, c := range []struct {
		arguments words
		says      string
	}{
		{words{"inspect", shown}, "file id"},
		{words{"status", shown + "/"}, "live vectors     2"},
		{words{"export", shown, "-f", "jsonl"}, `{"id":                   1,`},
		{words{"query", shown, "--vector", "[1,2]", "-k", "1"}, "1         0"},
		{words{"delete", shown, "2"}, "1 vectors deleted"},
		{words{"embed-kernel", shown, image}, "kernel of 8 bytes"},
		{words{"extract-kernel", shown, "-"}, "a kernel"},
		{words{"remove", shown, "kernel"}, "kernel removed"},
		{words{"compact", shown}, "segments compacted"},
		{words{"derive", shown, filepath.Join(shown, "kid.rvf")}, "kid.rvf: "},
		{words{"derive", shown, m.path("sub", "far.rvf")}, "far.rvf: "},
		{words{"recover", shown}, "nothing to recover"},
	} {
		if said := run(t, program, c.arguments...); !strings.Contains(said, c.says) {
			t.Errorf("rvffs %v says %s", c.arguments, said)
		}
	}
	for _, arguments := range []words{{"verify"}, {"inspect"}, {"export"}, {"rm"}, {"query", "--id", "1"}} {
		for _, name := range []string{"raw", "vectors/vectors.npy", "vectors"} {
			if got := try(t, program, append(arguments, filepath.Join(shown, name))...); got.code != 1 || !strings.Contains(got.stdout+got.stderr, filepath.Join(shown, name)+" is not a store, but lies in the folder of one: name the folder, "+shown+"\n") {
				t.Errorf("rvffs %v of %s: %+v", arguments, name, got)
			}
		}
	}
	if got := strings.Join(names(t, dir), " "); got != "a.rvf kid.rvf sub" {
		t.Errorf("the backing directory holds %s", got)
	}
	// The derived ones are shown in their parent's folder, wherever their files lie.
	eventually(t, "children are shown", func() error {
		_, err := os.Stat(filepath.Join(shown, "far.rvf"))
		return err
	})
	if said := run(t, program, "verify", shown, filepath.Join(shown, "kid.rvf"), filepath.Join(shown, "far.rvf")); strings.Count(said, "lineage verified") != 2 {
		t.Errorf("verify says %s", said)
	}
	if got := try(t, program, "verify", m.path("sub", "bad.rvf")); got.code != 1 || !strings.Contains(got.stdout, "unreadable") {
		t.Errorf("what is no store: %+v", got)
	}
	if got := try(t, program, "export", shown, "-o", at("a.rvf")); got.code != 1 || !strings.Contains(got.stderr, "is the store itself") {
		t.Errorf("a store is no output of its own: %+v", got)
	}
	if got := try(t, program, "status", m.path("sub")); got.code != 1 || !strings.Contains(got.stderr, "is a directory: name the store's file") {
		t.Errorf("a plain folder: %+v", got)
	}
	if got := try(t, program, "rm", shown); got.code != 1 || !strings.Contains(got.stderr, "far.rvf") || !strings.Contains(got.stderr, "kid.rvf") {
		t.Errorf("rm of a parent: %+v", got)
	}
	run(t, program, "rm", filepath.Join(shown, "kid.rvf"), filepath.Join(shown, "far.rvf"), shown)
	if got := strings.Join(names(t, dir), " "); got != "sub" {
		t.Errorf("left in the backing directory: %s", got)
	}
}

// TestHelperOfMount is called by a helper's name, as mount(8) does.
func TestHelperOfMount(t *testing.T) {
	t.Parallel()
	dir, point, helper := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "mount.fuse.rvffs")
	run(t, "cp", program, helper)
	run(t, helper, dir, point, "-f", "-o", "rw")
	if mounted(point) {
		t.Error("-f mounts")
	}
	if got := try(t, helper, dir, point, "-n", "-v", "-o", "rw,bogus"); got.code != 2 || mounted(point) {
		t.Errorf("an unknown option: %+v", got)
	}
	run(t, helper, dir, point, "-s", "-n", "-v", "-o", "rw,_netdev,nofail,x-systemd.automount,comment=x,bogus")
	t.Cleanup(func() { run(t, program, "umount", point) })
	run(t, "mkdir", filepath.Join(point, "a.rvf"))
}

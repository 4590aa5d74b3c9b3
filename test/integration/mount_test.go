package integration

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// demandFUSE skips the test where there is no FUSE.
func demandFUSE(t testing.TB) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	demand(t, "FUSE", err)
}

// unmountAtEnd removes a mount that a test made with the command itself.
func unmountAtEnd(t testing.TB, point string) {
	t.Helper()
	t.Cleanup(func() {
		for unix.Unmount(point, unix.MNT_DETACH) == nil {
		}
	})
}

// daemons lists the processes of the built program that serve a mount point.
func daemons(t testing.TB, point string) []int {
	t.Helper()
	var found []int
	for _, entry := range must(os.ReadDir("/proc"))(t) {
		process, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		executable, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		arguments, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if executable == program && slices.Contains(strings.Split(string(arguments), "\x00"), point) {
			found = append(found, process)
		}
	}
	return found
}

// ended waits until no process serves the mount point.
func ended(t testing.TB, point string) {
	t.Helper()
	eventually(t, "the daemon ends", func() error {
		if running := daemons(t, point); len(running) > 0 {
			return errors.New("it still runs")
		}
		return nil
	})
}

// TestMountInBackground mounts as people do: when the command returns, the
// folder serves; when it is unmounted, the daemon ends.
func TestMountInBackground(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	dir := folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("background", 3).Vec(dimension3).Manifest().Bytes})
	for name, unmount := range map[string]string{"umount": `umount "$2"`, "rvffs umount": `"$1" umount "$2"`} {
		point := t.TempDir()
		unmountAtEnd(t, point)
		if got := run(t, program, "mount", dir, point); got != "" {
			t.Errorf("mount said %q", got)
		}
		if err := folderShows(filepath.Join(point, "store.rvf"), filepath.Join(dir, "store.rvf")); err != nil {
			t.Errorf("right after the mount: %v", err)
		}
		if got := daemons(t, point); len(got) != 1 {
			t.Errorf("%d daemons serve the mount", len(got))
		}
		shell(t, unmount, program, point)
		if got := names(t, point); len(got) > 0 {
			t.Errorf("after %s the mount point shows %v", name, got)
		}
		ended(t, point)
	}
}

// TestRelativePaths mounts with paths relative to the working directory.
func TestRelativePaths(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	above := t.TempDir()
	for _, name := range []string{"stores", "mnt"} {
		if err := os.Mkdir(filepath.Join(above, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(above, "stores", "store.rvf"), rawfile.NewBuilder("relative", 3).Bytes)
	unmountAtEnd(t, filepath.Join(above, "mnt"))
	shell(t, `cd "$1" && "$2" mount stores mnt && ls mnt/store.rvf/manifest.json && "$2" umount mnt`, above, program)
}

// TestMountRefuses gives mount what it cannot mount: it must fail and say why.
func TestMountRefuses(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "file"), nil)
	for what, arguments := range map[string][]string{
		"no such folder":              {filepath.Join(dir, "absent"), t.TempDir()},
		"a file for a folder":         {file, t.TempDir()},
		"no such mount point":         {dir, filepath.Join(dir, "absent")},
		"a file for a mount point":    {dir, file},
		"no mount point":              {dir},
		"an option that nobody knows": {"--no-such-option", dir, t.TempDir()},
	} {
		got := try(t, program, append([]string{"mount"}, arguments...)...)
		if got.code == 0 || strings.TrimSpace(got.stderr) == "" {
			t.Errorf("%s: exit status %d, standard error %q", what, got.code, got.stderr)
		}
		unmountAtEnd(t, arguments[len(arguments)-1])
	}
}

// TestSignals ends the daemon in good order while a stream is open: its whole
// rows are committed, and nothing is left behind. A writer that goes on may end
// its stream; one that does not is not waited for.
func TestSignals(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		signal syscall.Signal
		goesOn bool
	}{
		"SIGTERM, a writer that goes on": {syscall.SIGTERM, true},
		"SIGTERM, a forgotten stream":    {syscall.SIGTERM, false},
		"SIGINT, a forgotten stream":     {syscall.SIGINT, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := smallStore(t)
			want := model{3: {7, 8, 9}, 4: {1, 1, 1}}
			stream := must(os.OpenFile(m.path("store.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
			defer stream.Close()
			if _, err := stream.Write(rawRows(want[3], want[4])); err != nil {
				t.Fatal(err)
			}
			if err := m.daemon.Process.Signal(way.signal); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the folder is unmounted", func() error {
				if mounted(m.Point) {
					return errors.New("it is still there")
				}
				return nil
			})
			if way.goesOn {
				want[5] = []float32{2, 2, 2}
				if _, err := stream.Write(rawRows(want[5])); err != nil {
					t.Errorf("writing on: %v", err)
				}
				if err := stream.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			}
			if err := m.wait(); err != nil {
				t.Errorf("the daemon ended with %v\n%s", err, m.output.String())
			}
			want.put(dimension3)
			if err := fileHolds(m.backing("store.rvf"), want); err != nil {
				t.Error(err)
			}
			if got := names(t, m.Dir); !slices.Equal(got, []string{"store.rvf"}) {
				t.Errorf("the backing folder holds %v", got)
			}
		})
	}
}

// TestUnmountCommits unmounts while rows wait in a stream that was closed just
// before, and finds them in the file.
func TestUnmountCommits(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	want := model{}
	want.put(dimension3)
	for id := range uint64(20) {
		if err := pour(m.path("store.rvf", "vectors.append"), rawRows([]float32{float32(id), 0, 0})); err != nil {
			t.Fatal(err)
		}
		want[3+id] = []float32{float32(id), 0, 0}
	}
	m.stop()
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
	if got := names(t, m.Dir); !slices.Equal(got, []string{"store.rvf"}) {
		t.Errorf("the backing folder holds %v", got)
	}
}

// TestMountOverADeadOne kills the daemon as kill -9 does and mounts again at the
// same place: what was acknowledged is there, and the lock that the dead one
// left does not stand in the way for long.
func TestMountOverADeadOne(t *testing.T) {
	t.Parallel()
	// Nothing may be committed in the middle, however long the machine takes.
	m := smallStore(t, "--flush-interval=1h")
	want := model{3: {7, 8, 9}}
	want.put(dimension3)
	if err := pour(m.path("store.rvf", "vectors.append"), rawRows(want[3])); err != nil {
		t.Fatal(err)
	}
	stream := must(os.OpenFile(m.path("store.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
	defer stream.Close()
	if _, err := stream.Write(rawRows([]float32{0, 0, 0})); err != nil {
		t.Fatal(err)
	}
	m.kill()
	_, err := os.ReadDir(m.Point)
	wantErrno(t, "the dead mount", err, syscall.ENOTCONN)
	if err := fileHolds(m.backing("store.rvf"), want); err != nil {
		t.Errorf("after the kill: %v", err)
	}

	unmountAtEnd(t, m.Point)
	again := serveAt(t, m.Dir, m.Point)
	if err := folderShows(again.path("store.rvf"), again.backing("store.rvf")); err != nil {
		t.Errorf("the second mount: %v", err)
	}
	if err := fileHolds(again.backing("store.rvf"), want); err != nil {
		t.Errorf("the second mount: %v", err)
	}
}

// TestTwoMountsOfOneFolder lets two daemons serve one folder and append in turn:
// each sees what the other wrote.
func TestTwoMountsOfOneFolder(t *testing.T) {
	t.Parallel()
	first := smallStore(t)
	second := serve(t, first.Dir)
	want := model{}
	want.put(dimension3)
	for round := range uint64(6) {
		m, other := first, second
		if round%2 == 1 {
			m, other = second, first
		}
		row := []float32{float32(round), 1, 2}
		if err := pour(m.path("store.rvf", "vectors.append"), rawRows(row)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		want[3+round] = row
		if err := fileHolds(m.backing("store.rvf"), want); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		soon(t, other, "store.rvf")
	}
}

// TestMountProgram mounts by way of mount(8) and its helper for FUSE, as fstab
// does, and as that helper calls the program.
func TestMountProgram(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	_, err := os.Stat("/sbin/mount.fuse")
	demand(t, "fuse3", err)
	dir := folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("fstab", 3).Bytes})
	for name, script := range map[string]string{
		"mount":             `mount -t fuse -o ro,nofail,_netdev,x-systemd.automount "$1#$2" "$3"`,
		"the helper's call": `"$1" "$2" "$3" -o ro,user=root,exec,suid,dev,defaults`,
	} {
		t.Run(name, func(t *testing.T) {
			point := t.TempDir()
			unmountAtEnd(t, point)
			shell(t, script, program, dir, point)
			if err := folderShows(filepath.Join(point, "store.rvf"), filepath.Join(dir, "store.rvf")); err != nil {
				t.Error(err)
			}
			wantErrno(t, "mkdir", os.Mkdir(filepath.Join(point, "x.rvf"), 0o755), syscall.EROFS)
			run(t, "umount", point)
			ended(t, point)
		})
	}
}

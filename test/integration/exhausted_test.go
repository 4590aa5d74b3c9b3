package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of so many bytes, for the length of the test.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	demandFUSE(t)
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	demand(t, "a small tmpfs", err)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills a disk to the brim with dd: what was acknowledged before
// stays, nothing of what did not fit does, and when there is room again work goes
// on where it was.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const dimension = 16
	dir := smallDisk(t, 8<<20)
	m := serve(t, dir, "--dimension", fmt.Sprint(dimension))
	store := m.path("a.rvf")
	if err := os.Mkdir(store, 0o755); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	want := model{}
	vectors := filepath.Join(t.TempDir(), "vectors")
	for round := range 20 {
		more := numbered(want.next(), randomRows(uint64(round), 1000*(1+round*round), dimension))
		var raw []byte
		for _, id := range more.ids() {
			raw = append(raw, rawRows(more[id])...)
		}
		if err := os.WriteFile(vectors, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		dd := exec.Command("dd", "if="+vectors, "of="+filepath.Join(store, "vectors.append"), "bs=64K", "conv=notrunc")
		dd.Env = environment()
		output, err := dd.CombinedOutput()
		if err == nil {
			want.put(more)
			continue
		}
		if !strings.Contains(string(output), "No space left on device") {
			t.Fatalf("dd: %v\n%s", err, output)
		}
		if round == 0 {
			t.Fatal("nothing fitted")
		}
		break
	}
	holds := func(when string) {
		t.Helper()
		if err := engineHolds(filepath.Join(dir, "a.rvf"), want); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if report, err := exec.Command(program, "verify", filepath.Join(dir, "a.rvf")).CombinedOutput(); err != nil {
			t.Fatalf("%s: verify: %v\n%s", when, err, report)
		}
	}
	holds("on the full disk")

	// Now not a byte is left.
	brim, err := os.Create(filepath.Join(dir, "brim"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = brim.Write(make([]byte, 4096))
	}
	if err := brim.Close(); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"append": func() error {
			return os.WriteFile(filepath.Join(store, "vectors.append"), rawRows(make([]float32, dimension)), 0)
		},
		"derive":  func() error { return os.Mkdir(filepath.Join(store, "child.rvf"), 0o755) },
		"compact": func() error { return os.WriteFile(filepath.Join(store, "ctl"), []byte("compact\n"), 0) },
	} {
		if err := try(); !strings.Contains(fmt.Sprint(err), "no space left") {
			t.Errorf("%s to the brim: %v", what, err)
		}
	}
	holds("at the brim")
	if found := fmt.Sprint(names(t, dir)); found != "[a.rvf ballast brim]" {
		t.Errorf("left behind: %s", found)
	}

	for _, name := range []string{"brim", "ballast"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	one := numbered(want.next(), randomRows(99, 1, dimension))
	want.put(one)
	if err := os.WriteFile(filepath.Join(store, "vectors.append"), one.jsonLines(t), 0); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if err := os.Mkdir(filepath.Join(store, "child.rvf"), 0o755); err != nil {
		t.Errorf("derive with room again: %v", err)
	}
	holds("with room again")
}

// TestRoomOfRemovedStores: what a removed store took on the disk is free at once for the
// next one, however it was removed; a view that somebody has open keeps it until he closes it.
func TestRoomOfRemovedStores(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	dir := smallDisk(t, size)
	m := serve(t, dir, "--dimension", "16")
	vectors := filepath.Join(t.TempDir(), "vectors")
	var raw []byte
	for _, row := range randomRows(7, size*5/8/64, 16) {
		raw = append(raw, rawRows(row)...)
	}
	demand(t, "write", os.WriteFile(vectors, raw, 0o644))
	fill := func(store, when string) {
		t.Helper()
		run(t, "mkdir", m.path(store))
		if got := try(t, "cp", vectors, m.path(store, "vectors.append")); got.code != 0 {
			t.Fatalf("%s: %s", when, got.stderr)
		}
		readFile(t, m.path(store, "status.json"))
	}
	gone := func() {
		t.Helper()
		eventually(t, "the mount shows it", func() error {
			if shown := names(t, m.Point); len(shown) > 0 {
				return fmt.Errorf("%v", shown)
			}
			return nil
		})
	}
	fill("a.rvf", "at first")
	run(t, program, "rm", m.path("a.rvf"))
	fill("b.rvf", "after rvffs rm of the store in the mount")
	run(t, program, "rm", m.backing("b.rvf"))
	gone()
	fill("c.rvf", "after rvffs rm of the file")
	open := must(os.Open(m.path("c.rvf", "raw")))(t)
	demand(t, "remove", os.Remove(m.backing("c.rvf")))
	gone()
	if got := must(io.ReadAll(open))(t); len(got) < len(raw) {
		t.Errorf("of a view that was open %d bytes are read", len(got))
	}
	demand(t, "close", open.Close())
	// The kernel tells of the last close after it is over for who closes.
	eventually(t, "there is room again", func() error {
		var space unix.Statfs_t
		if err := unix.Statfs(dir, &space); err != nil {
			return err
		}
		if free := space.Bfree * uint64(space.Bsize); free < size*7/8 {
			return fmt.Errorf("%d bytes are free", free)
		}
		return nil
	})
	fill("d.rvf", "after the view was closed")
}

// TestNoDescriptorsLeft lets the mount open no more files: operations fail with
// the error that says so, and succeed when it may again.
func TestNoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	m := smallStore(t)
	store, process := m.path("store.rvf"), m.daemon.Process.Pid
	want := model{}
	want.put(dimension3)
	one := func(first float32) []byte { return rawRows([]float32{first, 0, 0}) }
	write := func(row []byte) error { return os.WriteFile(filepath.Join(store, "vectors.append"), row, 0) }
	derive := func() error { return os.Mkdir(filepath.Join(store, "child.rvf"), 0o755) }
	if err := write(one(7)); err != nil {
		t.Fatal(err)
	}
	want[3] = []float32{7, 0, 0}

	var limit unix.Rlimit
	if err := unix.Prlimit(process, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(process, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}, nil); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"append": write(one(8)), "derive": derive()} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s without descriptors: %v", what, err)
		}
	}
	if err := unix.Prlimit(process, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(one(9)), derive()); err != nil {
		t.Errorf("with descriptors again: %v", err)
	}
	want[4] = []float32{9, 0, 0}
	if err := engineHolds(m.backing("store.rvf"), want); err != nil {
		t.Error(err)
	}
}

// TestIdleStoresGiveTheirDescriptors: when no more files can be opened, what is open without
// being used is closed, and whoever asks is answered.
func TestIdleStoresGiveTheirDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const folders, stores = 8, 96
	name := func(i int) string { return filepath.Join(fmt.Sprint("folder", i%folders), fmt.Sprint(i, ".rvf")) }
	empty := emptyStoreBytes(t)
	for i := range stores {
		if i < folders {
			demand(t, "mkdir", os.Mkdir(filepath.Join(dir, fmt.Sprint("folder", i)), 0o755))
		}
		demand(t, "create", os.WriteFile(filepath.Join(dir, name(i)), empty, 0o644))
	}
	m := serve(t, dir)
	process := m.daemon.Process.Pid
	open := func() int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", process))
		demand(t, "list", err)
		return len(entries)
	}
	read := func(i int) error {
		_, err := os.ReadFile(m.path(name(i), "raw"))
		return err
	}
	for i := range stores / 2 {
		demand(t, "read", read(i))
	}
	after := open()
	var limit unix.Rlimit
	demand(t, "limit", unix.Prlimit(process, unix.RLIMIT_NOFILE, nil, &limit))
	demand(t, "limit", unix.Prlimit(process, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(after), Max: limit.Max}, nil))
	for i := stores / 2; i < stores; i++ {
		if err := read(i); err != nil {
			t.Errorf("%s: %v", name(i), err)
		}
	}
	demand(t, "limit", unix.Prlimit(process, unix.RLIMIT_NOFILE, &limit, nil))
}

// emptyStoreBytes is what a store without vectors is.
func emptyStoreBytes(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.rvf")
	run(t, program, "create", file, "--dimension", "2")
	content, err := os.ReadFile(file)
	demand(t, "read", err)
	return content
}

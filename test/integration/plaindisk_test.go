package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mountPlainly shows a folder by sshfs without hard links, as a server far away would,
// and without one: a process on this machine answers. Such a disk knows no rename without
// replacing, no exchange of names and no extended attributes.
func mountPlainly(t testing.TB, dir string) string {
	t.Helper()
	demandProgram(t, "sshfs")
	const server = "/usr/lib/openssh/sftp-server"
	_, err := os.Stat(server)
	demand(t, "an SFTP server", err)
	_, err = os.Stat("/dev/fuse")
	demand(t, "FUSE", err)
	script, point := filepath.Join(t.TempDir(), "ssh"), t.TempDir()
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec "+server+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sshfs", "-f", "-o", "ssh_command="+script+",disable_hardlink", "nowhere:"+dir, point)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said lockedBuffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		if err := unix.Unmount(point, 0); err != nil {
			t.Errorf("unmount the disk: %v", err)
			_ = unix.Unmount(point, unix.MNT_DETACH)
		}
		<-exited
	})
	eventually(t, "the disk is mounted", func() error {
		select {
		case <-exited:
			t.Fatalf("sshfs: %s", said.String())
		default:
		}
		if !mounted(point) {
			return errors.New("no FUSE file system at the mount point")
		}
		return nil
	})
	return point
}

// TestDiskWithoutLinks does all that makes, replaces and removes files on a disk that only
// knows how to create exclusively and to rename.
func TestDiskWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := mountPlainly(t, dir)
	if err := os.WriteFile(filepath.Join(disk, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(disk, "a"), filepath.Join(disk, "b")); err == nil {
		t.Fatal("the disk has links")
	}
	if err := os.Remove(filepath.Join(disk, "a")); err != nil {
		t.Fatal(err)
	}
	m := serve(t, disk, "--dimension=4")
	t.Cleanup(func() { m.stop() }) // before the disk goes
	const dimension, rows = 4, 5000
	many := make([]byte, 0, 4*dimension*rows)
	for i := range dimension * rows {
		many = binary.LittleEndian.AppendUint32(many, 0x3f000000+uint32(i*7919)%0x7fffff)
	}
	live := func(store string, want int) {
		t.Helper()
		if got := strings.TrimSpace(run(t, "jq", ".live_vectors", m.path(store, "status.json"))); got != fmt.Sprint(want) {
			t.Errorf("%s has %s vectors, want %d", store, got, want)
		}
	}
	run(t, "mkdir", m.path("a.rvf"))
	for _, name := range []string{"a.rvf", "team"} {
		if name == "team" {
			run(t, "mkdir", m.path(name))
		}
		wantErrno(t, "make "+name+" again", os.Mkdir(m.path(name), 0o755), syscall.EEXIST)
	}
	if err := pour(m.path("a.rvf", "vectors.append.f32"), many); err != nil {
		t.Fatal(err)
	}
	live("a.rvf", rows)
	open, err := os.Open(m.path("a.rvf", "vectors", "vectors.f32"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := pour(m.path("a.rvf", "vectors.delete"), []byte("1\n2\n3\n")); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", "/bin/true", m.path("a.rvf", "kernel", "image"))
	shell(t, `echo compact > "$1"`, m.path("a.rvf", "ctl"))
	live("a.rvf", rows-3)
	if got := strings.TrimSpace(run(t, "jq", ".dead_segments", m.path("a.rvf", "status.json"))); got != "0" && got != "null" {
		t.Errorf("%s dead segments after compaction", got)
	}
	old := make([]byte, len(many))
	if n, err := open.ReadAt(old, 0); n != len(many) || string(old) != string(many) {
		t.Errorf("%d bytes of the snapshot before, %v", n, err)
	}
	// Dropped files are large enough to be spooled on the disk.
	run(t, "cp", writeFile(t, filepath.Join(t.TempDir(), "more.f32"), append(many, many...)), m.path("a.rvf", "incoming/"))
	live("a.rvf", 3*rows-3)
	run(t, "mkdir", m.path("a.rvf", "child.rvdna"))
	run(t, "mkdir", m.path("b.rvf"))
	run(t, "mv", m.path("b.rvf"), m.path("c.rvf"))
	run(t, "mv", m.path("c.rvf"), m.path("team", "d.rvf"))
	run(t, "mv", m.path("team"), m.path("people"))
	wantErrno(t, "move over a store", unix.Renameat2(unix.AT_FDCWD, m.path("people", "d.rvf"), unix.AT_FDCWD, m.path("a.rvf"), unix.RENAME_NOREPLACE), syscall.EEXIST)
	run(t, "rmdir", m.path("people", "d.rvf"))
	run(t, "rmdir", m.path("people"))
	run(t, "cmp", "/bin/true", m.path("a.rvf", "kernel", "image"))
	if got := names(t, dir); strings.Join(got, " ") != "a.rvf child.rvdna" {
		hidden := 0
		for _, name := range got {
			if strings.HasPrefix(name, ".fuse_hidden") { // what sshfs keeps for who has it open
				hidden++
			}
		}
		if len(got)-hidden != 2 {
			t.Errorf("the disk holds %q", got)
		}
	}
	for _, name := range []string{"a.rvf", "child.rvdna"} {
		run(t, program, "verify", filepath.Join(dir, name))
	}
}

// TestNamesOnADiskWithoutLinks has two mounts make stores of the same names, one crash
// after the other.
func TestNamesOnADiskWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := mountPlainly(t, dir)
	// What a crash left long ago: the record of one who is gone, and nothing at all.
	for name, content := range map[string][]byte{"record.rvf": leftRecord(), "empty.rvf": nil, "fresh.rvf": nil} {
		writeFile(t, filepath.Join(dir, name), content)
		if old := time.Now().Add(-time.Hour); name != "fresh.rvf" {
			if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	// And a compaction's new file, at the moment in which it takes the old one's place.
	makeStore(t, filepath.Join(dir, "whole.rvf"), 2, []float32{1, 2, 3, 4})
	if err := os.Rename(filepath.Join(dir, "whole.rvf"), filepath.Join(dir, ".whole.rvf.next.rvffs-tmp")); err != nil {
		t.Fatal(err)
	}
	mounts := []*mount{serve(t, disk), serve(t, disk)}
	t.Cleanup(func() {
		for _, m := range mounts {
			m.stop()
		}
	})
	eventually(t, "the store whose file was to be replaced is there, and no reservation", func() error {
		if got := names(t, mounts[0].Point); len(got) != 1 || got[0] != "whole.rvf" {
			return fmt.Errorf("the mount shows %q", got)
		}
		return nil
	})
	run(t, program, "verify", filepath.Join(dir, "whole.rvf"))
	for _, name := range []string{"record.rvf", "empty.rvf"} {
		run(t, "mkdir", mounts[0].path(name))
		run(t, program, "verify", filepath.Join(dir, name))
	}
	const stores = 20
	var made [2][stores]error
	var makers sync.WaitGroup
	for i, m := range mounts {
		makers.Go(func() {
			for n := range stores {
				made[i][n] = os.Mkdir(m.path(fmt.Sprintf("s%d.rvf", n)), 0o755)
			}
		})
	}
	makers.Wait()
	for n := range stores {
		first, second := made[0][n], made[1][n]
		if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), fs.ErrExist) {
			t.Errorf("store %d: %v and %v", n, first, second)
		}
		run(t, program, "verify", filepath.Join(dir, fmt.Sprintf("s%d.rvf", n)))
	}
}

// leftRecord is what stands at a name that somebody took and was then interrupted.
func leftRecord() []byte {
	record := make([]byte, 104)
	binary.LittleEndian.PutUint32(record, 0x52564C46)
	binary.LittleEndian.PutUint32(record[4:], 1<<30-1)
	copy(record[8:], "elsewhere")
	return record
}

// TestLimitsAreTold at mount, once to who mounts and once in the log, of a disk that has any,
// and of no other.
func TestLimitsAreTold(t *testing.T) {
	t.Parallel()
	plain := t.TempDir()
	disk := mountPlainly(t, plain)
	told := func(dir string) (said string, logged int) {
		t.Helper()
		point, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
		got := try(t, program, "mount", "--log-file", log, dir, point)
		if got.code != 0 {
			t.Fatal(got.stderr)
		}
		run(t, program, "umount", point)
		return got.stderr, strings.Count(string(readFile(t, log)), "cannot promise all that others do")
	}
	said, logged := told(disk)
	for _, part := range []string{
		"rvffs: the file system of " + disk + " cannot promise all that others do:\n  - ",
		"it cannot exchange two names, so a file that another program puts in a store's place in the very moment in which compaction ends is lost",
		"its locks on open files hold on this machine alone: if it belongs to another machine too, do not write to a store from both at a time",
	} {
		if strings.Count(said, part) != 1 {
			t.Errorf("at mount it is said %q, without %q", said, part)
		}
	}
	if logged != 1 {
		t.Errorf("the log tells it %d times", logged)
	}
	if said, logged := told(plain); said != "" || logged != 0 {
		t.Errorf("of a disk that has everything it is said %q, and %d times in the log", said, logged)
	}
}

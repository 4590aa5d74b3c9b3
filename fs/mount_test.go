package fs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
	"rvffs/store/volume/directory"
)

// openCatalog shows the stores of a directory.
func openCatalog(dir string, options catalog.Options) (*catalog.Catalog, error) {
	place, err := directory.OpenVolume(dir)
	if err != nil {
		return nil, err
	}
	return catalog.Open(place, options), nil
}

// dimension of the stores in these tests; rowSize is a vector's length in bytes.
const (
	dimension = 4
	rowSize   = 4 * dimension
)

// needsFUSE skips a test where nothing can be mounted.
func needsFUSE(t *testing.T) {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and /dev/fuse")
	}
	device.Close()
}

// mounted mounts a new directory for the time of a test, and returns it and the
// mount point. prepare may put files into the directory first.
func mounted(t *testing.T, options Options, prepare ...func(directory string)) (directory, mountPoint string) {
	t.Helper()
	return mountedAs(t, options, catalog.Options{ReadOnly: options.ReadOnly}, prepare...)
}

// mountedAs is mounted for a catalog with options of its own.
func mountedAs(t *testing.T, options Options, of catalog.Options, prepare ...func(directory string)) (directory, mountPoint string) {
	t.Helper()
	needsFUSE(t)
	directory, mountPoint = t.TempDir(), t.TempDir()
	for _, change := range prepare {
		change(directory)
	}
	log := zerolog.New(zerolog.NewTestWriter(t))
	of.Dimension, of.Log = dimension, log
	stores, err := openCatalog(directory, of)
	if err != nil {
		t.Fatal(err)
	}
	options.Log = log
	server, err := Mount(stores, mountPoint, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A program that another test is just starting holds copies of all
		// descriptors until its execve: the mount may be in use for a moment.
		if _, err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
		server.Wait()
		if err := stores.Close(); err != nil {
			t.Errorf("close the catalog: %v", err)
		}
	})
	if err := polled(mountPoint); err != nil {
		t.Error(err)
	}
	return directory, mountPoint
}

// polled has the kernel learn that nothing can be waited for in a mount of this process. The
// Go runtime asks for that as it opens a file, without letting go of what the server needs to
// answer; go-fuse knows the name, and says so.
func polled(mountPoint string) error {
	descriptor, err := unix.Open(filepath.Join(mountPoint, ".go-fuse-epoll-hack"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = poll(descriptor, unix.POLLIN|unix.POLLOUT)
	return errors.Join(err, unix.Close(descriptor))
}

// newStore makes a store in a new mount and returns its folder.
func newStore(t *testing.T) string {
	t.Helper()
	_, mountPoint := mounted(t, Options{})
	folder := filepath.Join(mountPoint, "products.rvf")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// rows are n vectors.
func rows(n int) []byte {
	encoded := make([]byte, 0, n*rowSize)
	for i := range n * dimension {
		encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(float32(i)+0.5))
	}
	return encoded
}

// count is the number of vectors that the manifest states.
func count(t *testing.T, folder string) int {
	t.Helper()
	counted, err := total(folder)
	if err != nil {
		t.Fatal(err)
	}
	return counted
}

// total is the number of vectors that a store's manifest tells.
func total(folder string) (int, error) {
	content, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err != nil {
		return 0, err
	}
	var manifest struct {
		Total int `json:"total_vectors"`
	}
	if err := json.Unmarshal(content, &manifest); err != nil {
		return 0, fmt.Errorf("%w in %s", err, content)
	}
	return manifest.Total, nil
}

// errnoIn is the error number within err, 0 without error.
func errnoIn(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

func TestStoreFolder(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(100), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "child.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]fs.FileMode)
	for _, entry := range entries {
		listed[entry.Name()] = entry.Type()
	}
	for _, own := range shownNames {
		want := fs.FileMode(0)
		if own.Folder {
			want = fs.ModeDir
		}
		if got, found := listed[own.Name]; !found || got != want {
			t.Errorf("%s is listed %v with type %v, want type %v", own.Name, found, got, want)
		}
	}
	if got, found := listed["child.rvf"]; !found || got != fs.ModeDir {
		t.Errorf("the child is listed %v with type %v", found, got)
	}
	if want := len(storeFiles) + 1; len(entries) != want {
		t.Errorf("%d names, want %d", len(entries), want)
	}
}

func TestSizesAreExact(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(1000), 0); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		files++
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if int64(len(content)) != info.Size() {
			t.Errorf("%s has size %d and %d bytes", path, info.Size(), len(content))
		}
		status := info.Sys().(*syscall.Stat_t)
		if status.Nlink != 1 || status.Ino == 0 {
			t.Errorf("%s has %d links and inode number %d", path, status.Nlink, status.Ino)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files in the tree", files)
	}
}

func TestRawIsTheStoreFile(t *testing.T) {
	t.Parallel()
	directory, mountPoint := mounted(t, Options{})
	folder := filepath.Join(mountPoint, "products.rvf")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(5000), 0); err != nil {
		t.Fatal(err)
	}
	shown, err := os.ReadFile(filepath.Join(folder, "raw"))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(filepath.Join(directory, "products.rvf"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(shown, stored) {
		t.Errorf("raw has %d bytes, the file %d", len(shown), len(stored))
	}
}

// TestStreams runs what a shell does to vectors.append. In each script, rows holds
// ten vectors, half one and a half, rest the missing half, and bad a vector that
// is none after two that are.
//
// Not beside other tests, for those are programs with open files of a mount and its
// server in one: a fork copies the lock of a store's file, and closes the files of the
// mount before it becomes another program, which waits for who waits for the lock.
func TestStreams(t *testing.T) {
	for _, test := range []struct {
		name   string
		script string
		want   int
		fails  bool
	}{
		{"redirect", `cat rows > F`, 10, false},
		{"append", `cat rows >> F; cat rows >> F`, 20, false},
		{"copy", `cp rows F`, 10, false},
		{"copy with attributes", `cp -p rows F`, 10, false},
		{"tee", `tee F < rows > /dev/null`, 10, false},
		{"tee -a", `tee -a F < rows > /dev/null`, 10, false},
		{"small blocks", `dd status=none if=rows of=F bs=7`, 10, false},
		{"synchronous small blocks", `dd status=none if=rows of=F bs=7 oflag=dsync`, 10, false},
		{"fsync", `dd status=none if=rows of=F bs=1M conv=fsync,notrunc`, 10, false},
		{"two programs, one stream", `{ cat half; cat rest; } > F`, 2, false},
		{"two programs of a subshell", `( cat half; cat rest ) > F`, 2, false},
		{"a program between", `exec 3> F; cat half >&3; ls > /dev/null; cat rest >&3; exec 3>&-`, 2, false},
		{"forced format", `cat rows > F.f32`, 10, false},
		{"nothing", `: > F`, 0, false},
		{"unfinished", `dd status=none if=half of=F`, 0, true},
		{"unfinished copy", `cp half F`, 0, true},
		{"a bad vector", `cat bad > F`, 0, true},
		{"a bad vector in small blocks", `dd status=none if=bad of=F bs=16`, 0, true},
		{"a bad vector after a commit", `{ cat rows; cat bad; } > F`, 10, true},
		{"a vector of zeros skipped", `dd status=none if=rows of=F bs=16 seek=1 conv=notrunc`, 11, false},
		{"half a vector skipped", `dd status=none if=rows of=F bs=8 seek=1 conv=notrunc`, 0, true},
		{"a vector of zeros added", `truncate -s 16 F`, 1, false},
		{"half a vector added", `truncate -s 8 F`, 0, true},
		{"beyond the disk", `truncate -s 4E F.f32`, 0, true},
		{"killed", `sh -c 'exec 3> F; cat half >&3; kill -9 $$' || :`, 1, false},
		{"other name", `cat rows > vectors.append.other`, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder, inputs := newStore(t), t.TempDir()
			bad := append(rows(2), rows(1)...)
			binary.LittleEndian.PutUint32(bad[2*rowSize:], math.Float32bits(float32(math.NaN())))
			for name, content := range map[string][]byte{
				"rows": rows(10), "half": rows(2)[:rowSize*3/2], "rest": rows(2)[rowSize*3/2:], "bad": bad,
			} {
				if err := os.WriteFile(filepath.Join(inputs, name), content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.Command("sh", "-c", strings.ReplaceAll(test.script, "F", filepath.Join(folder, catalog.NameAppend)))
			command.Dir = inputs
			if test.name == "other name" {
				command.Dir = folder
			}
			output, err := command.CombinedOutput()
			if (err != nil) != test.fails {
				t.Errorf("%v: %s", err, output)
			}
			if got := count(t, folder); got != test.want {
				t.Errorf("%d vectors, want %d; %s", got, test.want, output)
			}
		})
	}
}

// TestStreamOffsets: a write or a length that a stream cannot take ends it. Then every
// call fails as that one did, and nothing since the last commit is kept.
func TestStreamOffsets(t *testing.T) {
	t.Parallel()
	content := rows(3)
	write := func(from, to, at int) func(*os.File) error {
		return func(f *os.File) error { _, err := f.WriteAt(content[from:to], int64(at)); return err }
	}
	cut := func(size int64) func(*os.File) error { return func(f *os.File) error { return f.Truncate(size) } }
	type step struct {
		name string
		do   func(*os.File) error
		want syscall.Errno
	}
	ended := []step{
		{"write on", write(20, 48, 20), syscall.EINVAL}, {"cut to what came", cut(20), syscall.EINVAL}, {"cut to nothing", cut(0), syscall.EINVAL},
		{"commit", (*os.File).Sync, syscall.EINVAL}, {"close a copy", closeCopy, syscall.EINVAL}, {"close another", closeCopy, syscall.EINVAL},
	}
	for _, test := range []struct {
		name  string
		steps []step
		rest  []step
		want  int
	}{
		{"as it should be", []step{
			{"cut to nothing", cut(0), 0},
			{"begin", write(0, 20, 0), 0},
			{"cut to what came", cut(20), 0},
			{"cut by name", func(f *os.File) error { return os.Truncate(f.Name(), 20) }, syscall.EINVAL},
			{"commit within a record", (*os.File).Sync, syscall.EINVAL},
			{"close a copy within a record", closeCopy, syscall.EINVAL},
			{"go on", write(20, 48, 20), 0},
			{"commit", (*os.File).Sync, 0},
			{"mode", func(f *os.File) error { return os.Chmod(f.Name(), 0o777) }, 0},
			{"owner", func(f *os.File) error { return os.Chown(f.Name(), 1, 1) }, 0},
			{"attribute", func(f *os.File) error { return unix.Setxattr(f.Name(), "user.x", nil, 0) }, syscall.ENOTSUP},
			{"no attribute to remove", func(f *os.File) error { return unix.Removexattr(f.Name(), "user.x") }, syscall.ENOTSUP},
		}, nil, 3},
		{"a hole", []step{{"begin", write(0, 20, 0), 0}, {"seek", write(0, 16, 32), 0}, {"end with a hole", cut(64), 0}, {"close a copy", closeCopy, 0}}, nil, 4},
		{"what came again", []step{{"begin", write(0, 20, 0), 0}, {"again", write(0, 20, 0), syscall.EINVAL}}, ended, 0},
		{"cut to less", []step{{"begin", write(0, 20, 0), 0}, {"cut", cut(19), syscall.EINVAL}}, ended, 0},
		{"cut to nothing", []step{{"begin", write(0, 20, 0), 0}, {"cut", cut(0), syscall.EINVAL}}, ended, 0},
		{"after a commit", []step{{"begin", write(0, 20, 0), 0}, {"go on", write(20, 32, 20), 0}, {"commit", (*os.File).Sync, 0},
			{"more", write(32, 48, 32), 0}, {"again", write(0, 16, 0), syscall.EINVAL}}, ended, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := newStore(t)
			stream, err := os.OpenFile(filepath.Join(folder, catalog.NameAppend), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range append(test.steps, test.rest...) {
				if got := errnoIn(step.do(stream)); got != step.want {
					t.Errorf("%s: %v, want %v", step.name, got, step.want)
				}
			}
			if at, err := stream.Seek(0, io.SeekEnd); test.rest == nil && (err != nil || at != int64(test.want)*rowSize) {
				t.Errorf("the end is at %d, %v", at, err)
			}
			if err := stream.Close(); errnoIn(err) != 0 != (test.rest != nil) {
				t.Errorf("close: %v", err)
			}
			if got := count(t, folder); got != test.want {
				t.Errorf("%d vectors, want %d", got, test.want)
			}
			if content, err := os.ReadFile(stream.Name()); err != nil || len(content) > 0 {
				t.Errorf("reading a stream gives %d bytes, %v", len(content), err)
			}
		})
	}
}

// closeCopy closes a copy of a descriptor, which the kernel tells no file system from
// the last close.
func closeCopy(f *os.File) error {
	copied, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(copied)
}

func TestStateIsShownAtOnce(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	manifest := filepath.Join(folder, "manifest.json")
	first, err := os.Open(manifest)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	before, err := first.Stat()
	if err != nil {
		t.Fatal(err)
	}
	segments, err := os.ReadDir(filepath.Join(folder, "segments"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(1), 0); err != nil {
			t.Fatal(err)
		}
		if got := count(t, folder); got != i+1 {
			t.Fatalf("%d vectors after commit %d", got, i+1)
		}
		info, err := os.Stat(manifest)
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Ino != before.Sys().(*syscall.Stat_t).Ino {
			t.Fatal("the inode number changed")
		}
	}
	if now, err := os.ReadDir(filepath.Join(folder, "segments")); err != nil || len(now) <= len(segments) {
		t.Errorf("%d segments after 20 commits, %d before, %v", len(now), len(segments), err)
	}
	var old struct {
		Total int `json:"total_vectors"`
	}
	if err := json.NewDecoder(first).Decode(&old); err != nil || old.Total != 0 {
		t.Errorf("an open file tells of %d vectors now, %v", old.Total, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	if err := os.WriteFile(in(catalog.NameAppend), rows(1), 0); err != nil {
		t.Fatal(err)
	}
	create := func(name string) func() error {
		return func() error { return os.WriteFile(in(name), nil, 0o644) }
	}
	for _, test := range []struct {
		name string
		do   func() error
		want syscall.Errno
	}{
		{"write to a view", create("raw"), syscall.EPERM},
		{"cut a view", func() error { return os.Truncate(in("raw"), 0) }, syscall.EPERM},
		{"mode of a view", func() error { return os.Chmod(in("raw"), 0o644) }, syscall.EPERM},
		{"write to a text", create("status.json"), syscall.EPERM},
		{"new file", create("new"), syscall.EPERM},
		{"new file in a folder of views", create("segments/new"), syscall.EPERM},
		{"new file in the root", create("../new"), syscall.EPERM},
		{"new file in the control folder", create("../.rvffs/new"), syscall.EPERM},
		{"delete a view", func() error { return os.Remove(in("raw")) }, syscall.EPERM},
		{"delete a stream", func() error { return syscall.Unlink(in(catalog.NameAppend)) }, syscall.EPERM},
		{"delete a store like a file", func() error { return syscall.Unlink(folder) }, syscall.EISDIR},
		{"remove a folder of views", func() error { return syscall.Rmdir(in("segments")) }, syscall.EPERM},
		{"remove the control folder", func() error { return syscall.Rmdir(in("../.rvffs")) }, syscall.EPERM},
		{"remove the drop folder", func() error { return syscall.Rmdir(in("../incoming")) }, syscall.EPERM},
		{"rename the drop folder", func() error { return os.Rename(in("../incoming"), in("../x")) }, syscall.EPERM},
		{"remove a store with vectors", func() error { return syscall.Rmdir(folder) }, syscall.ENOTEMPTY},
		{"remove nothing", func() error { return syscall.Rmdir(in("none")) }, syscall.ENOENT},
		{"link", func() error { return os.Link(in("raw"), in("link")) }, syscall.EPERM},
		{"symbolic link", func() error { return os.Symlink("raw", in("link")) }, syscall.EPERM},
		{"device", func() error { return unix.Mkfifo(in("fifo"), 0o644) }, syscall.EPERM},
		{"rename a view", func() error { return os.Rename(in("raw"), in("raw2")) }, syscall.EPERM},
		{"child of a name to come", func() error { return os.Mkdir(in("layout.svg"), 0o755) }, syscall.EINVAL},
		{"child of a stream's name", func() error { return os.Mkdir(in("vectors.append.rvdna"), 0o755) }, syscall.EINVAL},
		{"folder of views", func() error { return os.Mkdir(in("segments/new"), 0o755) }, syscall.EPERM},
		{"rename the control folder", func() error { return os.Rename(in("../.rvffs"), in("../x")) }, syscall.EPERM},
		{"rename away from the parent", func() error { return os.Rename(folder, in("self.rvf")) }, syscall.EINVAL},
		{"exchange", func() error {
			return unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, in("../.rvffs"), unix.RENAME_EXCHANGE)
		}, syscall.EINVAL},
		{"attribute of a view", func() error { return unix.Setxattr(in("raw"), "user.x", nil, 0) }, syscall.ENOTSUP},
		{"fact", func() error { return unix.Setxattr(folder, attributePrefix+"epoch", nil, 0) }, syscall.EPERM},
		{"attribute of a store", func() error { return unix.Setxattr(folder, "user.x", nil, 0) }, syscall.ENOTSUP},
		{"no such attribute", func() error { _, err := unix.Getxattr(folder, "user.x", nil); return err }, syscall.ENODATA},
		{"no such fact", func() error { _, err := unix.Getxattr(folder, attributePrefix+"x", nil); return err }, syscall.ENODATA},
	} {
		if got := errnoIn(test.do()); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != len(storeFiles) {
		t.Errorf("%d names are left, %v", len(entries), err)
	}
}

func TestNamesOfStores(t *testing.T) {
	t.Parallel()
	_, mountPoint := mounted(t, Options{})
	in := func(name string) string { return filepath.Join(mountPoint, name) }
	for _, step := range []struct {
		name string
		do   func() error
		want syscall.Errno
	}{
		{"store", func() error { return os.Mkdir(in("a.rvf"), 0o755) }, 0},
		{"store again", func() error { return os.Mkdir(in("a.rvf"), 0o755) }, syscall.EEXIST},
		{"other store", func() error { return os.Mkdir(in("b.rvtext"), 0o700) }, 0},
		{"plain folder", func() error { return os.Mkdir(in("plain"), 0o755) }, 0},
		{"store in it", func() error { return os.Mkdir(in("plain/c.rvf"), 0o755) }, 0},
		{"full folder", func() error { return syscall.Rmdir(in("plain")) }, syscall.ENOTEMPTY},
		{"rename", func() error { return os.Rename(in("a.rvf"), in("z.rvf")) }, 0},
		{"rename onto", func() error {
			return unix.Renameat2(unix.AT_FDCWD, in("z.rvf"), unix.AT_FDCWD, in("b.rvtext"), unix.RENAME_NOREPLACE)
		}, syscall.EEXIST},
		{"derive", func() error { return os.Mkdir(in("z.rvf/child.rvf"), 0o755) }, 0},
		{"parent", func() error { return syscall.Rmdir(in("z.rvf")) }, syscall.ENOTEMPTY},
		{"to another parent", func() error { return os.Rename(in("z.rvf/child.rvf"), in("b.rvtext/child.rvf")) }, syscall.EXDEV},
		{"rename a child", func() error { return os.Rename(in("z.rvf/child.rvf"), in("z.rvf/kid.rvdna")) }, 0},
		{"remove a child", func() error { return syscall.Rmdir(in("z.rvf/kid.rvdna")) }, 0},
		{"remove a store", func() error { return syscall.Rmdir(in("z.rvf")) }, 0},
		{"nothing left", func() error { _, err := os.Stat(in("z.rvf")); return err }, syscall.ENOENT},
	} {
		if got := errnoIn(step.do()); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	directory, mountPoint := mounted(t, Options{})
	if err := os.Mkdir(filepath.Join(mountPoint, "a.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(directory, "a.rvf"))
	if err != nil {
		t.Fatal(err)
	}
	_, mountPoint = mounted(t, Options{ReadOnly: true}, func(directory string) {
		if err := os.WriteFile(filepath.Join(directory, "a.rvf"), content, 0o644); err != nil {
			t.Fatal(err)
		}
	})
	folder := filepath.Join(mountPoint, "a.rvf")
	for name, do := range map[string]func() error{
		"write":     func() error { return os.WriteFile(filepath.Join(folder, catalog.NameAppend), rows(1), 0) },
		"derive":    func() error { return os.Mkdir(filepath.Join(folder, "child.rvf"), 0o755) },
		"create":    func() error { return os.Mkdir(filepath.Join(mountPoint, "b.rvf"), 0o755) },
		"remove":    func() error { return syscall.Rmdir(folder) },
		"rename":    func() error { return os.Rename(folder, folder+"2.rvf") },
		"mode":      func() error { return os.Chmod(folder, 0o700) },
		"attribute": func() error { return unix.Setxattr(folder, attributeDerivation, []byte("filter"), 0) },
	} {
		if got := errnoIn(do()); got != syscall.EROFS {
			t.Errorf("%s: %v, want %v", name, got, syscall.EROFS)
		}
	}
	if got := count(t, folder); got != 0 {
		t.Errorf("%d vectors", got)
	}
}

func TestUnreadableStore(t *testing.T) {
	t.Parallel()
	_, mountPoint := mounted(t, Options{}, func(directory string) {
		for _, name := range []string{"bad.rvf", "note.txt"} {
			if err := os.WriteFile(filepath.Join(directory, name), []byte("this is no store"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	entries, err := os.ReadDir(mountPoint)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if !slices.Equal(names, []string{catalog.ControlFolder, "bad.rvf", catalog.NameIncoming}) {
		t.Errorf("the root lists %q", names)
	}
	entries, err = os.ReadDir(filepath.Join(mountPoint, "bad.rvf"))
	if err != nil || len(entries) != 1 || entries[0].Name() != catalog.NameError {
		t.Fatalf("the folder lists %v, %v", entries, err)
	}
	if content, err := os.ReadFile(filepath.Join(mountPoint, "bad.rvf", catalog.NameError)); err != nil || len(content) == 0 {
		t.Errorf("the error is %q, %v", content, err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	if err := os.Chmod(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		".": 0o750, "segments": 0o750, "status.json": 0o440, catalog.NameAppend: 0o200,
	} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestControlFolder(t *testing.T) {
	t.Parallel()
	calls := 0
	_, mountPoint := mounted(t, Options{Files: map[string]func() []byte{
		"count": func() []byte { calls++; return []byte(strings.Repeat("x", calls)) },
	}})
	last := 0
	for range 3 {
		content, err := os.ReadFile(filepath.Join(mountPoint, catalog.ControlFolder, "count"))
		if err != nil || len(content) <= last {
			t.Errorf("the text is %q, %v", content, err)
		}
		last = len(content)
	}
	if _, err := os.Stat(filepath.Join(mountPoint, catalog.ControlFolder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

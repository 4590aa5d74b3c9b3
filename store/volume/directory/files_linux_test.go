package directory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// eachWalk runs a test with both ways to walk along a path.
func eachWalk(t *testing.T, test func(t *testing.T, open func(dir string) *Files)) {
	t.Parallel()
	for name, without := range map[string]lack{
		"openat2": 0, "stepwise": 0, "plain": noReplacing | exchanging,
	} {
		stepwise := name == "stepwise"
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(dir string) *Files {
				t.Helper()
				files, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if !stepwise && files.stepwise {
					t.Skip("no openat2 here")
				}
				files.stepwise, files.without = stepwise, without
				t.Cleanup(func() { _ = files.Close() })
				return files
			})
		})
	}
}

// plant makes files (with their names as content), folders (ending in a slash) and
// symlinks (name -> target) below a folder.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		link, target, symlink := strings.Cut(name, " -> ")
		full := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case err != nil:
		case symlink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte(name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// operations are all ways to reach a name.
func operations(files *Files) map[string]func(name string) error {
	return map[string]func(name string) error{
		"open": func(name string) error {
			file, err := files.Open(name, false)
			if err == nil {
				err = file.Close()
			}
			return err
		},
		"open for writing": func(name string) error {
			file, err := files.Open(name, true)
			if err == nil {
				err = file.Close()
			}
			return err
		},
		"create": func(name string) error {
			file, err := files.Create(name, 0o600)
			if err == nil {
				err = file.Close()
			}
			return err
		},
		"hold": func(name string) error {
			held, err := files.Hold(name)
			if err == nil {
				err = held.Close()
			}
			return err
		},
		"open folder": func(name string) error {
			folder, err := files.OpenFolder(name)
			if err == nil {
				err = folder.Close()
			}
			return err
		},
		"mkdir":        func(name string) error { return files.Mkdir(name, 0o755) },
		"rmdir":        files.Rmdir,
		"remove":       files.Remove,
		"stat":         func(name string) error { _, err := files.Stat(name); return err },
		"rename from":  func(name string) error { return files.Rename(name, "new") },
		"rename to":    func(name string) error { return files.Rename("plain", name) },
		"replace from": func(name string) error { return files.Replace(name, "plain", volume.FileInfo{}) },
		"replace":      func(name string) error { return files.Replace("plain", name, volume.FileInfo{}) },
		"move from":    func(name string) error { return files.RenameNew(name, "new") },
		"move to":      func(name string) error { return files.RenameNew("plain", name) },
		"sync":         files.SyncDirectory,
	}
}

// TestHostileNames asks for names that lead out of the directory, or through links.
// None may be reached by any operation, and nothing anywhere may change.
func TestHostileNames(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		whole := t.TempDir()
		inside := filepath.Join(whole, "inside")
		plant(t, whole, "outside/secret", "outside/empty/")
		plant(t, inside, "plain", "folder/file", "folder/empty/", "out -> ../outside", "absolute -> "+whole+"/outside",
			"loop -> loop", "gone -> nowhere", "within -> folder", "folder/up -> ..", "folder/magic -> /proc/self/cwd", "self -> .",
			"folder/secret -> ../../outside/secret", "file -> folder/file")
		before := picture(t, whole)
		files := open(inside)
		const anything = 0
		for name, want := range map[string]syscall.Errno{
			"../outside/secret": syscall.EINVAL, "..": syscall.EINVAL, "folder/../plain": syscall.EINVAL, "folder/..": syscall.EINVAL,
			"/etc/passwd": syscall.EINVAL, whole + "/outside/secret": syscall.EINVAL, "": syscall.EINVAL, "folder//file": syscall.EINVAL,
			"./plain": syscall.EINVAL, "folder/": syscall.EINVAL, "folder/.": syscall.EINVAL, "pl\x00ain": syscall.EINVAL,
			"out/secret": syscall.ELOOP, "absolute/secret": syscall.ELOOP, "within/file": syscall.ELOOP, "folder/up/plain": syscall.ELOOP,
			"folder/magic/plain": syscall.ELOOP, "self/plain": syscall.ELOOP, "loop/x": syscall.ELOOP, "gone/x": syscall.ELOOP,
			"self/self/folder/file": syscall.ELOOP, "plain/x": syscall.ENOTDIR, "nothing/x": anything,
		} {
			for operation, act := range operations(files) {
				err := act(name)
				if err == nil || want != anything && !errors.Is(err, want) {
					t.Errorf("%s %q: %v, want %v", operation, name, err, want)
				}
			}
		}
		// A link itself can be told of, moved, given a name and removed, but not passed.
		for _, link := range []string{"out", "loop", "gone", "within", "file", "folder/secret"} {
			for _, operation := range []string{"open", "open for writing", "hold", "open folder"} {
				if err := operations(files)[operation](link); !errors.Is(err, syscall.ELOOP) {
					t.Errorf("%s %q: %v", operation, link, err)
				}
			}
			for _, operation := range []string{"create", "mkdir", "move to"} {
				if err := operations(files)[operation](link); !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s %q: %v", operation, link, err)
				}
			}
			if info, err := files.Stat(link); err != nil || info.Mode&fs.ModeSymlink == 0 {
				t.Errorf("stat %q: %v, %v", link, info.Mode, err)
			}
		}
		if after := picture(t, whole); !slices.Equal(before, after) {
			t.Errorf("changed from\n%s\nto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		if err := files.RenameNew("file", "moved"); err != nil {
			t.Error(err)
		}
		if err := files.Remove("moved"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(inside, "folder/file")); err != nil {
			t.Error(err)
		}
	})
}

// picture lists everything below a folder, with modes, owners and contents.
func picture(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case entry.Type().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			content = string(data)
		case entry.Type() == fs.ModeSymlink:
			if content, err = os.Readlink(name); err != nil {
				return err
			}
		}
		lines = append(lines, strings.TrimPrefix(name, dir)+" "+info.Mode().String()+" "+content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestOpensRegularFilesOnly opens what has no bytes of its own. None of it may make
// the caller wait.
func TestOpensRegularFilesOnly(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		plant(t, dir, "folder/")
		if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		files := open(dir)
		for _, name := range []string{"fifo", "folder", "."} {
			if _, err := files.Open(name, false); !errors.Is(err, volume.ErrNotRegular) {
				t.Errorf("open %q: %v", name, err)
			}
		}
		if _, err := files.Hold("fifo"); !errors.Is(err, volume.ErrNotRegular) {
			t.Errorf("hold: %v", err)
		}
	})
}

// TestNamesInFolders does everything that there is to do, in a folder deep down.
func TestNamesInFolders(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		plant(t, dir, "a/b/c/file", "top")
		files := open(dir)
		const deep = "a/b/c/"
		created, err := files.Create(deep+"new", 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := created.WriteAt([]byte("bytes"), 0); err != nil {
			t.Error(err)
		}
		if err := created.Close(); err != nil {
			t.Error(err)
		}
		for _, step := range []struct {
			what string
			err  error
			want error
		}{
			{"link", os.Link(filepath.Join(dir, deep, "new"), filepath.Join(dir, "a/second")), nil},
			{"move over", files.RenameNew("a/second", "top"), fs.ErrExist},
			{"move", files.RenameNew("a/second", deep+"third"), nil},
			{"replace", files.Rename(deep+"third", "top"), nil},
			{"mkdir", files.Mkdir(deep+"folder", 0o750), nil},
			{"mkdir again", files.Mkdir(deep+"folder", 0o750), fs.ErrExist},
			{"move folder over file", files.RenameNew(deep+"folder", "top"), fs.ErrExist},
			{"move folder", files.RenameNew("a/b/c", "a/d"), nil},
			{"rmdir of a full one", files.Rmdir("a/d"), syscall.ENOTEMPTY},
			{"rmdir of a file", files.Rmdir("top"), syscall.ENOTDIR},
			{"remove of a folder", files.Remove("a/b"), syscall.EISDIR},
			{"rmdir", files.Rmdir("a/b"), nil},
			{"sync", files.SyncDirectory("a/d/new"), nil},
		} {
			if !errors.Is(step.err, step.want) {
				t.Errorf("%s: %v, want %v", step.what, step.err, step.want)
			}
		}
		if info, err := files.Stat("a/d/folder"); err != nil || info.Mode != fs.ModeDir|0o750 {
			t.Errorf("made folder: %v, %v", info.Mode, err)
		}
		if info, err := files.Stat("top"); err != nil || info.Size != 5 || info.Names != 2 || info.Mode != 0o640 {
			t.Errorf("replaced file: %+v, %v", info, err)
		}
		if _, err := files.Stat("a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removed folder: %v", err)
		}
		folder, err := files.OpenFolder("a/d")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = folder.Close() }()
		entries, err := folder.Entries()
		slices.SortFunc(entries, func(a, b volume.FolderEntry) int { return strings.Compare(a.Name, b.Name) })
		if want := []volume.FolderEntry{{Name: "file"}, {Name: "folder", Type: fs.ModeDir}, {Name: "new"}}; err != nil || !slices.Equal(entries, want) {
			t.Errorf("listed %v, %v", entries, err)
		}
	})
}

// TestRenameNew moves files and folders where nothing is, and replaces nothing.
func TestRenameNew(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		plant(t, dir, "file", "taken", "folder/inner", "empty/", "full/x")
		files := open(dir)
		for _, c := range []struct {
			from, to string
			want     error
		}{
			{"file", "taken", fs.ErrExist}, {"file", "empty", fs.ErrExist}, {"folder", "taken", fs.ErrExist}, {"folder", "empty", fs.ErrExist},
			{"folder", "full", fs.ErrExist}, {"gone", "new", fs.ErrNotExist}, {"file", "file2", nil}, {"folder", "folder2", nil},
		} {
			if err := files.RenameNew(c.from, c.to); !errors.Is(err, c.want) {
				t.Errorf("%s to %s: %v, want %v", c.from, c.to, err, c.want)
			}
		}
		got := strings.Join(picture(t, dir), "\n")
		for _, want := range []string{"/file2 -rw------- file", "/taken -rw------- taken", "/folder2/inner ", "/empty ", "/full/x"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
	})
}

// TestReplace puts a file in another's place, which must be the one that was meant.
func TestReplace(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		plant(t, dir, "f/fresh", "f/old", "f/other")
		files := open(dir)
		old, err := files.Stat("f/old")
		if err != nil {
			t.Fatal(err)
		}
		if err := files.Replace("f/fresh", "f/other", old); !errors.Is(err, volume.ErrStale) {
			t.Errorf("another file in its place: %v", err)
		}
		if err := files.Replace("f/fresh", "f/gone", old); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing in its place: %v", err)
		}
		if err := files.Replace("f/gone", "f/old", old); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nothing to put there: %v", err)
		}
		if got := len(picture(t, dir)); got != 5 {
			t.Errorf("%d names, want 5: %q", got, picture(t, dir))
		}
		for file, want := range map[string]string{"fresh": "f/fresh", "old": "f/old", "other": "f/other"} {
			if content, err := os.ReadFile(filepath.Join(dir, "f", file)); err != nil || string(content) != want {
				t.Errorf("%s holds %q, %v", file, content, err)
			}
		}
		if err := files.Replace("f/fresh", "f/old", old); err != nil {
			t.Error(err)
		}
		if content, err := os.ReadFile(filepath.Join(dir, "f/old")); err != nil || string(content) != "f/fresh" || len(picture(t, dir)) != 4 {
			t.Errorf("%q, %v, %q", content, err, picture(t, dir))
		}
	})
}

// TestReadlinkOfAnyLength reads targets up to the longest that there can be, and
// ones that are no text.
func TestReadlinkOfAnyLength(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	folder, err := files.OpenFolder(".")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	for i, target := range []string{"a", "/", strings.Repeat("x/", 127) + "x", strings.Repeat("x/", 128), strings.Repeat("../", 1000), strings.Repeat("l", 4095), "\xff\xfe"} {
		name := string(rune('a' + i))
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if got, err := folder.Target(name); err != nil || got != target {
			t.Errorf("target of %d bytes: %d bytes, %v", len(target), len(got), err)
		}
	}
}

// TestChangesOfHeldFiles changes a file that lost its name to another meanwhile.
func TestChangesOfHeldFiles(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		plant(t, dir, "folder/mine", "folder/other")
		files := open(dir)
		held, err := files.Hold("folder/mine")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = held.Close() }()
		other, err := files.Stat("folder/other")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(files.RenameNew("folder/mine", "aside"), os.Symlink("other", filepath.Join(dir, "folder/mine"))); err != nil {
			t.Fatal(err)
		}
		modified := time.Unix(1234567890, 987654321)
		if err := errors.Join(held.Chmod(0o4751|fs.ModeSetuid), held.Chtimes(time.Time{}, modified)); err != nil {
			t.Error(err)
		}
		if os.Getuid() == 0 {
			if err := errors.Join(held.Chown(20001, -1), held.Chown(-1, 20002)); err != nil {
				t.Error(err)
			}
			if info, err := files.Stat("aside"); err != nil || info.UID != 20001 || info.GID != 20002 {
				t.Errorf("owner %+v, %v", info, err)
			}
			if err := held.Chmod(0o751 | fs.ModeSetuid); err != nil { // a new owner takes the bit away
				t.Error(err)
			}
		}
		if info, err := files.Stat("aside"); err != nil || info.Mode != 0o751|fs.ModeSetuid || !info.Modified.Equal(modified) {
			t.Errorf("changed file %+v, %v", info, err)
		}
		if now, err := files.Stat("folder/other"); err != nil || now != other {
			t.Errorf("the other file is %+v, %v, and was %+v", now, err, other)
		}
		if err := held.Chtimes(time.Time{}, volume.Now); err != nil {
			t.Error(err)
		}
		if info, err := files.Stat("aside"); err != nil || time.Since(info.Modified).Abs() > time.Hour {
			t.Errorf("time %v, %v", info.Modified, err)
		}
	})
}

// TestHeldFilesWithoutNewCalls changes a file on a kernel that cannot change a
// descriptor's file directly.
func TestHeldFilesWithoutNewCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plant(t, dir, "file")
	files, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	held, err := files.Hold("file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	for _, lacking := range []error{unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.EPERM} {
		err := held.change("chmod", func(path string, flags int) error {
			if flags != 0 {
				return lacking
			}
			return unix.Chmod(path, 0o611)
		})
		if info, statErr := files.Stat("file"); err != nil || statErr != nil || info.Mode != 0o611 {
			t.Errorf("%v: %v, %v, mode %v", lacking, err, statErr, info.Mode)
		}
		if err := held.Chmod(0o600); err != nil {
			t.Error(err)
		}
	}
}

// TestFoldersMadeInSetgidFolders takes group and bit over.
func TestFoldersMadeInSetgidFolders(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives folders away")
	}
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.Chown(dir, 20001, 20005), os.Chmod(dir, 0o775|fs.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	files, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	maker := volume.Caller{UID: 20002, GID: 20002, Groups: inGroups(20005)}
	if err := files.As(maker).Mkdir("folder", 0o750); err != nil {
		t.Fatal(err)
	}
	info, err := files.Stat("folder")
	if err != nil || info.UID != 20002 || info.GID != 20005 || info.Mode != fs.ModeDir|fs.ModeSetgid|0o750 {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestNamesSwappedMeanwhile has somebody exchange a file and a folder for symlinks
// to others as fast as the system can, while all operations run. Nothing outside
// may be seen or changed.
func TestNamesSwappedMeanwhile(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		whole := t.TempDir()
		inside := filepath.Join(whole, "inside")
		plant(t, whole, "outside/file", "outside/old")
		plant(t, inside, "folder/file", "folder/old", "folder2 -> ../outside", "folder/file2 -> ../../outside/file")
		outside := picture(t, filepath.Join(whole, "outside"))
		secret, err := os.Stat(filepath.Join(whole, "outside/file"))
		if err != nil {
			t.Fatal(err)
		}
		files := open(inside)
		var swaps atomic.Int64
		stop := make(chan struct{})
		var swapper sync.WaitGroup
		swapper.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = unix.Renameat2(unix.AT_FDCWD, inside+"/folder", unix.AT_FDCWD, inside+"/folder2", unix.RENAME_EXCHANGE)
				_ = unix.Renameat2(unix.AT_FDCWD, inside+"/folder/file", unix.AT_FDCWD, inside+"/folder/file2", unix.RENAME_EXCHANGE)
				swaps.Add(1)
			}
		})
		rounds := 3000
		if testing.Short() {
			rounds = 500
		}
		for range rounds {
			for _, name := range []string{"folder/file", "folder2/file"} {
				if file, err := files.Open(name, true); err == nil {
					if info, err := file.Describe(); err != nil || info.Identity == volume.NewIdentity(secret.Sys().(*syscall.Stat_t).Dev, secret.Sys().(*syscall.Stat_t).Ino) {
						t.Fatalf("%s led to the file outside: %v", name, err)
					}
					_, _ = file.WriteAt([]byte("x"), 0)
					_ = file.Close()
				}
				if held, err := files.Hold(name); err == nil {
					_ = held.Chmod(0o777)
					_ = held.Close()
				}
			}
			_ = files.Mkdir("folder2/made", 0o777)
			_ = files.Rmdir("folder2/made")
			_ = files.Remove("folder2/old")
			_ = files.RenameNew("folder/old", "folder2/old")
			_ = files.RenameNew("folder2/old", "folder/old")
			if file, err := files.Create("folder2/new", 0o666); err == nil {
				_ = file.Close()
			}
			_ = files.RenameNew("folder2/new", "folder/new")
			_ = files.Remove("folder/new")
			_ = files.Rename("folder/old", "folder2/renamed")
			_ = files.Rename("folder2/renamed", "folder/old")
		}
		close(stop)
		swapper.Wait()
		if swaps.Load() == 0 {
			t.Error("nothing was swapped")
		}
		if after := picture(t, filepath.Join(whole, "outside")); !slices.Equal(after, outside) {
			t.Errorf("outside became\n%s", strings.Join(after, "\n"))
		}
	})
}

// TestLocalPaths compares the walk with names that look odd and are plain.
func TestLocalPaths(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		dir := t.TempDir()
		names := []string{"...", "..x/y", "\xff\xfe/\xff", strings.Repeat("n", 255), ".hidden", "a b/c\nd", "ü"}
		plant(t, dir, names...)
		files := open(dir)
		for _, name := range names {
			file, err := files.Open(name, false)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

package fs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/store/catalog"
)

// moves is a mount whose folders and stores are renamed all the time, while many use
// what is below.
type moves struct {
	*testing.T
	mountPoint string
	deadline   time.Time
	working    sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int // how often what was done
	gone   map[string]int // how often there was no such path
}

// heldFolder is a folder that somebody has open, as a shell has its working directory.
type heldFolder int

func (m *moves) hold(name string) heldFolder {
	m.Helper()
	descriptor, err := unix.Open(filepath.Join(m.mountPoint, name), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = unix.Close(descriptor) })
	return heldFolder(descriptor)
}

// uninterrupted repeats a call that a signal interrupted, as package os does: the Go runtime
// sends itself many.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// open opens a path from the held folder.
func (h heldFolder) open(name string, flags int) (*os.File, error) {
	var descriptor int
	err := uninterrupted(func() (err error) {
		descriptor, err = unix.Openat(int(h), name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return os.NewFile(uintptr(descriptor), name), nil
}

func (h heldFolder) read(name string) ([]byte, error) {
	file, err := h.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}

func (h heldFolder) write(name string, content []byte) error {
	file, err := h.open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), file.Close())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", name, err)
	}
	return nil
}

func (h heldFolder) list(name string) ([]string, error) {
	folder, err := h.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// loop does something again and again until the time is over. Where byPath is set it
// goes by names that may not be there at the moment.
func (m *moves) loop(what string, byPath bool, do func(round int) error) {
	m.working.Go(func() {
		done, gone := 0, 0
		for round := 0; !m.Failed() && (round == 0 || time.Now().Before(m.deadline)); round++ {
			switch err := do(round); {
			case err == nil:
				done++
			case byPath && errors.Is(err, syscall.ENOENT):
				gone++
			default:
				m.Errorf("%s, round %d: %v", what, round, err)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.counts[what] += done
		if byPath {
			m.gone[what] += gone
		}
	})
}

// loopAs is loop for another user than root, without a name that may be missing.
func (m *moves) loopAs(user int, what string, do func(round int) error) {
	m.loop(what, false, func(round int) error {
		// The thread, which is not as the others then, ends with the goroutine.
		result := make(chan error)
		go func() {
			runtime.LockOSThread()
			if _, err := unix.SetfsuidRetUid(user); err != nil {
				result <- err
				return
			}
			var err error
			for i := 0; i < 10 && err == nil; i++ {
				err = do(10*round + i)
			}
			result <- err
		}()
		return <-result
	})
}

// swap renames something back and forth.
func (m *moves) swap(what string, from heldFolder, one, other string, pause time.Duration) {
	m.loop(what, false, func(int) error {
		for _, names := range [][2]string{{one, other}, {other, one}} {
			if err := uninterrupted(func() error { return unix.Renameat(int(from), names[0], int(from), names[1]) }); err != nil {
				return err
			}
			time.Sleep(pause) // how often names change, not what is waited for
		}
		return nil
	})
}

// either wants a listing to hold one of two names and not both.
func either(names []string, one, other string) error {
	if slices.Contains(names, one) == slices.Contains(names, other) {
		return fmt.Errorf("of %s and %s the list has both or none: %v", one, other, names)
	}
	return nil
}

// TestFoldersMoveUnderTheirUsers renames folders and stores back and forth for
// RVFFS_RACE_SECONDS (2). Who holds something there never notices; who comes by name
// finds it under one name or the other.
func TestFoldersMoveUnderTheirUsers(t *testing.T) {
	t.Parallel()
	seconds := 2
	if given := os.Getenv("RVFFS_RACE_SECONDS"); given != "" {
		var err error
		if seconds, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	// On a busy machine writers of one store may wait long for one another.
	_, mountPoint := mountedAs(t, Options{AllowOther: true}, catalog.Options{TurnWait: time.Minute})
	for _, folder := range []string{"team", "team/sub", "team/read.rvf", "team/written.rvf", "team/parent.rvf", "team/sub/deep.rvf", "team/one.rvf"} {
		if err := os.Mkdir(filepath.Join(mountPoint, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const stored = 5000
	for _, name := range []string{"team/read.rvf", "team/sub/deep.rvf", "team/one.rvf"} {
		if err := os.WriteFile(filepath.Join(mountPoint, name, catalog.NameAppend), rows(stored), 0); err != nil {
			t.Fatal(err)
		}
	}
	m := &moves{T: t, mountPoint: mountPoint, counts: map[string]int{}, gone: map[string]int{}, deadline: time.Now().Add(time.Duration(seconds) * time.Second)}
	root, team, sub := m.hold("."), m.hold("team"), m.hold("team/sub")
	read, one := m.hold("team/read.rvf"), m.hold("team/one.rvf")

	m.swap("mv of a folder", root, "team", "crew", 0)
	m.swap("mv of a folder in it", team, "sub", "bus", time.Millisecond)
	m.swap("mv of a store", team, "one.rvf", "other.rvf", 3*time.Millisecond)

	// From a held folder everything is there, always.
	var committed atomic.Int64
	m.loop("first look-ups of vectors", false, func(round int) error {
		_, err := team.read(fmt.Sprintf("read.rvf/vectors/by-id/%d.json", round%stored))
		return err
	})
	m.loop("first look-ups of vectors below the inner folder", false, func(round int) error {
		_, err := sub.read(fmt.Sprintf("deep.rvf/vectors/by-id/%d.f32", round%stored))
		return err
	})
	m.loop("views", false, func(int) error {
		for _, name := range []string{"manifest.json", "identity.json", "status.json", "witness.jsonl", "append.log"} {
			if _, err := team.read("read.rvf/" + name); err != nil {
				return err
			}
		}
		content, err := team.read("read.rvf/vectors/vectors.f32")
		if err == nil && len(content) != stored*rowSize {
			err = fmt.Errorf("%d bytes of vectors", len(content))
		}
		return err
	})
	m.loop("views of a held store", false, func(int) error {
		_, err := read.read("manifest.bin")
		return err
	})
	m.loop("views of a held store that is renamed", false, func(int) error {
		if _, err := one.list("segments"); err != nil {
			return err
		}
		_, err := one.read("raw")
		return err
	})
	m.loop("neighbors", false, func(round int) error {
		_, err := read.read(fmt.Sprintf("neighbors/%d.json", round%stored))
		return err
	})
	for range 2 {
		m.loop("streams", false, func(int) error {
			err := team.write("written.rvf/"+catalog.NameAppend, rows(3))
			if err == nil {
				committed.Add(3)
			}
			return err
		})
	}
	stream, err := team.open("written.rvf/"+catalog.NameAppend, unix.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	m.loop("commits of a stream that stays open", false, func(int) error {
		if _, err := stream.Write(rows(2)); err != nil {
			return err
		}
		if err := stream.Sync(); err != nil {
			return err
		}
		committed.Add(2)
		return nil
	})
	m.loop("lists", false, func(int) error {
		names, err := team.list(".")
		if err == nil {
			err = errors.Join(either(names, "sub", "bus"), either(names, "one.rvf", "other.rvf"))
		}
		if err == nil && !(slices.Contains(names, "read.rvf") && slices.Contains(names, "written.rvf")) {
			err = fmt.Errorf("the list is %v", names)
		}
		return err
	})
	m.loop("lists of the root", false, func(int) error {
		names, err := root.list(".")
		if err == nil {
			err = either(names, "team", "crew")
		}
		return err
	})
	m.loop("stat of what is held", false, func(int) error {
		var stat unix.Stat_t
		for _, folder := range []heldFolder{root, team, sub, read, one} {
			if err := uninterrupted(func() error { return unix.Fstat(int(folder), &stat) }); err != nil {
				return err
			}
		}
		return uninterrupted(func() error { return unix.Fstatat(int(team), "written.rvf", &stat, 0) })
	})
	m.loop("derivation", false, func(round int) error {
		name := fmt.Sprintf("parent.rvf/%d.rvdna", round)
		if err := uninterrupted(func() error { return unix.Mkdirat(int(team), name, 0o755) }); err != nil {
			return fmt.Errorf("mkdir: %w", err)
		}
		if _, err := team.read(name + "/identity.json"); err != nil {
			return err
		}
		if err := uninterrupted(func() error { return unix.Unlinkat(int(team), name, unix.AT_REMOVEDIR) }); err != nil {
			return fmt.Errorf("rmdir: %w", err)
		}
		return nil
	})
	m.loop("stores that come and go", false, func(round int) error {
		name := fmt.Sprintf("%d.rvf", round)
		if err := uninterrupted(func() error { return unix.Mkdirat(int(sub), name, 0o755) }); err != nil {
			return fmt.Errorf("mkdir: %w", err)
		}
		if err := uninterrupted(func() error { return unix.Unlinkat(int(sub), name, unix.AT_REMOVEDIR) }); err != nil {
			return fmt.Errorf("rmdir: %w", err)
		}
		return nil
	})
	const nobody = 65534
	m.loopAs(nobody, "first look-ups of vectors by somebody else", func(round int) error {
		_, err := team.read(fmt.Sprintf("read.rvf/vectors/by-id/%d.f32", round%stored))
		return err
	})
	m.loopAs(nobody, "lists for somebody else", func(int) error {
		names, err := team.list(".")
		if err == nil {
			err = errors.Join(either(names, "sub", "bus"), either(names, "one.rvf", "other.rvf"))
		}
		if err == nil {
			_, err = sub.list("deep.rvf")
		}
		return err
	})
	m.loop("chmod", false, func(round int) error {
		return uninterrupted(func() error { return unix.Fchmodat(int(team), "read.rvf", 0o755-uint32(round%2), 0) })
	})

	// By name it is there or not, and never anything else.
	for _, name := range []string{"team", "crew"} {
		m.loop("by name", true, func(round int) error {
			_, err := root.read(fmt.Sprintf("%s/read.rvf/vectors/by-id/%d.json", name, round%stored))
			return err
		})
		m.loop("by name, deep", true, func(round int) error {
			inner := []string{"sub", "bus"}[round%2]
			_, err := root.read(name + "/" + inner + "/deep.rvf/manifest.json")
			return err
		})
		m.loop("by name, streams", true, func(int) error {
			err := root.write(name+"/written.rvf/"+catalog.NameAppend, rows(1))
			if err == nil {
				committed.Add(1)
			}
			return err
		})
	}
	m.loop("by name, a store", true, func(round int) error {
		_, err := team.read([]string{"one.rvf", "other.rvf"}[round%2] + "/manifest.json")
		return err
	})

	hangs := time.AfterFunc(time.Duration(seconds)*time.Second+time.Minute, func() { panic("the mount hangs") })
	m.working.Wait()
	hangs.Stop()
	t.Logf("done: %v; by a name that was not there: %v", m.counts, m.gone)
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	var manifest struct {
		Total int64 `json:"total_vectors"`
	}
	content, err := team.read("written.rvf/manifest.json")
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(content)).Decode(&manifest)
	}
	if err != nil || manifest.Total != committed.Load() {
		t.Errorf("%d vectors are there, %d were acknowledged, %v", manifest.Total, committed.Load(), err)
	}
	for what, count := range m.counts {
		if count == 0 {
			t.Errorf("%s never happened", what)
		}
	}
}

package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/catalog"
	"rvffs/store/volume/filelog"
	"rvffs/store/volume/memory"
)

// shown is what would be mounted of stores in memory, without a kernel.
type shown struct {
	stores *catalog.Catalog
	root   *folderNode
}

func show(files *memory.Files) *shown {
	stores := catalog.Open(files.Volume(), catalog.Options{Dimension: 2, TurnWait: time.Second, Log: zerolog.Nop()})
	options := Options{Log: zerolog.Nop()}
	_, root := newTree(stores, options)
	_ = nodefs.NewNodeFS(root, options.settings(root))
	return &shown{stores, root}
}

// close ends it.
func (s *shown) close() error {
	s.root.tree.stop()
	return s.stores.Close()
}

// at walks to a node, as the kernel does.
func (s *shown) at(full string) (found nodefs.InodeEmbedder, errno syscall.Errno) {
	found = s.root
	if full == "." {
		return found, 0
	}
	for name := range strings.SplitSeq(full, "/") {
		below, errno := found.(nodefs.NodeLookuper).Lookup(context.Background(), name, new(fuse.EntryOut))
		if errno != 0 {
			return nil, errno
		}
		found = below.Operations()
	}
	return found, 0
}

// inFolder acts on the name of a path in the folder that it leads to.
func (s *shown) inFolder(full string, act func(folder nodefs.InodeEmbedder, name string) syscall.Errno) syscall.Errno {
	folder, errno := s.at(path.Dir(full))
	if errno != 0 {
		return errno
	}
	return act(folder, path.Base(full))
}

func (s *shown) mkdir(full string) syscall.Errno {
	return s.inFolder(full, func(folder nodefs.InodeEmbedder, name string) syscall.Errno {
		_, errno := folder.(nodefs.NodeMkdirer).Mkdir(context.Background(), name, 0o755, new(fuse.EntryOut))
		return errno
	})
}

func (s *shown) rmdir(full string) syscall.Errno {
	return s.inFolder(full, func(folder nodefs.InodeEmbedder, name string) syscall.Errno {
		if _, errno := folder.(nodefs.NodeLookuper).Lookup(context.Background(), name, new(fuse.EntryOut)); errno != 0 {
			return errno // the kernel looks first
		}
		return folder.(nodefs.NodeRmdirer).Rmdir(context.Background(), name)
	})
}

func (s *shown) rename(from, to string) syscall.Errno {
	return s.inFolder(from, func(folder nodefs.InodeEmbedder, name string) syscall.Errno {
		return s.inFolder(to, func(target nodefs.InodeEmbedder, newName string) syscall.Errno {
			if _, errno := folder.(nodefs.NodeLookuper).Lookup(context.Background(), name, new(fuse.EntryOut)); errno != 0 {
				return errno
			}
			return folder.(nodefs.NodeRenamer).Rename(context.Background(), name, target, newName, 0)
		})
	})
}

// list gives what a folder shows, sorted: "name/" for a folder.
func (s *shown) list(full string) ([]string, syscall.Errno) {
	ctx := context.Background()
	folder, errno := s.at(full)
	if errno != 0 {
		return nil, errno
	}
	handle, _, errno := folder.(nodefs.NodeOpendirHandler).OpendirHandle(ctx, 0)
	if errno != 0 {
		return nil, errno
	}
	var names []string
	for {
		entry, errno := handle.(nodefs.FileReaddirenter).Readdirent(ctx)
		if errno != 0 {
			return nil, errno
		}
		if entry == nil {
			break
		}
		switch entry.Mode & syscall.S_IFMT {
		case fuse.S_IFDIR:
			entry.Name += "/"
		case fuse.S_IFLNK:
			entry.Name += "@"
		}
		names = append(names, entry.Name)
	}
	handle.(nodefs.FileReleasedirer).Releasedir(ctx, 0)
	slices.Sort(names)
	return names, 0
}

// everything tells all that is shown: what each folder holds, and of each store whether
// it can be read and who its parent is.
func (s *shown) everything() (string, error) {
	var told strings.Builder
	err := tell(&told, ".", s.stores.Root())
	return told.String(), err
}

func tell(told *strings.Builder, full string, in catalog.Container) error {
	ctx := context.Background()
	entries, err := in.List(ctx)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := path.Join(full, entry.Name)
		switch entry.Kind {
		case catalog.KindFolder:
			_, _ = fmt.Fprintln(told, name+"/")
			err = tell(told, name, entry.Folder)
		case catalog.KindLink:
			_, _ = fmt.Fprintln(told, name, "->", entry.Link.Target())
		default:
			snapshot, problem := entry.Store.Snapshot(ctx)
			if problem != nil {
				return fmt.Errorf("%s: %w", name, problem)
			}
			identity, _ := snapshot.Identity()
			_, _ = fmt.Fprintf(told, "%s of depth %d, with content: %t\n", name, identity.Depth, snapshot.HasContent())
			err = tell(told, name, entry.Store)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fresh tells what somebody sees who mounts the files now, and in a while.
func fresh(files *memory.Files) (string, error) {
	s := show(files)
	told, err := s.everything()
	if err == nil {
		// What is left of work that was cut short is removed when it is old.
		time.Sleep(2 * time.Minute)
		_, err = s.everything()
	}
	return told, errors.Join(err, s.close())
}

// faultyStores are files with stores of every kind, none of them open. It is called in a
// bubble of synctest.
func faultyStores(t *testing.T) *memory.Files {
	t.Helper()
	files := memory.New()
	s := show(files)
	for _, full := range []string{
		"a.rvf", "a.rvf/child.rvf", "a.rvf/child.rvf/grandchild.rvf", "team", "team/b.rvf", "team/b.rvf/c.rvdna", "team/deep", "team/deep/d.rvf", "void", "e.rvf", "spare.rvf",
	} {
		if errno := s.mkdir(full); errno != 0 {
			t.Fatal(full, errno)
		}
	}
	// A store without an extension, which only its bytes tell.
	plain, err := files.Create("plain", 0o644)
	if err == nil {
		_, err = plain.WriteAt(files.Content("spare.rvf"), 0)
		err = errors.Join(err, plain.Close(), files.PutLink("team/b.rvf", "link"))
	}
	if errno := s.rmdir("spare.rvf"); err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // what looked may still be closing folders
	if left := files.Used(); left != 0 {
		t.Fatalf("%d files are still open", left)
	}
	keepTail(t, files, "kept.rvf")
	files.FailLooks = true
	return files
}

// keepTail makes a store that holds vectors, with some that an interrupted program left
// behind its manifest and that are kept beside it now.
func keepTail(t *testing.T, files *memory.Files, name string) {
	t.Helper()
	commit := func(id uint64) {
		t.Helper()
		opened, err := store.Open(context.Background(), name, store.Options{Shelf: filelog.Shelf{Files: files}})
		if err == nil {
			_, err = opened.Ingest(context.Background(), []uint64{id}, []float32{1, 2})
			err = errors.Join(err, opened.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := store.Create(context.Background(), name, store.CreateOptions{Dimension: 2}, store.Options{Shelf: filelog.Shelf{Files: files}})
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	before := len(files.Content(name))
	commit(1)
	header, err := segments.ParseHeader(files.Content(name)[before:])
	if err != nil || header.Type != segments.TypeVec {
		t.Fatal(header, err)
	}
	node := files.Names[name]
	node.Content = node.Content[:before+segments.HeaderSize+int(header.PayloadLength)]
	commit(2)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(files.Names)), isTail) {
		t.Fatal("nothing is kept")
	}
}

func isTail(name string) bool { return strings.Contains(name, ".tail-") }

// namesIn are the names of files, of which what is kept of a store has one or the other:
// the store gets its new name though what is kept stays where it was.
func namesIn(files *memory.Files) []string {
	names := slices.Sorted(maps.Keys(files.Names))
	for i, name := range names {
		if isTail(name) {
			names[i] = "what is kept"
		}
	}
	slices.Sort(names)
	return names
}

// faulted is what is done while an operation of the volume fails.
var faulted = map[string]func(*shown) syscall.Errno{
	"list the root": func(s *shown) syscall.Errno {
		return lists(s, ".", ".rvffs a.rvf child.rvf e.rvf grandchild.rvf incoming kept.rvf link plain? team void")
	},
	"list a folder":        func(s *shown) syscall.Errno { return lists(s, "team", "b.rvf c.rvdna deep") },
	"list a folder in one": func(s *shown) syscall.Errno { return lists(s, "team/deep", "d.rvf") },
	"list a store": func(s *shown) syscall.Errno {
		names, errno := s.list("a.rvf")
		if errno != 0 || slices.Contains(names, "child.rvf/") {
			return errno
		}
		// A child that cannot be read stands where its file lies.
		if names, errno = s.list("."); errno == 0 && !slices.Contains(names, "child.rvf/") {
			errno = errWrongList
		}
		return errno
	},
	"make a store": func(s *shown) syscall.Errno { return s.mkdir("new.rvf") },
	"make a store in a folder": func(s *shown) syscall.Errno {
		return s.mkdir("team/new.rvdna")
	},
	"make a folder":          func(s *shown) syscall.Errno { return s.mkdir("team/new") },
	"derive":                 func(s *shown) syscall.Errno { return s.mkdir("a.rvf/new.rvf") },
	"derive from a derived":  func(s *shown) syscall.Errno { return s.mkdir("team/b.rvf/c.rvdna/new.rvf") },
	"rename a store":         func(s *shown) syscall.Errno { return s.rename("e.rvf", "f.rvf") },
	"rename a parent":        func(s *shown) syscall.Errno { return s.rename("a.rvf", "f.rvf") },
	"rename a derived store": func(s *shown) syscall.Errno { return s.rename("a.rvf/child.rvf", "a.rvf/kid.rvf") },
	"move a store":           func(s *shown) syscall.Errno { return s.rename("e.rvf", "team/deep/e.rvf") },
	"rename a store of which something is kept": func(s *shown) syscall.Errno {
		return s.rename("kept.rvf", "f.rvf")
	},
	"move a store of which something is kept": func(s *shown) syscall.Errno {
		return s.rename("kept.rvf", "team/deep/f.rvf")
	},
	"remove a store that holds something": func(s *shown) syscall.Errno {
		if errno := s.rmdir("kept.rvf"); errno != syscall.ENOTEMPTY {
			return cmp.Or(errno, errWrongList)
		}
		return 0
	},
	"rename a folder":           func(s *shown) syscall.Errno { return s.rename("team", "crew") },
	"move a folder":             func(s *shown) syscall.Errno { return s.rename("team/deep", "void/deep") },
	"remove a store":            func(s *shown) syscall.Errno { return s.rmdir("e.rvf") },
	"remove a derived store":    func(s *shown) syscall.Errno { return s.rmdir("team/b.rvf/c.rvdna") },
	"remove a store in folders": func(s *shown) syscall.Errno { return s.rmdir("team/deep/d.rvf") },
	"remove a folder":           func(s *shown) syscall.Errno { return s.rmdir("void") },
}

// errWrongList is the answer to a listing that is not an error, nor right.
const errWrongList = syscall.Errno(0xbad)

// lists compares a listing with names, some of which may be missing: without a store's
// extension nobody knows that it is one while it cannot be read. Others stand where their
// files lie then, and are no links.
func lists(s *shown, full, want string) syscall.Errno {
	names, errno := s.list(full)
	if errno != 0 {
		return errno
	}
	for i, name := range names {
		names[i] = strings.TrimRight(name, "/@")
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "." || name == ".." })
	if wanted := strings.Fields(strings.ReplaceAll(want, "?", "")); slices.Equal(names, wanted) {
		return 0
	}
	sure := slices.DeleteFunc(strings.Fields(want), func(name string) bool { return strings.HasSuffix(name, "?") })
	if slices.Equal(names, sure) {
		return 0
	}
	return errWrongList
}

// outcomes are the states that an act may leave behind.
type outcomes struct{ before, after string }

func (o outcomes) of(told string) string {
	switch told {
	case o.before:
		return "before"
	case o.after:
		return "after"
	}
	return "neither"
}

// TestEveryFaultOfTheVolume has one operation of the volume fail, and then all from that
// one on, at each moment of everything that can be done with names. The answer is the
// volume's own, what others see is the state before or after, and the mount goes on.
func TestEveryFaultOfTheVolume(t *testing.T) {
	t.Parallel()
	for what, act := range faulted {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, warm := range []bool{false, true} {
				breakEach(t, act, warm)
			}
		})
	}
}

func breakEach(t *testing.T, act func(*shown) syscall.Errno, warm bool) {
	t.Helper()
	var whole *memory.Files
	var want outcomes
	names := map[string][]string{}
	synctest.Test(t, func(t *testing.T) {
		whole = faultyStores(t)
		var err error
		if want.before, err = fresh(whole.Clone()); err != nil {
			t.Fatal(err)
		}
		names["before"] = namesIn(whole)
		done := whole.Clone()
		s := show(done)
		if errno := act(s); errno != 0 {
			t.Fatalf("without a fault: %v", errno)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		names["after"] = namesIn(done)
		if want.after, err = fresh(done); err != nil {
			t.Fatal(err)
		}
	})
	step := 1
	if testing.Short() {
		step = 7
	}
	runs, refused := 0, 0
	defer func() {
		if refused == 0 {
			t.Errorf("warm %t: none of %d faults was answered with an error", warm, runs)
		}
	}()
	for _, err := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		for _, lasting := range []bool{false, true} {
			for at, more := 1, true; more; at += step {
				synctest.Test(t, func(t *testing.T) {
					b := &broken{T: t, files: whole.Clone(), act: act, want: want, names: names, warm: warm, err: err, at: at, lasting: lasting}
					b.files.FailLooks = true
					if more = b.run(); more {
						runs++
					}
					if b.refused {
						refused++
					}
				})
			}
		}
	}
}

// broken is one run in which something fails.
type broken struct {
	*testing.T
	files *memory.Files
	act   func(*shown) syscall.Errno
	want  outcomes
	names map[string][]string

	warm    bool // the tree is known
	err     syscall.Errno
	at      int // which operation fails
	lasting bool
	count   int
	failed  string // the operation
	refused bool
}

func (b *broken) complain(format string, values ...any) {
	b.Helper()
	b.Errorf("warm %t, operation %d, %s, fails with %v, lasting %t: %s", b.warm, b.at, b.failed, b.err, b.lasting, fmt.Sprintf(format, values...))
}

func (b *broken) fail(operation string) error {
	b.count++
	if b.count == b.at || b.lasting && b.count > b.at {
		if b.failed == "" {
			b.failed = operation
		}
		return b.err
	}
	return nil
}

func (b *broken) set(fail func(string) error) {
	b.files.Mu.Lock()
	defer b.files.Mu.Unlock()
	b.files.Fail = fail
}

// run reports whether the operation was reached.
func (b *broken) run() bool {
	s := show(b.files)
	if b.warm {
		if _, err := s.everything(); err != nil {
			b.complain("before: %v", err)
		}
		time.Sleep(2 * time.Second) // what was seen is old
	}
	b.set(b.fail)
	errno := b.act(s)
	b.set(nil)
	b.refused = errno != 0
	if b.failed == "" {
		if errno != 0 {
			b.complain("nothing failed, and yet %v", errno)
		}
		if err := s.close(); err != nil {
			b.complain("close: %v", err)
		}
		return false
	}
	told, err := fresh(b.files.Clone())
	state := b.want.of(told)
	switch {
	case err != nil:
		b.complain("answered %v, afterwards %v", errno, err)
	case state == "neither":
		b.complain("answered %v, afterwards there is\n%s", errno, told)
	case errno == errWrongList:
		b.complain("the list is not whole")
	case errno == 0 && state != "after" && b.want.before != b.want.after:
		b.complain("acknowledged, and not done")
	case errno != 0 && errno != b.err:
		b.complain("answered %v", errno)
	}
	// The same mount sees what is, and can do what was not done.
	time.Sleep(2 * time.Second)
	if now, err := s.everything(); err != nil || now != told {
		b.complain("answered %v, and the mount shows, %v,\n%s, and there is\n%s", errno, err, now, told)
	}
	if state == "before" {
		if errno := b.act(s); errno != 0 {
			b.complain("again: %v", errno)
		}
		state = "after"
	}
	if err := s.close(); err != nil {
		b.complain("close: %v", err)
	}
	synctest.Wait() // what looked may still be closing folders
	if left := b.files.Used(); left != 0 {
		b.complain("%d files are still open", left)
	}
	told, err = fresh(b.files)
	if last := b.want.of(told); err != nil || last != state && (last != "before" || b.want.before != b.want.after) {
		b.complain("at last there is, %v,\n%s", err, told)
	}
	b.takeLocks()
	if left := namesIn(b.files); !slices.Equal(left, b.names[state]) {
		b.complain("names are left: %q, want %q", left, b.names[state])
	}
	return true
}

// takeLocks takes the locks that could not be looked at or removed when their writers were
// done: they hold nobody up.
func (b *broken) takeLocks() {
	for name := range maps.Clone(b.files.Names) {
		full, lock := strings.CutSuffix(name, ".lock")
		if !lock || !b.lasting && b.failed != "describe" && b.failed != "remove" {
			continue
		}
		if _, there := b.files.Names[full]; there {
			b.write(full)
			continue
		}
		made, err := store.Create(context.Background(), full, store.CreateOptions{Dimension: 2}, store.Options{Shelf: filelog.Shelf{Files: b.files}})
		if err == nil {
			err = made.Close()
		}
		if err != nil {
			b.complain("make what has a lock: %v", err)
			continue
		}
		b.write(full)
		delete(b.files.Names, full)
	}
}

// write commits something to the store of a file.
func (b *broken) write(full string) {
	opened, err := store.Open(context.Background(), full, store.Options{Shelf: filelog.Shelf{Files: b.files}, TurnWait: time.Millisecond})
	if err == nil {
		_, err = opened.Ingest(context.Background(), nil, []float32{1, 2})
		err = errors.Join(err, opened.Close())
	}
	if err != nil {
		b.complain("write to %s, whose lock was left: %v", full, err)
	}
}

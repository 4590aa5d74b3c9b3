package catalog

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/memory"
)

// inMemory is a catalog of stores in memory.
type inMemory struct {
	*testing.T
	files   *memory.Files
	catalog *Catalog
}

func openInMemory(t *testing.T, files *memory.Files) *inMemory {
	return &inMemory{t, files, Open(files.Volume(), Options{Dimension: 2, TurnWait: time.Second})}
}

// fill makes stores of every kind.
func fill(t *testing.T) *memory.Files {
	t.Helper()
	m := openInMemory(t, memory.New())
	ctx := context.Background()
	root := m.catalog.Root()
	for _, name := range []string{"a.rvf", "team", "void"} {
		if _, err := root.Make(ctx, name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	team, err := m.folder("team")
	if err == nil {
		_, err = team.Make(ctx, "b.rvf", 0o755)
	}
	if err == nil {
		err = m.derive("a.rvf", "child.rvf")
	}
	if err = errors.Join(err, m.catalog.Close()); err != nil {
		t.Fatal(err)
	}
	return m.files
}

func (m *inMemory) folder(name string) (*Folder, error) {
	entry, err := m.catalog.Root().Lookup(context.Background(), name)
	if err != nil {
		return nil, err
	}
	return entry.Folder, nil
}

func (m *inMemory) derive(parent, name string) error {
	entry, err := m.catalog.Root().Lookup(context.Background(), parent)
	if err == nil {
		_, err = entry.Store.Derive(context.Background(), name, 0o755)
	}
	return err
}

// breakAt has operations fail from the nth on, the first or all of them.
func (m *inMemory) breakAt(at int, lasting bool, cause error) (failed *string) {
	count := 0
	failed = new(string)
	m.setFail(func(operation string) error {
		if count++; count == at || lasting && count > at {
			if *failed == "" {
				*failed = operation
			}
			return cause
		}
		return nil
	})
	return failed
}

func (m *inMemory) setFail(fail func(string) error) {
	m.files.Mu.Lock()
	defer m.files.Mu.Unlock()
	m.files.Fail, m.files.FailLooks = fail, true
}

// age makes what was seen old.
func (m *inMemory) age() {
	m.catalog.mu.Lock()
	defer m.catalog.mu.Unlock()
	m.catalog.read = time.Time{}
}

// atRest checks that nobody holds anything.
func (m *inMemory) atRest() string {
	c := m.catalog
	c.background.Wait()
	if !c.naming.TryTake() {
		return "the turn to change the tree is taken"
	}
	c.naming.Give()
	c.mu.Lock()
	stores, moving := make([]*Store, 0, len(c.stores)), c.moving
	for s := range c.stores {
		stores = append(stores, s)
		if s.place.moving != nil {
			moving = s.place.moving
		}
	}
	for _, folder := range c.root.folders {
		if folder.place.moving != nil {
			moving = folder.place.moving
		}
	}
	c.mu.Unlock()
	if moving != nil {
		return "a rename is still under way"
	}
	for _, s := range stores {
		if !s.opening.TryTake() {
			return "the turn to open " + s.Path() + " is taken"
		}
		s.opening.Give()
		s.mu.Lock()
		users := s.users
		s.mu.Unlock()
		if users != 0 {
			return s.Path() + " is in use"
		}
	}
	return ""
}

// TestFaultsLeaveNothingHeld has an operation of the volume fail at each moment of what
// changes names. Its cause comes back, no turn or place stays taken, and nobody is told
// that something is not there that is.
func TestFaultsLeaveNothingHeld(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for what, act := range map[string]func(m *inMemory) error{
		"list": func(m *inMemory) error {
			_, err := m.catalog.Root().List(ctx)
			return err
		},
		"look up what another made": func(m *inMemory) error {
			if _, err := m.catalog.Root().List(ctx); err != nil {
				return err
			}
			_, err := m.catalog.Root().Lookup(ctx, "theirs")
			return err
		},
		"make a store": func(m *inMemory) error {
			_, err := m.catalog.Root().Make(ctx, "new.rvf", 0o755)
			return err
		},
		"make a folder": func(m *inMemory) error {
			_, err := m.catalog.Root().Make(ctx, "new", 0o755)
			return err
		},
		"derive": func(m *inMemory) error { return m.derive("a.rvf", "new.rvf") },
		"rename a store": func(m *inMemory) error {
			return m.catalog.Root().Move(ctx, "a.rvf", m.catalog.Root(), "new.rvf")
		},
		"move a store": func(m *inMemory) error {
			team, err := m.folder("team")
			if err != nil {
				return err
			}
			return m.catalog.Root().Move(ctx, "a.rvf", team, "new.rvf")
		},
		"rename a folder": func(m *inMemory) error {
			return m.catalog.Root().Move(ctx, "team", m.catalog.Root(), "crew")
		},
		"remove a store":  func(m *inMemory) error { return m.catalog.Root().Remove(ctx, "a.rvf") },
		"remove a folder": func(m *inMemory) error { return m.catalog.Root().Remove(ctx, "void") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			whole := fill(t)
			if what == "remove a store" {
				delete(whole.Names, "child.rvf")
			}
			for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
				for _, lasting := range []bool{false, true} {
					for at := 1; ; at++ {
						m := openInMemory(t, whole.Clone())
						if what == "look up what another made" {
							if _, err := m.catalog.Root().List(ctx); err != nil {
								t.Fatal(err)
							}
							// Nobody looks at the folder again, for it is as old as it was.
							m.files.Names["theirs"] = m.files.Names["team/b.rvf"]
						}
						failed := m.breakAt(at, lasting, cause)
						err := act(m)
						m.setFail(nil)
						if err != nil && !errors.Is(err, cause) || errors.Is(err, volume.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
							t.Errorf("operation %d, %s, lasting %t: %v, and the cause is %v", at, *failed, lasting, err, cause)
						}
						if held := m.atRest(); held != "" {
							t.Errorf("operation %d, %s, lasting %t: %v, and %s", at, *failed, lasting, err, held)
						}
						if err := m.catalog.Close(); err != nil {
							t.Errorf("operation %d, %s, lasting %t: close: %v", at, *failed, lasting, err)
						}
						if *failed == "" {
							break
						}
					}
				}
			}
		})
	}
}

// TestWhatCannotBeReadIsReadAgain has one operation fail while folders are read: what
// was known stays shown, and when the disk is well again all is as it was, though nothing
// was changed since.
func TestWhatCannotBeReadIsReadAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	names := func(m *inMemory, of Container) (string, error) {
		entries, err := of.List(ctx)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name+map[Kind]string{KindFolder: "/", KindLink: "@"}[entry.Kind])
		}
		slices.Sort(names)
		return strings.Join(names, " "), err
	}
	files := fill(t)
	files.Age(".", time.Hour) // whose names need not be read again while its time is the same
	const all = "a.rvf child.rvf@ team/ void/"
	for at := 1; ; at++ {
		m := openInMemory(t, files.Clone())
		failed := m.breakAt(at, false, syscall.EIO)
		got, err := names(m, m.catalog.Root())
		m.setFail(nil)
		if err == nil && strings.ReplaceAll(got, "@", "") != strings.ReplaceAll(all, "@", "") {
			t.Errorf("operation %d, %s, fails, and there is %q", at, *failed, got)
		}
		for range 2 {
			m.age()
			if got, err := names(m, m.catalog.Root()); got != all || err != nil {
				t.Errorf("operation %d, %s, failed, and afterwards there is %q, %v", at, *failed, got, err)
			}
		}
		// What is known already is shown, whatever fails then.
		team, err := m.folder("team")
		if err != nil {
			t.Fatal(err)
		}
		m.files.Age(".", -time.Hour) // something was changed
		m.files.Age("child.rvf", time.Second)
		m.age()
		again := m.breakAt(at, false, syscall.EIO)
		if got, err := names(m, m.catalog.Root()); err == nil && got != all || err != nil && !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d, %s, fails, and there is %q, %v", at, *again, got, err)
		}
		m.setFail(nil)
		if got, err := names(m, team); err == nil && got != "b.rvf" || err != nil && !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d, %s, failed, and in the folder there is %q, %v", at, *again, got, err)
		}
		m.age()
		if got, err := names(m, team); got != "b.rvf" || err != nil {
			t.Errorf("operation %d, %s, failed, and afterwards there is in the folder %q, %v", at, *again, got, err)
		}
		if err := m.catalog.Close(); err != nil {
			t.Error(err)
		}
		if *failed == "" && *again == "" {
			break
		}
	}
}

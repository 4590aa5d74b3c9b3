package filelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

func plainFiles() *volumes.Files {
	files := volumes.New()
	files.Plain = true
	return files
}

// TestCrashWhileNaming: where names are reserved, a file that was to be made is there as a
// whole after a crash or not at all, and its name can be had again.
func TestCrashWhileNaming(t *testing.T) {
	t.Parallel()
	files, content := plainFiles(), bytes.Repeat([]byte("store"), 100)
	if err := filelog.Create(t.Context(), files, "a.rvf", content, 0o644); err != nil {
		t.Fatal(err)
	}
	reserved := 0
	files.Crashes(1, 1, func(what string, c volumes.Crash) {
		after := files.State(c)
		found := after.Content("a.rvf")
		switch {
		case bytes.Equal(found, content):
			return
		case c.After == len(files.Log):
			t.Errorf("%s: what was made is gone: %d bytes", what, len(found))
		case found != nil:
			reserved++
			if len(found) > 0 && !bytes.HasPrefix(filelog.LockRecord(1, ""), found[:min(4, len(found))]) {
				t.Errorf("%s after %d: %q stands at the name", what, c.After, found)
			}
		}
		for name := range after.Names {
			after.Age(name, time.Hour)
		}
		if err := filelog.Create(t.Context(), after, "a.rvf", content, 0o644); err != nil || !bytes.Equal(after.Content("a.rvf"), content) {
			t.Errorf("%s after %d: %v", what, c.After, err)
		}
	})
	if reserved == 0 {
		t.Error("no crash left a reservation")
	}
}

// TestNamesAreTakenOnce has many make a store of one name at one time.
func TestNamesAreTakenOnce(t *testing.T) {
	t.Parallel()
	files := plainFiles()
	var made atomic.Pointer[string]
	var makers sync.WaitGroup
	for i := range 20 {
		makers.Go(func() {
			content := fmt.Sprint("of ", i)
			switch err := filelog.Create(t.Context(), files, "a.rvf", []byte(content), 0o644); {
			case err == nil && !made.CompareAndSwap(nil, &content):
				t.Errorf("%s was made, and %s", content, *made.Load())
			case err != nil && !errors.Is(err, volume.ErrExists):
				t.Error(err)
			}
		})
	}
	makers.Wait()
	if first := made.Load(); first == nil || string(files.Content("a.rvf")) != *first || len(files.Names) != 1 {
		t.Errorf("made %v, and there are %v", first, files.Names)
	}
}

// intrudedFiles are files among which somebody else acts just before a name is looked at.
type intrudedFiles struct {
	*volumes.Files
	act map[string]func()
}

func (i intrudedFiles) Stat(name string) (volume.FileInfo, error) {
	if act := i.act[name]; act != nil {
		delete(i.act, name)
		act()
	}
	return i.Files.Stat(name)
}

// TestLostReservationIsNotUsed: whose name was given to somebody else meanwhile replaces
// nothing.
func TestLostReservationIsNotUsed(t *testing.T) {
	t.Parallel()
	for what, act := range map[string]func(files *volumes.Files) error{
		"another has it": func(files *volumes.Files) error {
			if err := files.Remove("a.rvf"); err != nil {
				return err
			}
			return filelog.Create(t.Context(), files, "a.rvf", []byte("of another"), 0o644)
		},
		"a program writes to it": func(files *volumes.Files) error {
			file, err := files.Open("a.rvf", true)
			if err != nil {
				return err
			}
			_, err = file.WriteAt(bytes.Repeat([]byte("of another"), 20), 0)
			return errors.Join(err, file.Close())
		},
	} {
		files := plainFiles()
		putFile(t, files, "mine", []byte("mine"))
		intruded := intrudedFiles{files, map[string]func(){"a.rvf": func() {
			if err := act(files); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}}}
		if err := filelog.RenameReserved(intruded, "mine", "a.rvf"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", what, err)
		}
		if got := files.Content("a.rvf"); !bytes.HasPrefix(got, []byte("of another")) {
			t.Errorf("%s: %q was lost", what, got)
		}
		if string(files.Content("mine")) != "mine" {
			t.Errorf("%s: the file is gone", what)
		}
	}
}

// TestFailedRenameLeavesNothing: a reservation that is not used is taken away.
func TestFailedRenameLeavesNothing(t *testing.T) {
	t.Parallel()
	files := plainFiles()
	putFile(t, files, "mine", []byte("mine"))
	refused := errors.New("refused")
	files.Fail = func(operation string) error {
		if operation == "rename" {
			return refused
		}
		return nil
	}
	if err := filelog.RenameReserved(files, "mine", "a.rvf"); !errors.Is(err, refused) {
		t.Error(err)
	}
	if files.Content("a.rvf") != nil || string(files.Content("mine")) != "mine" {
		t.Errorf("left: %v", files.Names)
	}
	if err := filelog.RenameReserved(files, "nothing", "a.rvf"); !errors.Is(err, fs.ErrNotExist) || files.Content("a.rvf") != nil {
		t.Errorf("of nothing: %v, and %v", err, files.Names)
	}
}

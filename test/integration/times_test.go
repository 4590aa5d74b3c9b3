package integration

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCopiersOfNewerFiles: what copies nothing but what is newer takes no stream for
// newer than what is to be written there.
func TestCopiersOfNewerFiles(t *testing.T) {
	t.Parallel()
	demandProgram(t, "rsync")
	m := serve(t, t.TempDir())
	run(t, "mkdir", m.path("a.rvf"))
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(rows, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		if err := os.Chtimes(rows, old, old); err != nil {
			t.Fatal(err)
		}
	}
	live := func() string {
		t.Helper()
		return strings.TrimSpace(shell(t, `wc -l < "$1"`, m.path("a.rvf", "vectors", "vectors.jsonl")))
	}
	for i, copier := range [][]string{
		{"cp", "-u"}, {"cp", "-u", "-p"}, {"rsync", "-u", "--inplace"}, {"rsync", "-a", "-u", "--inplace"},
	} {
		write(strings.Repeat("[1,2]\n", 3))
		run(t, copier[0], append(copier[1:], rows, m.path("a.rvf", "vectors.append.jsonl"))...)
		if got, want := live(), []string{"3", "6", "9", "12"}[i]; got != want {
			t.Errorf("after %v there are %s vectors, want %s", copier, got, want)
		}
	}
	for _, name := range []string{"vectors.append", "vectors.append.npy", "vectors.delete", "ctl", "query"} {
		if got := strings.TrimSpace(run(t, "stat", "-c", "%Y", m.path("a.rvf", name))); got != "0" {
			t.Errorf("%s is of second %s, want 0", name, got)
		}
	}
	// Views are of the time of their commit.
	if age := strings.TrimSpace(run(t, "stat", "-c", "%Y", m.path("a.rvf", "vectors", "vectors.npy"))); age == "0" {
		t.Error("a view has no time")
	}
}

// TestNoFileLooksLikeAHole: programs that look for holes by the room that a file takes
// copy all bytes of every file.
func TestNoFileLooksLikeAHole(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	run(t, "mkdir", m.path("a.rvf"))
	shell(t, `seq 1 500 | sed 's/.*/[&,2,3]/' > "$1"/a.rvf/vectors.append && echo image > "$1"/a.rvf/kernel/image`, m.Point)
	checked := 0
	err := filepath.WalkDir(m.Point, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		checked++
		if blocks, want := info.Sys().(*syscall.Stat_t).Blocks, (info.Size()+511)/512; blocks != want {
			t.Errorf("%s: %d bytes in %d blocks, want %d", path, info.Size(), blocks, want)
		}
		return nil
	})
	if err != nil || checked < 30 {
		t.Fatalf("%d files: %v", checked, err)
	}
	out := t.TempDir()
	shell(t, `cd "$1" && tar -S -cf "$2"/sparse.tar a.rvf/vectors a.rvf/kernel a.rvf/manifest.json && mkdir "$2"/tar && tar -C "$2"/tar -xf "$2"/sparse.tar`, m.Point, out)
	shell(t, `mkdir "$2"/cp && cp --sparse=auto "$1"/a.rvf/vectors/vectors.* "$2"/cp`, m.Point, out)
	for _, name := range []string{"vectors.npy", "vectors.csv", "vectors.jsonl", "vectors.f32"} {
		want, err := os.ReadFile(m.path("a.rvf", "vectors", name))
		for _, copied := range []string{filepath.Join(out, "tar", "a.rvf", "vectors", name), filepath.Join(out, "cp", name)} {
			got, problem := os.ReadFile(copied)
			if err = errors.Join(err, problem); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what it was copied from", copied)
			}
		}
	}
	if du := strings.Fields(run(t, "du", "-B1", m.path("a.rvf", "vectors", "vectors.npy")))[0]; du == "0" {
		t.Error("du counts nothing of a file")
	}
}

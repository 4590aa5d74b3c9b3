package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/test/integration/rawfile"
)

// TestWhatCommandsSay goes through what people are told where a command has nothing to
// do, or cannot do it.
func TestWhatCommandsSay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run(t, program, "create", at("a.rvf"), "--dimension", "3")
	run(t, program, "create", at("full.rvf"), "--dimension", "3")
	withVectors(t, at("full.rvf"), model{1: {1, 2, 3}})
	isDirectory := dir + " is a directory: name the store's file"
	for _, c := range []struct {
		arguments      []string
		code           int
		stdout, stderr string // parts; without one nothing may be said there
	}{
		{words{"compact", at("a.rvf")}, 0, "nothing to reclaim", ""},
		{words{"status", at("full.rvf")}, 0, fmt.Sprintf("none known; 3 segments not checked (rvffs verify %s reads everything)", at("full.rvf")), ""},
		{words{"create", at("a.rvf")}, 1, "", fmt.Sprintf("%q exists already", at("a.rvf"))},
		{words{"derive", at("full.rvf"), at("a.rvf")}, 1, "", fmt.Sprintf("%q exists already", at("a.rvf"))},
		{words{"create", at("k3")}, 2, "", `"k3" does not end in .rvf`},
		{words{"derive", at("a.rvf"), at("k3")}, 1, "", `"k3" does not end in .rvf`},
		{words{"query", dir, "--id", "1"}, 1, "", isDirectory},
		{words{"status", dir}, 1, "", isDirectory},
		{words{"export", dir, "-f", "f32"}, 1, "", isDirectory},
		{words{"verify", dir}, 1, isDirectory, "1 of 1 files"},
		{words{"recover", dir}, 1, "", isDirectory},
		{words{"recover", "--list", dir}, 1, "", isDirectory},
		{words{"recover", at("none.rvf")}, 1, "", "no such file"},
		{words{"recover", "--json", at("none.rvf")}, 1, "", "no such file"},
		{words{"recover", at("a.rvf"), at("full.rvf.tail-0")}, 1, "", "full.rvf.tail-0"},
		{words{"recover", at("a.rvf")}, 0, "nothing to recover", ""},
	} {
		got := try(t, program, c.arguments...)
		said := func(text, part string) bool { return strings.Contains(text, part) && (part != "" || text == "") }
		if got.code != c.code || !said(got.stdout, c.stdout) || !said(got.stderr, c.stderr) || strings.Contains(got.stderr, "rvffs-tmp") {
			t.Errorf("rvffs %v: exit status %d\n%s%s", c.arguments, got.code, got.stdout, got.stderr)
		}
	}
	if got := names(t, dir); fmt.Sprint(got) != "[a.rvf full.rvf]" {
		t.Errorf("left: %v", got)
	}
}

// TestStatusIsTheFiles tells of the file and not of the command that looks at it.
func TestStatusIsTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "a.rvf")
	run(t, program, "create", name, "--dimension", "3")
	readOnly := func(want bool) {
		t.Helper()
		var status struct {
			ReadOnly *bool `json:"read_only"`
			Verify   *string
		}
		var inspected struct{ Status any }
		inspected.Status = &status
		for command, document := range map[string]any{"status": &status, "inspect": &inspected} {
			text := run(t, program, command, "--json", name)
			if err := json.Unmarshal([]byte(text), document); err != nil {
				t.Fatal(err)
			}
			if status.ReadOnly == nil || *status.ReadOnly != want || status.Verify != nil {
				t.Errorf("%s: %s", command, text)
			}
		}
	}
	readOnly(false)
	if err := os.Link(name, filepath.Join(dir, "b.rvf")); err != nil {
		t.Fatal(err)
	}
	readOnly(true)
	name = filepath.Join(dir, "wire.rvf")
	if err := os.WriteFile(name, wireFile([][]float32{{1, 2}, {3, 4}}, make([]byte, 32)), 0o644); err != nil {
		t.Fatal(err)
	}
	readOnly(true)
}

// TestEntriesCountTheirOwnBytes writes to one stream in three commits.
func TestEntriesCountTheirOwnBytes(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"a.rvf": rawfile.NewBuilder("a", 3).Bytes}))
	stream := must(os.OpenFile(m.path("a.rvf", "vectors.append"), os.O_WRONLY, 0))(t)
	for _, line := range []string{"[1, 2, 3]\n", "[1, 2, 3] [4, 5, 6]\n", "[1, 2, 3]\n[1, 2, 3]\n"} {
		if _, err := stream.WriteString(line); err != nil {
			t.Fatal(err)
		}
		if err := stream.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range bytes.Lines(readFile(t, m.path("a.rvf", "append.log"))) {
		var entry struct{ Accepted, Bytes int }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(entry))
	}
	if want := "[{1 10} {2 20} {2 20}]"; fmt.Sprint(got) != want {
		t.Errorf("append.log counts %v, want %s", got, want)
	}
}

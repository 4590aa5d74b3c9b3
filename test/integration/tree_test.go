package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// image is a kernel's image of an odd length, longer than a page.
var image = bytes.Repeat([]byte("kernel image "), 1000)

// richStore is a store with everything in it: several commits, an orphan,
// deleted vectors, segments that nobody knows, both kinds of programs.
func richStore(bound bool) *rawfile.Builder {
	builder := rawfile.NewBuilder(fmt.Sprintf("rich, bound %v", bound), 12)
	builder.Vec(numbered(0, randomRows(1, 300, 12))).Segment(0xf7, []byte("nobody knows these bytes")).Manifest()
	builder.Vec(numbered(250, randomRows(2, 100, 12))).Manifest()
	builder.Orphan(rawfile.TypeVec, []byte("an orphan whose payload is no vectors at all"))
	builder.Kernel(image, "console=ttyS0", bound).EBPF([]byte("\x7fELF program"), []byte("types"))
	builder.Segment(0xf7, nil).Segment(0x99, bytes.Repeat([]byte{0x53}, 5000))
	builder.Deleted = []uint64{3, 260}
	return builder.Manifest()
}

// richFolder is a backing folder with all that a mount has to show: plain and
// bound stores, children, a store in a plain folder, a broken one, other files.
func richFolder(t testing.TB) string {
	t.Helper()
	plain, bound := richStore(false), richStore(true)
	child := plain.Child("child")
	return folder(t, map[string][]byte{
		"plain.rvf":          plain.Bytes,
		"bound.rvdna":        bound.Bytes,
		"child.rvtext":       child.Bytes,
		"grandchild.rvgraph": child.Child("grandchild").Bytes,
		"team/inner.rvvis":   rawfile.NewBuilder("inner", 3).Bytes,
		"broken.rvf":         []byte("these bytes are no store"),
		"notes.txt":          []byte("not shown"),
	})
}

// TestFoldersShowFiles checks every view of the rich stores.
func TestFoldersShowFiles(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	want := []string{"bound.rvdna", "broken.rvf", "child.rvtext", "grandchild.rvgraph", "plain.rvf", "team"}
	if got := names(t, m.Point); !slices.Equal(got, want) {
		t.Errorf("the root lists %v, want %v", got, want)
	}
	for shown, backing := range map[string]string{
		"plain.rvf": "plain.rvf", "bound.rvdna": "bound.rvdna", "team/inner.rvvis": "team/inner.rvvis",
		"plain.rvf/child.rvtext": "child.rvtext", "plain.rvf/child.rvtext/grandchild.rvgraph": "grandchild.rvgraph",
	} {
		if err := folderShows(m.path(shown), m.backing(backing)); err != nil {
			t.Errorf("%s: %v", shown, err)
		}
	}
}

// TestCopiesOfSegmentsAreTheStore copies every segment file with cp and puts the
// copies together: these are the live bytes.
func TestCopiesOfSegmentsAreTheStore(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	copies := t.TempDir()
	shell(t, `cp "$1"/segments/* "$2"`, m.path("plain.rvf"), copies)
	together := shell(t, `cat "$1"/*.seg`, copies)
	var live []byte
	file := must(rawfile.Read(m.backing("plain.rvf")))(t)
	for _, segment := range file.Live() {
		live = append(live, file.Bytes[segment.Offset:segment.End()]...)
	}
	if together != string(live) {
		t.Errorf("the copies are %d bytes that are not the %d live ones", len(together), len(live))
	}
}

// TestKernelImage extracts with cp what was embedded, in both layouts.
func TestKernelImage(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	embedded := writeFile(t, filepath.Join(t.TempDir(), "embedded"), image)
	for _, name := range []string{"plain.rvf", "bound.rvdna"} {
		extracted := filepath.Join(t.TempDir(), "extracted")
		run(t, "cp", m.path(name, "kernel", "image"), extracted)
		run(t, "cmp", extracted, embedded)
		if got := run(t, "cat", m.path(name, "kernel", "cmdline")); got != "console=ttyS0" {
			t.Errorf("%s: command line %q", name, got)
		}
		if got := run(t, "cat", m.path(name, "ebpf", "program.o")); got != "\x7fELF program" {
			t.Errorf("%s: program %q", name, got)
		}
	}
	for _, absent := range []string{"kernel/image", "ebpf/program.o"} {
		_, err := os.Stat(m.path("team", "inner.rvvis", absent))
		wantErrno(t, absent+" of a store without one", err, syscall.ENOENT)
	}
}

// TestRawIsACommittedPrefix reads raw over and over while a writer appends.
// Every copy must end where some commit ended.
func TestRawIsACommittedPrefix(t *testing.T) {
	t.Parallel()
	const commits, rowsInCommit, dimension = 40, 25, 16
	m := serve(t, folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("growing", dimension).Bytes}))
	raw := m.path("store.rvf", "raw")
	rows := randomRows(1, commits*rowsInCommit, dimension)

	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for commit := range commits {
			batch := rows[commit*rowsInCommit : (commit+1)*rowsInCommit]
			if err := pour(m.path("store.rvf", "vectors.append"), rawRows(batch...)); err != nil {
				t.Error(err)
			}
		}
	}()
	type sample struct{ digest, size string }
	samples := map[sample]bool{}
	for done := false; !done; {
		select {
		case <-finished:
			done = true
		default:
		}
		words := strings.Fields(shell(t, `exec 3<"$1"; sha256sum <&3; stat -L -c %s /dev/fd/3`, raw))
		samples[sample{words[0], words[2]}] = true
	}

	if err := fileHolds(m.backing("store.rvf"), numbered(0, rows)); err != nil {
		t.Fatal(err)
	}
	file := must(rawfile.Read(m.backing("store.rvf")))(t)
	committed := map[sample]bool{}
	for _, manifest := range file.Manifests {
		segment, _ := file.At(manifest.Offset)
		digest := sha256Of(file.Bytes[:segment.End()])
		committed[sample{digest, fmt.Sprint(segment.End())}] = true
	}
	for seen := range samples {
		if !committed[seen] {
			t.Errorf("raw was once %s bytes with the digest %s: no committed prefix", seen.size, seen.digest)
		}
	}
	if last := (sample{sha256Of(file.Bytes), fmt.Sprint(len(file.Bytes))}); !samples[last] {
		t.Error("the last state was not read after the last commit")
	}
}

// TestRandomReads reads pieces at random offsets, also odd ones and ones across
// the end, and compares them with the backing file.
func TestRandomReads(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	file := must(rawfile.Read(m.backing("plain.rvf")))(t)
	wanted := map[string][]byte{"raw": file.Bytes, "kernel/image": image, "manifest.bin": file.Newest().Payload}
	for _, segment := range file.Live() {
		wanted["segments/"+segment.Name()] = file.Bytes[segment.Offset:segment.End()]
	}
	source := rand.New(rand.NewPCG(1, 2))
	for view, want := range wanted {
		// A fresh open for every few reads: the first bytes asked for are seldom
		// the first of the file.
		for range 5 {
			opened := must(os.Open(m.path("plain.rvf", view)))(t)
			for range 10 {
				offset := source.IntN(len(want) + 2)
				buffer := make([]byte, 1+source.IntN(9000))
				count, err := opened.ReadAt(buffer, int64(offset))
				rest := want[min(offset, len(want)):]
				if !bytes.Equal(buffer[:count], rest[:min(len(rest), len(buffer))]) {
					t.Errorf("%s: %d bytes at %d are wrong", view, len(buffer), offset)
				}
				if atEnd := len(rest) < len(buffer); atEnd != errors.Is(err, io.EOF) || !atEnd && err != nil {
					t.Errorf("%s: %d bytes at %d: %v", view, len(buffer), offset, err)
				}
			}
			opened.Close()
		}
	}
	piece := run(t, "dd", "if="+m.path("plain.rvf", "raw"), "bs=37", "skip=101", "count=29", "status=none")
	if want := string(file.Bytes[37*101 : 37*130]); piece != want {
		t.Error("dd read other bytes than the backing file has")
	}
}

// TestWholeTreePrograms lets programs walk through everything: not one may find
// an error.
func TestWholeTreePrograms(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	for what, script := range map[string]string{
		"find and stat": `find "$1" | xargs -d '\n' stat`,
		"tar":           `tar -C "$1" -cf - . | cat`,
		"ls":            `ls -lRa "$1"`,
		"du":            `du -al "$1"`,
		"grep":          `grep -r 'no such text anywhere' "$1" || [ $? = 1 ]`,
		"cat":           `find "$1" -type f -exec cat {} +`,
		"find -L":       `find -L "$1" >"$2.found" 2>"$2" || true; ! grep -v 'File system loop detected' "$2" | grep '^find'`,
		"cp":            `cp -r "$1" "$2"`,
	} {
		got := tryShell(t, script, m.Point, filepath.Join(t.TempDir(), "copy"))
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s: exit status %d\n%s", what, got.code, got.stderr)
		}
	}
}

// TestArchiveHoldsTheBytes unpacks what tar packed in the mount.
func TestArchiveHoldsTheBytes(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	unpacked := t.TempDir()
	shell(t, `tar -C "$1" -cf - plain.rvf | tar -C "$2" -xf -`, m.Point, unpacked)
	run(t, "cmp", filepath.Join(unpacked, "plain.rvf", "raw"), m.backing("plain.rvf"))
	run(t, "cmp", filepath.Join(unpacked, "plain.rvf", "child.rvtext", "raw"), m.backing("child.rvtext"))
}

// TestSizesAreExact compares the size of every file of a fresh mount, before
// anything was read, with the bytes that then come.
func TestSizesAreExact(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	sizes := map[string]int64{}
	views(t, m.Point, func(_, relative string, info fs.FileInfo) { sizes[relative] = info.Size() })
	for _, expected := range []string{"plain.rvf/raw", "plain.rvf/manifest.json", "plain.rvf/kernel/image", "broken.rvf/error.txt", ".rvffs/README.md"} {
		if sizes[expected] == 0 {
			t.Errorf("%s has no bytes or is not there", expected)
		}
	}
	for relative, size := range sizes {
		// The mount's own diary changes as it is read.
		if strings.HasPrefix(relative, ".rvffs/") && relative != ".rvffs/README.md" {
			continue
		}
		if got := int64(len(readFile(t, m.path(relative)))); got != size {
			t.Errorf("%s: %d bytes came, %d were promised", relative, got, size)
		}
	}
}

// inodes lists the inode number of everything in a mount by path.
func inodes(t testing.TB, point string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(shell(t, `cd "$1" && find . -printf '%i %P\n'`, point)) {
		number, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		out[path] = number
	}
	return out
}

// TestInodeNumbers wants every path to have its own inode number, and to keep it
// when stores change.
func TestInodeNumbers(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	before := inodes(t, m.Point)
	owner := map[string]string{}
	for path, number := range before {
		if other, taken := owner[number]; taken {
			t.Errorf("%q and %q have the inode number %s", path, other, number)
		}
		owner[number] = path
	}
	for range 3 {
		if err := pour(m.path("plain.rvf", "vectors.append"), rawRows(randomRows(5, 3, 12)...)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "mkdir", m.path("plain.rvf", "later.rvf"))
	run(t, "rm", "-f", m.backing("broken.rvf"))
	eventually(t, "the removed file is not listed any more", func() error {
		if slices.Contains(names(t, m.Point), "broken.rvf") {
			return errors.New("it is listed")
		}
		return nil
	})
	after := inodes(t, m.Point)
	for path, number := range before {
		if now, still := after[path]; still && now != number {
			t.Errorf("%q had the inode number %s and now has %s", path, number, now)
		}
	}
	newest := must(rawfile.Read(m.backing("plain.rvf")))(t).Newest()
	if _, ok := after[fmt.Sprintf("plain.rvf/segments/%06d-manifest.seg", newest.SegmentID)]; !ok {
		t.Error("the new manifest is not listed")
	}
}

// TestOpenFilesKeepTheirBytes opens views, lets the store change in every way,
// and reads the open files: half before, half after.
func TestOpenFilesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	m := serve(t, richFolder(t))
	store := m.path("plain.rvf")
	first := must(rawfile.Read(m.backing("plain.rvf")))(t)
	type held struct {
		file *os.File
		want []byte
		half int
	}
	open := map[string]*held{}
	for _, view := range []string{
		"raw", "manifest.json", "manifest.bin", "identity.bin", "kernel/image", "ebpf/program.o",
		"segments/" + first.Live()[0].Name(), "segments/" + first.Live()[1].Name(),
	} {
		file := must(os.Open(filepath.Join(store, view)))(t)
		defer file.Close()
		open[view] = &held{file: file}
	}
	open["raw"].want = first.Bytes
	for view, h := range open {
		if h.want == nil {
			h.want = readFile(t, filepath.Join(store, view))
		}
		h.half = len(h.want) / 2
		if got := make([]byte, h.half); must(h.file.Read(got))(t) != h.half || !bytes.Equal(got, h.want[:h.half]) {
			t.Errorf("%s: the first half is wrong", view)
		}
	}

	for seed := range uint64(3) {
		if err := pour(m.path("plain.rvf", "vectors.append"), rawRows(randomRows(seed, 50, 12)...)); err != nil {
			t.Fatal(err)
		}
	}
	engineDelete(t, m.backing("plain.rvf"), 5, 6, 7)
	engineKernel(t, m.backing("plain.rvf"), []byte("another kernel"), "")
	engineCompact(t, m.backing("plain.rvf"))
	soon(t, m, "plain.rvf")
	if got := readFile(t, filepath.Join(store, "raw")); bytes.HasPrefix(got, first.Bytes) {
		t.Fatal("the compaction did not rewrite the file")
	}

	for view, h := range open {
		rest, err := io.ReadAll(h.file)
		if err != nil || !bytes.Equal(rest, h.want[h.half:]) {
			t.Errorf("%s: the second half, %d bytes (%v), is not what it was when it was opened", view, len(rest), err)
		}
	}
}

// TestNewStateIsSeenAtOnce reads, after each of many commits, what was just
// acknowledged.
func TestNewStateIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("at once", 2).Bytes}))
	for commit := range 30 {
		if err := pour(m.path("store.rvf", "vectors.append"), rawRows([]float32{1, float32(commit)})); err != nil {
			t.Fatal(err)
		}
		if err := folderShows(m.path("store.rvf"), m.backing("store.rvf")); err != nil {
			t.Fatalf("after commit %d: %v", commit, err)
		}
		if got := must(decode[statusView](m.path("store.rvf", "status.json")))(t).LiveVectors; got != commit+1 {
			t.Fatalf("after commit %d: %d live vectors", commit, got)
		}
	}
}

// TestTruncatedUnderTheMount cuts a store file off while its views are open: an
// error, not a short file and not the end of the mount.
func TestTruncatedUnderTheMount(t *testing.T) {
	t.Parallel()
	builder := rawfile.NewBuilder("cut", 256)
	builder.Vec(numbered(0, randomRows(1, 2000, 256))).Manifest()
	m := serve(t, folder(t, map[string][]byte{"cut.rvf": builder.Bytes, "whole.rvf": rawfile.NewBuilder("whole", 2).Bytes}))
	raw := must(os.Open(m.path("cut.rvf", "raw")))(t)
	defer raw.Close()
	if err := os.Truncate(m.backing("cut.rvf"), 1000); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(raw)
	wantErrno(t, "reading on behind the cut", err, syscall.EIO)
	if !bytes.HasPrefix(builder.Bytes, got) {
		t.Error("the bytes before the error are wrong")
	}
	if err := folderShows(m.path("whole.rvf"), m.backing("whole.rvf")); err != nil {
		t.Errorf("the other store: %v", err)
	}
}

// TestMakingAndRemoving makes, renames and removes folders and stores with the
// usual programs.
func TestMakingAndRemoving(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir(), "--dimension", "4")
	run(t, "mkdir", m.path("team"))
	run(t, "mkdir", m.path("team", "a.rvf"))
	run(t, "mkdir", m.path("team", "a.rvf", "b.rvdna"))
	if got := names(t, m.backing("team")); !slices.Equal(got, []string{"a.rvf", "b.rvdna"}) {
		t.Errorf("the backing folder holds %v", got)
	}
	if got := must(decode[manifestView](m.path("team/a.rvf/manifest.json")))(t).Dimension; got != 4 {
		t.Errorf("a new store has dimension %d, want the mount's 4", got)
	}

	run(t, "mv", m.path("team", "a.rvf"), m.path("team", "renamed.rvvis"))
	if got := names(t, m.path("team")); !slices.Equal(got, []string{"b.rvdna", "renamed.rvvis"}) {
		t.Errorf("after mv the folder lists %v", got)
	}
	if got := must(decode[identityView](m.path("team/renamed.rvvis/identity.json")))(t).Profile; got != "RVVision" {
		t.Errorf("after mv the profile is %q", got)
	}
	if got := must(os.Readlink(m.path("team", "b.rvdna")))(t); got != "renamed.rvvis/b.rvdna" {
		t.Errorf("after mv of the parent the child's link leads to %q", got)
	}

	wantRefusal(t, try(t, "rmdir", m.path("team", "renamed.rvvis")), syscall.ENOTEMPTY)
	wantRefusal(t, try(t, "rmdir", m.path("team")), syscall.ENOTEMPTY)
	run(t, "rmdir", m.path("team", "renamed.rvvis", "b.rvdna"))
	run(t, "rmdir", m.path("team", "renamed.rvvis"))
	run(t, "rmdir", m.path("team"))
	if got := names(t, m.Dir); len(got) > 0 {
		t.Errorf("the backing folder still holds %v", got)
	}
}

// sha256Of is a digest as sha256sum prints it.
func sha256Of(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

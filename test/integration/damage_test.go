package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// damageView is what status.json says of content hashes.
type damageView struct {
	Verify    string `json:"verify"`
	Segments  int    `json:"segments"`
	Checked   int    `json:"checked_segments"`
	Unhashed  int    `json:"unhashed_segments"`
	Unchecked int    `json:"unchecked_segments"`
	Count     int    `json:"damaged_count"`
	Damaged   []struct {
		SegmentID uint64 `json:"segment_id"`
		Offset    int    `json:"offset"`
		Type      string `json:"type"`
		Reason    string `json:"reason"`
	} `json:"damaged_segments"`
}

// becomesDamaged waits until status.json names one segment as damaged.
func becomesDamaged(t testing.TB, m *mount, name string, offset uint64) {
	t.Helper()
	eventually(t, "status.json names the damaged segment", func() error {
		status, err := decode[damageView](m.path(name, "status.json"))
		if err == nil && (status.Count != 1 || len(status.Damaged) != 1 || status.Damaged[0].Offset != int(offset)) {
			err = fmt.Errorf("it says %+v", status)
		}
		return err
	})
}

// flipBit changes one bit of a file in place.
func flipBit(t testing.TB, path string, offset uint64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	_, err = file.ReadAt(one, int64(offset))
	one[0] ^= 0x10
	if err == nil {
		_, err = file.WriteAt(one, int64(offset))
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

const (
	rotDimension = 256
	rotRows      = 4000 // of each segment: 4 MB
)

// rotStore has three segments of vectors, with ids from 0 in order.
func rotStore() *rawfile.Builder {
	b := rawfile.NewBuilder("rot", rotDimension)
	for segment := range 3 {
		rows := map[uint64][]float32{}
		for row := range rotRows {
			vector := make([]float32, rotDimension)
			for i := range vector {
				vector[i] = float32(segment*rotRows+row) + float32(i)/rotDimension
			}
			rows[uint64(segment*rotRows+row)] = vector
		}
		b.Vec(rows).Manifest()
	}
	return b
}

// rotten is the file of rotStore with one wrong bit in a row of the second segment,
// and where in the file and in vectors.f32 that is.
func rotten() (b *rawfile.Builder, entry rawfile.Entry, inFile uint64, inView int64) {
	b = rotStore()
	entry = b.Entries[1]
	const row, component = 3000, 7
	inFile = entry.Offset + rawfile.HeaderSize + 6 + row*(8+4*rotDimension) + 8 + 4*component
	b.Bytes[inFile] ^= 0x10
	return b, entry, inFile, 4 * ((rotRows+row)*rotDimension + component)
}

// readsEIO says that a program's end was that of a read error.
func readsEIO(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("%s: %v, want EIO", what, err)
	}
}

// TestRotBehindTheReads serves a damaged store as every mount does: what is read
// first may pass, and from the verdict on nothing does that needs the bytes.
func TestRotBehindTheReads(t *testing.T) {
	t.Parallel()
	b, entry, inFile, inView := rotten()
	sound := rotStore().Bytes
	m := serve(t, folder(t, map[string][]byte{"rot.rvf": b.Bytes}))
	open := must(os.Open(m.path("rot.rvf/vectors/vectors.f32")))(t)
	defer open.Close()
	mapped := must(unix.Mmap(int(open.Fd()), 0, int(inView)+4096, unix.PROT_READ, unix.MAP_SHARED))(t)
	defer unix.Munmap(mapped)
	value := make([]byte, 4)
	if _, err := open.ReadAt(value, inView); err == nil {
		if got := byteAt(mapped, inView); got != int(b.Bytes[inFile]) && got >= 0 {
			t.Errorf("before the verdict the byte is %#x, in the file it is %#x", got, b.Bytes[inFile])
		}
	}
	becomesDamaged(t, m, "rot.rvf", entry.Offset)

	// What was open, and has the bytes in its cache.
	_, err := open.ReadAt(value, inView)
	readsEIO(t, "a descriptor from before the verdict", err)
	if got := byteAt(mapped, inView); got >= 0 {
		t.Errorf("a mapping from before the verdict still shows %#x", got)
	}
	firstRow := int64(4 * rotDimension * 5)
	if _, err := open.ReadAt(value, firstRow); err != nil || !bytes.Equal(value, sound[b.Entries[0].Offset+rawfile.HeaderSize+6+5*(8+4*rotDimension)+8:][:4]) {
		t.Errorf("a sound row through it is %x, %v", value, err)
	}
	refusesDamage(t, m, b, entry)

	// What does not need the bytes is right.
	for id, want := range map[int]bool{5: true, 2*rotRows + 5: true, rotRows + 5: false} {
		for _, suffix := range []string{".f32", ".json"} {
			_, err := os.ReadFile(m.path(fmt.Sprintf("rot.rvf/vectors/by-id/%d%s", id, suffix)))
			if want != (err == nil) || err != nil && !errors.Is(err, syscall.EIO) {
				t.Errorf("vector %d%s: %v", id, suffix, err)
			}
		}
	}
	got := must(os.ReadFile(m.path("rot.rvf/vectors/by-id/5.f32")))(t)
	if want := sound[b.Entries[0].Offset+rawfile.HeaderSize+6+5*(8+4*rotDimension)+8:][:4*rotDimension]; !bytes.Equal(got, want) {
		t.Error("vector 5 is another one")
	}
	if log := m.log(); strings.Count(log, "fails from now on") != 1 ||
		!strings.Contains(log, fmt.Sprintf("the vec segment %d at offset %d is damaged", entry.ID, entry.Offset)) || !strings.Contains(log, "rot.rvf") {
		t.Errorf("the log says %s", log)
	}
}

// TestRotBelowABranch: damage of a store is damage of what its branches show, and theirs.
// Views of them that are open show it as those of the store do.
func TestRotBelowABranch(t *testing.T) {
	t.Parallel()
	_, entry, inFile, inView := rotten()
	dir := folder(t, map[string][]byte{"rot.rvf": rotStore().Bytes})
	at := func(name string) string { return filepath.Join(dir, name) }
	run(t, program, "branch", at("rot.rvf"), at("branch.rvf"))
	run(t, program, "branch", at("branch.rvf"), at("second.rvf"))
	flipBit(t, at("rot.rvf"), inFile)
	m := serve(t, dir)
	type opened struct {
		file   *os.File
		mapped []byte
	}
	names := []string{"rot.rvf/branch.rvf", "rot.rvf/branch.rvf/second.rvf"}
	views := map[string]opened{}
	value := make([]byte, 4)
	for _, name := range names {
		file := must(os.Open(m.path(name, "vectors/vectors.f32")))(t)
		defer file.Close()
		mapped := must(unix.Mmap(int(file.Fd()), 0, int(inView)+4096, unix.PROT_READ, unix.MAP_SHARED))(t)
		defer unix.Munmap(mapped)
		views[name] = opened{file, mapped}
		_, _ = file.ReadAt(value, inView) // what is read before the verdict may be wrong
		_ = byteAt(mapped, inView)
	}
	becomesDamaged(t, m, "rot.rvf", entry.Offset)
	for _, name := range names {
		view := views[name]
		_, err := view.file.ReadAt(value, inView)
		readsEIO(t, name+", open before", err)
		if got := byteAt(view.mapped, inView); got >= 0 {
			t.Errorf("%s: a mapping from before the verdict still shows %#x", name, got)
		}
		if _, err := view.file.ReadAt(value, int64(4*rotDimension*5)); err != nil {
			t.Errorf("%s: a sound row: %v", name, err)
		}
		_, err = os.ReadFile(m.path(name, "vectors/vectors.npy"))
		readsEIO(t, name, err)
		_, err = os.ReadFile(m.path(name, fmt.Sprintf("vectors/by-id/%d.f32", rotRows+5)))
		readsEIO(t, name+" by id", err)
		status, err := decode[struct {
			Live   int    `json:"live_vectors"`
			Damage string `json:"damage"`
			Branch struct {
				Damaged []struct {
					Offset uint64 `json:"offset"`
				} `json:"damaged_segments"`
			} `json:"branch"`
		}](m.path(name, "status.json"))
		if err != nil || status.Live != 3*rotRows || !strings.Contains(status.Damage, "inherited vectors in damaged segments") ||
			len(status.Branch.Damaged) != 1 || status.Branch.Damaged[0].Offset != entry.Offset {
			t.Errorf("%s: %+v, %v", name, status, err)
		}
		if got := try(t, program, "verify", at(filepath.Base(name))); got.code != 1 || !strings.Contains(got.stdout, fmt.Sprintf("vec segment %d at %d", entry.ID, entry.Offset)) {
			t.Errorf("verify of %s: %+v", name, got)
		}
	}
	if log := m.log(); strings.Count(log, "fails from now on") != 1 {
		t.Errorf("the log says %s", log)
	}
}

// byteAt reads from a mapping, -1 where the kernel has no page for it.
func byteAt(mapped []byte, at int64) (value int) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			value = -1
		}
	}()
	return int(mapped[at])
}

// refusesDamage tries everything that needs a segment known to be damaged.
func refusesDamage(t testing.TB, m *mount, b *rawfile.Builder, entry rawfile.Entry) {
	t.Helper()
	segment := fmt.Sprintf("segments/%06d-%s.seg", entry.ID, rawfile.TypeName(entry.Type))
	for _, name := range []string{"vectors/vectors.npy", "vectors/vectors.f32", "vectors/vectors.csv", "vectors/ids.npy", "raw", segment} {
		_, err := os.ReadFile(m.path("rot.rvf", name))
		readsEIO(t, name, err)
		if err := exec.Command("cp", m.path("rot.rvf", name), filepath.Join(t.TempDir(), "copy")).Run(); err == nil {
			t.Errorf("cp %s succeeds", name)
		}
	}
	for _, id := range []int{5, rotRows + 5} {
		_, err := os.ReadFile(m.path(fmt.Sprintf("rot.rvf/neighbors/%d.json", id)))
		readsEIO(t, "neighbors", err)
	}
	query := must(os.OpenFile(m.path("rot.rvf/query"), os.O_RDWR, 0))(t)
	defer query.Close()
	_, err := ask(query, `{"id":5,"k":3}`)
	readsEIO(t, "query", err)
	for _, other := range b.Entries {
		if other != entry {
			name := fmt.Sprintf("segments/%06d-%s.seg", other.ID, rawfile.TypeName(other.Type))
			if err := expectBytes(m.path("rot.rvf", name), b.Bytes[other.Offset:other.Offset+rawfile.HeaderSize+other.Length]); err != nil {
				t.Error(err)
			}
		}
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import numpy").Run(); err == nil {
		for _, how := range []string{"", ", mmap_mode='r'"} {
			load := fmt.Sprintf("import sys, numpy; a = numpy.load(sys.argv[1]%s); print(a.sum())", how)
			if got := try(t, "/usr/bin/python3", "-c", load, m.path("rot.rvf/vectors/vectors.npy")); got.code == 0 {
				t.Errorf("numpy.load(%s) gives %s", how, got.stdout)
			}
		}
	}
}

// TestRotFirst serves a damaged store with everything checked before.
func TestRotFirst(t *testing.T) {
	t.Parallel()
	b, entry, _, inView := rotten()
	m := serve(t, folder(t, map[string][]byte{"rot.rvf": b.Bytes}), "--verify=first")
	open := must(os.Open(m.path("rot.rvf/vectors/vectors.f32")))(t)
	defer open.Close()
	if _, err := open.ReadAt(make([]byte, 4), 0); err != nil {
		t.Errorf("a sound row: %v", err)
	}
	_, err := open.ReadAt(make([]byte, 4), inView)
	readsEIO(t, "the very first read", err)
	becomesDamaged(t, m, "rot.rvf", entry.Offset)
	refusesDamage(t, m, b, entry)
}

// TestRotOfEveryKind damages one segment of each type and looks at every file.
func TestRotOfEveryKind(t *testing.T) {
	t.Parallel()
	rich := richStore(false)
	rich.Segment(0xF7, bytes.Repeat([]byte("vendor"), 50)).Manifest()
	whole := serve(t, folder(t, map[string][]byte{"rot.rvf": rich.Bytes}))
	want := map[string][]byte{}
	views(t, whole.path("rot.rvf"), func(path, relative string, _ fs.FileInfo) {
		if readable(relative) {
			want[relative] = readFile(t, path)
		}
	})
	file := must(rawfile.Parse(rich.Bytes))(t)
	for _, entry := range file.Newest().Directory {
		if entry.Type == rawfile.TypeManifest || entry.Length == 0 {
			continue
		}
		t.Run(fmt.Sprintf("%s@%d", rawfile.TypeName(entry.Type), entry.Offset), func(t *testing.T) {
			t.Parallel()
			content := bytes.Clone(rich.Bytes)
			content[entry.Offset+rawfile.HeaderSize+entry.Length/2] ^= 0x10
			m := serve(t, folder(t, map[string][]byte{"rot.rvf": content}), "--verify=first")
			failed := []string{}
			for name, right := range want {
				got, err := os.ReadFile(m.path("rot.rvf", name))
				switch {
				case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENOENT):
					failed = append(failed, name)
				case err != nil:
					t.Errorf("%s: %v", name, err)
				case name == "witness.jsonl" && bytes.Contains(got, []byte(`"damaged"`)):
				case !bytes.Equal(got, right):
					t.Errorf("%s is shown as %.80q, it was %.80q", name, got, right)
				}
			}
			for _, name := range []string{"raw", fmt.Sprintf("segments/%06d-%s.seg", entry.ID, rawfile.TypeName(entry.Type))} {
				if !slices.Contains(failed, name) {
					t.Errorf("%s can be read; %v cannot", name, failed)
				}
			}
			becomesDamaged(t, m, "rot.rvf", entry.Offset)
			if got := try(t, program, "verify", m.backing("rot.rvf")); got.code != 1 {
				t.Errorf("verify ends with %d: %s", got.code, got.stdout)
			}
		})
	}
}

// readable reports whether a file of a store's folder shows something that stays.
func readable(relative string) bool {
	switch filepath.Base(relative) {
	case "status.json", "append.log", "ctl", "query", "vectors.append", "vectors.delete":
		return false
	}
	return true
}

// TestRotUnderTheMount changes a store that was checked and read already.
func TestRotUnderTheMount(t *testing.T) {
	t.Parallel()
	b := rotStore()
	_, entry, inFile, inView := rotten()
	m := serve(t, folder(t, map[string][]byte{"rot.rvf": b.Bytes}))
	for _, name := range []string{"vectors/vectors.f32", "raw"} {
		readFile(t, m.path("rot.rvf", name))
	}
	eventually(t, "all is checked", func() error {
		status, err := decode[damageView](m.path("rot.rvf/status.json"))
		if err == nil && (status.Unchecked > 0 || status.Checked != status.Segments || status.Verify != "background") {
			err = fmt.Errorf("it says %+v", status)
		}
		return err
	})
	flipBit(t, m.backing("rot.rvf"), inFile)
	eventually(t, "the changed bytes are found", func() error {
		file, err := os.Open(m.path("rot.rvf/vectors/vectors.f32"))
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := file.ReadAt(make([]byte, 4), inView); !errors.Is(err, syscall.EIO) {
			return fmt.Errorf("the row reads as %v", err)
		}
		return nil
	})
	becomesDamaged(t, m, "rot.rvf", entry.Offset)
	refusesDamage(t, m, b, entry)
	flipBit(t, m.backing("rot.rvf"), inFile)
	eventually(t, "the mended store is shown again", func() error {
		return expectBytes(m.path("rot.rvf/raw"), b.Bytes)
	})
}

// TestRotNever shows the bytes as they are, for whoever wants to save what is left,
// and so do the commands when they are told.
func TestRotNever(t *testing.T) {
	t.Parallel()
	b, entry, inFile, inView := rotten()
	m := serve(t, folder(t, map[string][]byte{"rot.rvf": b.Bytes}), "-o", "verify=never")
	if err := expectBytes(m.path("rot.rvf/raw"), b.Bytes); err != nil {
		t.Error(err)
	}
	rows := readFile(t, m.path("rot.rvf/vectors/vectors.f32"))
	if rows[inView] != b.Bytes[inFile] {
		t.Error("the damaged row is not as it stands in the file")
	}
	if status := must(decode[damageView](m.path("rot.rvf/status.json")))(t); status.Verify != "never" || status.Checked != 0 || status.Count != 0 {
		t.Errorf("status.json says %+v", status)
	}
	output := filepath.Join(t.TempDir(), "out.f32")
	vector := "[" + strings.TrimSuffix(strings.Repeat("1,", rotDimension), ",") + "]"
	for _, command := range [][]string{
		{"export", m.backing("rot.rvf"), "-f", "f32", "-o", output}, {"query", m.backing("rot.rvf"), "--vector", vector},
	} {
		got := try(t, program, command...)
		if named := fmt.Sprintf("the vec segment %d at offset %d is damaged", entry.ID, entry.Offset); got.code == 0 || !strings.Contains(got.stderr, named) {
			t.Errorf("%s ends with %d: %s", command[0], got.code, got.stderr)
		}
		if _, err := os.Stat(output); err == nil && command[0] == "export" {
			t.Error("a failed export leaves a file")
		}
		if got := try(t, program, append(command, "--verify=never")...); got.code != 0 {
			t.Errorf("%s --verify=never ends with %d: %s", command[0], got.code, got.stderr)
		}
	}
	if got := readFile(t, output); !bytes.Equal(got, rows) {
		t.Error("what export --verify=never writes is not what the mount shows")
	}
}

// TestZeroHashesAreCounted: a segment without a hash is neither right nor wrong.
func TestZeroHashesAreCounted(t *testing.T) {
	t.Parallel()
	b := rotStore()
	clear(b.Bytes[b.Entries[0].Offset+0x28:][:16])
	binary.LittleEndian.PutUint32(b.Bytes[b.Entries[0].Offset+rawfile.HeaderSize+6+8:], 0)
	m := serve(t, folder(t, map[string][]byte{"rot.rvf": b.Bytes}), "--verify=first")
	if err := expectBytes(m.path("rot.rvf/raw"), b.Bytes); err != nil {
		t.Error(err)
	}
	if status := must(decode[damageView](m.path("rot.rvf/status.json")))(t); status.Unhashed != 1 || status.Count != 0 || status.Checked != status.Segments-1 {
		t.Errorf("status.json says %+v", status)
	}
}

package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// bytesOf reads a whole view.
func bytesOf(t testing.TB, view state.View) []byte {
	t.Helper()
	reader := must(view.Open(t.Context()))(t)
	defer reader.Close()
	return must(io.ReadAll(io.NewSectionReader(state.ReaderAt(context.Background(), reader), 0, view.Size())))(t)
}

// TestPeerExtractsWhatWeEmbed lets the reference runtime hand out each kind of image
// in each layout.
func TestPeerExtractsWhatWeEmbed(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	image, cmdline, types := bytes.Repeat([]byte("image "), 999), "console=ttyS0", []byte("\x9f\xeb\x01types")
	binding := segments.KernelBinding{ManifestRootHash: lineage.Hash{1}, PolicyHash: lineage.Hash{2}, Version: 1}
	encoded := binding.Encode()
	kernel := segments.KernelHeader{Architecture: segments.KernelAArch64, Type: segments.KernelTestStub, Port: 8080, Flags: segments.KernelQueryAPI}
	for _, test := range []struct {
		name         string
		bound, btf   bool
		wantedKernel []byte
	}{
		{"plain, without BTF", false, false, slices.Concat(image, []byte(cmdline))},
		{"bound, with BTF", true, true, slices.Concat(encoded[:], []byte(cmdline), image)},
	} {
		path := filepath.Join(t.TempDir(), "a.rvf")
		rawfile.NewBuilder(test.name, 4).Write(t, path)
		program := slices.Concat(image, []byte("program"))
		wantedProgram := program
		withEngine(t, path, func(limit context.Context, s *store.Store) error {
			config := compute.KernelConfig{Header: kernel, Cmdline: cmdline}
			_, err := s.EmbedKernel(limit, bytes.NewReader(image), int64(len(image)), config)
			if test.bound {
				_, err = s.EmbedKernelWithBinding(limit, bytes.NewReader(image), int64(len(image)), config, binding)
			}
			var btf []byte
			if test.btf {
				btf = types
				wantedProgram = slices.Concat(program, btf)
			}
			header := segments.EBPFHeader{ProgramType: segments.EBPFTCFilter, AttachType: segments.EBPFAttachTCEgress}
			_, other := s.EmbedEBPF(limit, bytes.NewReader(program), int64(len(program)), btf, compute.EBPFConfig{Header: header})
			return errors.Join(err, other)
		})
		opened := must(process.Open(path))(t)
		gotKernel, gotProgram := must(opened.ExtractKernel())(t), must(opened.ExtractEBPF())(t)
		if gotKernel == nil || !bytes.Equal(gotKernel.Bytes, test.wantedKernel) {
			t.Errorf("%s: another kernel than was embedded", test.name)
		} else if header, err := segments.ParseKernelHeader(gotKernel.Header); err != nil || header.Architecture != kernel.Architecture ||
			header.Type != kernel.Type || header.Port != 8080 || header.ImageHash != lineage.Hash(sha3.SumSHAKE256(image, lineage.HashSize)) {
			t.Errorf("%s: header %+v, %v", test.name, header, err)
		}
		if gotProgram == nil || !bytes.Equal(gotProgram.Bytes, wantedProgram) {
			t.Errorf("%s: another program than was embedded", test.name)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWeExtractWhatThePeerEmbeds is the other way round, and through files.
func TestWeExtractWhatThePeerEmbeds(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	for _, btf := range [][]byte{{}, []byte("types of the program")} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.rvf")
		image, program := bytes.Repeat([]byte("theirs "), 777), bytes.Repeat([]byte{0xB7, 0, 0, 0, 1, 0, 0, 0}, 10)
		theirs := must(process.Create(path, 4, "l2"))(t)
		err := errors.Join(
			theirs.EmbedKernel(peer.Kernel{Arch: 2, Type: 0xFE, Flags: 0x11, Image: image, Port: 9000, Cmdline: "a=b"}),
			theirs.EmbedEBPF(peer.EBPF{ProgramType: 2, AttachType: 3, MaxDimension: 4, Program: program, BTF: btf}),
			theirs.Close())
		if err != nil {
			t.Fatal(err)
		}
		withEngine(t, path, func(limit context.Context, s *store.Store) error {
			kernel := must(s.ExtractKernel(limit, segments.KernelRISCV64))(t)
			if got := bytesOf(t, kernel.Image); !bytes.Equal(got, image) || kernel.Integrity != compute.IntegrityFold ||
				kernel.Header.Type != segments.KernelTestStub || kernel.Header.Port != 9000 || string(bytesOf(t, kernel.Cmdline)) != "a=b" {
				t.Errorf("kernel of %d bytes: %+v", len(got), kernel)
			}
			found := must(s.ExtractEBPF(limit, segments.EBPFSocketFilter))(t)
			if got := bytesOf(t, found.Image); !bytes.Equal(got, program) || found.Integrity != compute.IntegrityFold ||
				!bytes.Equal(bytesOf(t, found.BTF), btf) || found.Header.MaxDimension != 4 {
				t.Errorf("program of %d bytes: %+v", len(got), found)
			}
			return nil
		})
		m := serve(t, dir)
		if err := errors.Join(
			expectBytes(m.path("a.rvf", "kernel", "image"), image), expectBytes(m.path("a.rvf", "kernel", "cmdline"), []byte("a=b")),
			expectBytes(m.path("a.rvf", "ebpf", "program.o"), program)); err != nil {
			t.Error(err)
		}
		if shown := slices.Contains(names(t, m.path("a.rvf", "ebpf")), "btf"); shown != (len(btf) > 0) {
			t.Errorf("of %d bytes of types there is a file: %v", len(btf), shown)
		}
		if len(btf) > 0 {
			if err := expectBytes(m.path("a.rvf", "ebpf", "btf"), btf); err != nil {
				t.Error(err)
			}
		}
		header := must(decode[compute.KernelDescription](m.path("a.rvf", "kernel", "header.json")))(t)
		if header.Integrity != "fold" || header.Architecture != "riscv64" || header.Type != "test-stub" || !slices.Equal(header.Flags, []string{"requires_tee", "query_api"}) {
			t.Errorf("header.json: %+v", header)
		}
		// A new command line leaves the image, whose hash is SHAKE-256 from now on.
		shell(t, `printf '%s' 'c=d and more' > "$1"`, m.path("a.rvf", "kernel", "cmdline"))
		header = must(decode[compute.KernelDescription](m.path("a.rvf", "kernel", "header.json")))(t)
		if header.Integrity != "shake256" || header.Type != "test-stub" {
			t.Errorf("header.json of the changed kernel: %+v", header)
		}
		reader := must(process.OpenReadonly(path))(t)
		if got := must(reader.ExtractKernel())(t); got == nil || string(got.Bytes) != string(image)+"c=d and more" {
			t.Error("the peer extracts another kernel")
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		m.stop()
	}
}

// publishedImages are the SHA-256 sums of the images in the published stores that
// hold any.
var publishedImages = map[string]map[string]string{
	"mcp_in_rvf.rvf":    {"kernel/image": publishedKernel, "ebpf/program.o": publishedProgram},
	"sealed_engine.rvf": {"kernel/image": publishedKernel, "ebpf/program.o": publishedProgram},
}

const (
	publishedKernel  = "a4c3775c02b3f3a5fa4f0c842e2a357deb1fb4374d8ee6e40702d24c332e4fc9"
	publishedProgram = "3ac14233c0ab5cc7c48949400328fd7b55ca7e96e4887b2ac9b8e7929bbf6b8d"
)

// TestPublishedKernels compares the images of the published stores with their known
// sums.
func TestPublishedKernels(t *testing.T) {
	t.Parallel()
	published := sharedFolder(t, "examples")
	for name, sums := range publishedImages {
		m := serve(t, folder(t, map[string][]byte{name: readFile(t, filepath.Join(published, name))}))
		for file, want := range sums {
			sum := sha256.Sum256(readFile(t, m.path(name, file)))
			if got := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("%s/%s has the sum %s, want %s", name, file, got, want)
			}
		}
		for _, file := range []string{"kernel/header.json", "ebpf/header.json"} {
			if text := string(readFile(t, m.path(name, file))); !strings.Contains(text, `_integrity": "fold"`) {
				t.Errorf("%s/%s: the hash is not the reference runtime's: %s", name, file, text)
			}
		}
		m.stop()
	}
}

// newImageMount serves one empty store, a.rvf.
func newImageMount(t testing.TB, flags ...string) *mount {
	t.Helper()
	return serve(t, folder(t, map[string][]byte{"a.rvf": rawfile.NewBuilder("images", 4).Bytes}), flags...)
}

// TestImagesThroughFiles writes and reads each part as programs do.
func TestImagesThroughFiles(t *testing.T) {
	t.Parallel()
	m := newImageMount(t)
	at := func(name string) string { return m.path("a.rvf", name) }
	first, second := bytes.Repeat([]byte("first image "), 200_000), bytes.Repeat([]byte("second "), 300_000)
	source := t.TempDir()
	for name, content := range map[string][]byte{"first": first, "second": second} {
		if err := os.WriteFile(filepath.Join(source, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, at("kernel")); len(got) != 0 {
		t.Errorf("an empty store shows %q", got)
	}
	for _, step := range []struct {
		how, script string
		want        []byte
	}{
		{"cp, new", `cp "$2/first" "$1"`, first},
		{"cp, over the old", `cp "$2/second" "$1"`, second},
		{"cat", `cat "$2/first" > "$1"`, first},
		{"several writers in turn", `{ cat "$2/first"; cat "$2/second"; } > "$1"`, slices.Concat(first, second)},
		{"dd", `dd if="$2/second" of="$1" bs=64k conv=fsync status=none`, second},
		{"dd, not cut", `dd if="$2/first" of="$1" bs=1M conv=notrunc status=none`, first},
		{"cp -p", `cp -p "$2/second" "$1"`, second},
		{"tee", `tee "$1" < "$2/first" > /dev/null`, first},
		{"python", `/usr/bin/python3 -c 'import sys; open(sys.argv[1], "wb").write(open(sys.argv[2] + "/second", "rb").read())' "$1" "$2"`, second},
		{"nothing written", `: > "$1"`, second},
	} {
		shell(t, step.script, at("kernel/image"), source)
		if err := expectBytes(at("kernel/image"), step.want); err != nil {
			t.Errorf("%s: %v", step.how, err)
		}
	}
	for _, sh := range []string{"bash", "dash"} {
		run(t, sh, "-c", `printf 'console=ttyS0 from `+sh+`' > "$0"`, at("kernel/cmdline"))
		if err := expectBytes(at("kernel/cmdline"), []byte("console=ttyS0 from "+sh)); err != nil {
			t.Error(err)
		}
	}
	shell(t, `jq '.api_port = 9000 | .vcpu_count = 4 | .flags = ["networking"]' "$1" > "$2/header" && cp "$2/header" "$1"`, at("kernel/header.json"), source)
	header := must(decode[compute.KernelDescription](at("kernel/header.json")))(t)
	if header.Port != 9000 || header.VirtualProcessors != 4 || !slices.Equal(header.Flags, []string{"networking"}) || header.Integrity != "shake256" {
		t.Errorf("header.json: %+v", header)
	}
	shell(t, `cp "$2/first" "$1/ebpf/program.o"; printf types > "$1/ebpf/btf"; printf '\0asm\1\0\0\0' > "$1/wasm/module.wasm"`, m.path("a.rvf"), source)
	if err := errors.Join(expectBytes(at("kernel/image"), second), expectBytes(at("ebpf/program.o"), first), expectBytes(at("ebpf/btf"), []byte("types")),
		expectBytes(at("wasm/module.wasm"), []byte("\x00asm\x01\x00\x00\x00"))); err != nil {
		t.Error(err)
	}
	for script, errno := range map[string]syscall.Errno{
		"kernel/other": syscall.EPERM, "kernel/all": syscall.EPERM, "segments/x": syscall.EPERM, "dashboard/index.html": syscall.EPERM,
	} {
		if err := os.WriteFile(at(script), []byte("x"), 0o600); !errors.Is(err, errno) {
			t.Errorf("%s: %v, want %v", script, err, errno)
		}
	}
	if _, err := os.OpenFile(at("kernel/image"), os.O_WRONLY|os.O_APPEND, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("appending: %v", err)
	}
	if err := os.WriteFile(at("kernel/header.json"), []byte(`{"version": 2}`), 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("another version: %v", err)
	}
	// A compaction between reading and writing back moves the segment.
	shell(t, `cp "$1/kernel/header.json" "$2/before" && echo compact > "$1/ctl" && jq .offset "$1/kernel/header.json" > "$2/moved" &&
		test "$(jq .offset "$2/before")" != "$(cat "$2/moved")" && jq '.api_port = 9001' "$2/before" > "$2/after" && cp "$2/after" "$1/kernel/header.json"`, m.path("a.rvf"), source)
	if header := must(decode[compute.KernelDescription](at("kernel/header.json")))(t); header.Port != 9001 {
		t.Errorf("header.json: %+v", header)
	}
	if err := os.Truncate(at("kernel/image"), 10); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("truncate: %v", err)
	}
	m.stop()
	if verdict := try(t, program, "verify", m.backing("a.rvf")); verdict.code != 0 {
		t.Errorf("verify: %+v", verdict)
	}
	if left := names(t, m.Dir); !slices.Equal(left, []string{"a.rvf"}) {
		t.Errorf("left behind: %q", left)
	}
}

// TestWritersInTurnEmbedOnce lets two programs write one image, of which the first
// closes what it inherited before the second begins.
func TestWritersInTurnEmbedOnce(t *testing.T) {
	t.Parallel()
	m := newImageMount(t)
	shell(t, `{ /bin/echo one; /bin/echo two; } > "$1"`, m.path("a.rvf", "kernel", "image"))
	if err := expectBytes(m.path("a.rvf", "kernel", "image"), []byte("one\ntwo\n")); err != nil {
		t.Error(err)
	}
	m.stop()
	embedded := 0
	for _, segment := range must(rawfile.Read(m.backing("a.rvf")))(t).Segments {
		if segment.Type == rawfile.TypeKernel {
			embedded++
		}
	}
	if embedded != 1 {
		t.Errorf("%d kernels were embedded", embedded)
	}
}

// TestReaderKeepsItsImage maps an image while another takes its place.
func TestReaderKeepsItsImage(t *testing.T) {
	t.Parallel()
	m := newImageMount(t, "--compress-images")
	path := m.path("a.rvf", "kernel", "image")
	first := bytes.Repeat([]byte("a line that compresses well\n"), 50_000)
	if err := os.WriteFile(path, first, 0); err != nil {
		t.Fatal(err)
	}
	if header := must(decode[compute.KernelDescription](m.path("a.rvf", "kernel", "header.json")))(t); header.Compression != "zstd" || int(header.ImageSize) != len(first) ||
		header.CompressedSize > header.ImageSize/10 {
		t.Errorf("header.json: %+v", header)
	}
	if info := must(os.Stat(path))(t); info.Size() != int64(len(first)) {
		t.Errorf("stat tells %d bytes of %d", info.Size(), len(first))
	}
	reader := must(os.Open(path))(t)
	defer reader.Close()
	mapped := must(unix.Mmap(int(reader.Fd()), 0, len(first), unix.PROT_READ, unix.MAP_SHARED))(t)
	defer unix.Munmap(mapped)
	part := make([]byte, 1000)
	if n, err := reader.ReadAt(part, 777_777); err != nil || !bytes.Equal(part[:n], first[777_777:778_777]) {
		t.Errorf("in the middle: %v", err)
	}
	if err := os.WriteFile(path, []byte("another"), 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mapped, first) {
		t.Error("the mapped image changed")
	}
	if err := expectBytes(path, []byte("another")); err != nil {
		t.Error(err)
	}
}

// TestKilledWriterEmbedsNothing kills a writer in the middle of an image.
func TestKilledWriterEmbedsNothing(t *testing.T) {
	t.Parallel()
	m := newImageMount(t)
	path := m.path("a.rvf", "kernel", "image")
	if err := os.WriteFile(path, image, 0); err != nil {
		t.Fatal(err)
	}
	writer := exec.Command("/usr/bin/python3", "-c", `
import os, sys, time
target = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
os.write(target, bytes(3000000))
os.write(2, b"there\n")
time.sleep(60)
`, path)
	errorsOf := must(writer.StderrPipe())(t)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(errorsOf, make([]byte, len("there\n"))); err != nil {
		t.Fatal(err)
	}
	writer.Process.Kill()
	writer.Wait()
	eventually(t, "the mount tells of the writer's end", func() error {
		if !strings.Contains(m.log(), "close kernel/image") {
			return errors.New("nothing is said of it")
		}
		return nil
	})
	if err := expectBytes(path, image); err != nil {
		t.Error(err)
	}
	m.stop()
	if file := must(rawfile.Read(m.backing("a.rvf")))(t); file.Newest().Epoch != 1 {
		t.Errorf("epoch %d", file.Newest().Epoch)
	}
}

// TestStrictHashes shows an image with a wrong hash, and says so, or does not.
func TestStrictHashes(t *testing.T) {
	t.Parallel()
	damaged := rawfile.NewBuilder("strict", 4).Kernel(image, "x", false)
	damaged.Bytes[len(damaged.Bytes)-100] ^= 1
	segment := damaged.Entries[0]
	payload := bytes.Clone(damaged.Bytes[segment.Offset+64:])
	whole := rawfile.NewBuilder("strict", 4).Segment(rawfile.TypeKernel, payload).Manifest()
	dir := folder(t, map[string][]byte{"a.rvf": whole.Bytes})
	lenient, strict := serve(t, dir), serve(t, dir, "--strict-hashes")
	if got := readFile(t, lenient.path("a.rvf", "kernel", "image")); len(got) != len(image) {
		t.Errorf("%d bytes", len(got))
	}
	for _, m := range []*mount{lenient, strict} {
		if header := must(decode[compute.KernelDescription](m.path("a.rvf", "kernel", "header.json")))(t); header.Integrity != "mismatch" {
			t.Errorf("header.json: %+v", header)
		}
	}
	if _, err := os.ReadFile(strict.path("a.rvf", "kernel", "image")); !errors.Is(err, syscall.EIO) {
		t.Errorf("strict: %v", err)
	}
	if got := try(t, program, "verify", filepath.Join(dir, "a.rvf")); got.code != 1 || !strings.Contains(got.stdout, "hash is that of another image") {
		t.Errorf("verify: %+v", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	if got := try(t, program, "extract-kernel", "--strict-hashes", filepath.Join(dir, "a.rvf"), out); got.code != 1 {
		t.Errorf("extract-kernel, strict: %+v", got)
	}
	if got := try(t, program, "extract-kernel", filepath.Join(dir, "a.rvf"), out); got.code != 0 || !strings.Contains(got.stderr, "warning") {
		t.Errorf("extract-kernel: %+v", got)
	}
}

// TestImageCommands embeds and extracts with the commands.
func TestImageCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	rawfile.NewBuilder("commands", 4).Write(t, at("a.rvf"))
	for name, content := range map[string]string{"kernel": string(image), "program": "program", "types": "types", "module": "\x00asm\x01\x00\x00\x00", "site/index.html": "<html>", "site/js/a.js": "run()"} {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told := run(t, program, "embed-kernel", "--json", "--bind", "--compress", "--arch", "aarch64", "--type", "test-stub", "--cmdline", "quiet", at("a.rvf"), at("kernel"))
	for _, word := range []string{`"aarch64"`, `"test-stub"`, `"bound"`, `"zstd"`, `"shake256"`} {
		if !strings.Contains(told, word) {
			t.Errorf("embed-kernel does not tell %s: %s", word, told)
		}
	}
	run(t, program, "embed-ebpf", "--btf", at("types"), "--type", "kprobe", at("a.rvf"), at("program"))
	run(t, program, "embed-wasm", "--role", "microkernel", at("a.rvf"), at("module"))
	run(t, program, "embed-dashboard", "--entry", "index.html", at("a.rvf"), at("site"))
	run(t, program, "extract-kernel", "--arch", "aarch64", "--cmdline", at("cmdline"), at("a.rvf"), at("kernel.out"))
	run(t, program, "extract-ebpf", "--type", "kprobe", "--btf", at("types.out"), at("a.rvf"), at("program.out"))
	run(t, program, "extract-wasm", "--role", "microkernel", at("a.rvf"), at("module.out"))
	run(t, program, "extract-dashboard", at("a.rvf"), at("site.out"))
	for _, name := range []string{"kernel", "program", "types", "module"} {
		if err := expectBytes(at(name+".out"), readFile(t, at(name))); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(expectBytes(at("cmdline"), []byte("quiet")), expectBytes(at("site.out/js/a.js"), []byte("run()"))); err != nil {
		t.Error(err)
	}
	if got := run(t, program, "extract-kernel", at("a.rvf"), "-"); got != string(image) {
		t.Errorf("extract-kernel to the standard output gives %d bytes", len(got))
	}
	for _, arguments := range [][]string{{"extract-kernel", "--arch", "x86_64"}, {"extract-ebpf", "--type", "tracepoint"}, {"extract-wasm", "--role", "combined"}} {
		if got := try(t, program, append(arguments, at("a.rvf"), at("none"))...); got.code != 1 {
			t.Errorf("%q of what is not there: %+v", arguments, got)
		}
	}
	if got := try(t, program, "verify", at("a.rvf")); got.code != 0 {
		t.Errorf("verify: %+v", got)
	}
}

// TestCompiledEBPF compiles a small program and checks what its header says.
func TestCompiledEBPF(t *testing.T) {
	t.Parallel()
	demandProgram(t, "clang")
	m := newImageMount(t)
	object := filepath.Join(t.TempDir(), "prog.o")
	source := `
struct { int (*type)[1]; int *key; int *value; int (*max_entries)[8]; } hits __attribute__((section(".maps"), used));
__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; }
char _license[] __attribute__((section("license"), used)) = "GPL";
`
	shell(t, `printf '%s' "$1" | clang -O2 -g -target bpf -x c -c - -o "$2" && cp "$2" "$3"`, source, object, m.path("a.rvf", "ebpf", "program.o"))
	header := must(decode[compute.EBPFDescription](m.path("a.rvf", "ebpf", "header.json")))(t)
	if header.ProgramType != "xdp-distance" || header.AttachType != "xdp-ingress" || header.InstructionCount != 2 || header.MapCount != 1 ||
		header.MaxDimension != 4 || header.Integrity != "shake256" {
		t.Errorf("header.json: %+v", header)
	}
	if err := expectBytes(m.path("a.rvf", "ebpf", "program.o"), readFile(t, object)); err != nil {
		t.Error(err)
	}
}

// debianKernel is where scripts/dependencies.sh puts a kernel image of Debian's.
const debianKernel = "testdata/debian-kernel/vmlinuz"

// TestDebianKernel takes a real kernel there and back with cp, stored as it is and
// compressed.
func TestDebianKernel(t *testing.T) {
	t.Parallel()
	_, err := os.Stat(debianKernel)
	demand(t, "a kernel image of Debian's", err)
	for _, flags := range [][]string{nil, {"--compress-images"}} {
		m := newImageMount(t, flags...)
		out := filepath.Join(t.TempDir(), "out")
		shell(t, `cp "$1" "$2" && cp "$2" "$3" && cmp "$1" "$3"`, debianKernel, m.path("a.rvf", "kernel", "image"), out)
		header := must(decode[compute.KernelDescription](m.path("a.rvf", "kernel", "header.json")))(t)
		if header.Architecture != "x86_64" || header.Type != "micro-linux" || header.Integrity != "shake256" || !slices.Contains(header.Flags, "relocatable") {
			t.Errorf("%q: header.json: %+v", flags, header)
		}
		m.stop()
	}
}

// TestUnknownSegmentsStay embeds, merges, compacts and derives around segments that
// nobody knows, also ones behind the newest manifest.
func TestUnknownSegmentsStay(t *testing.T) {
	t.Parallel()
	builder := rawfile.NewBuilder("unknown", 4).Segment(0xF1, []byte("vendor")).Segment(0xF2, []byte("their list")).Manifest()
	builder.Orphan(0x99, []byte("behind the manifest"))
	builder.Orphan(0x31, []byte("policy kernel"))
	builder.Orphan(0xF1, []byte("their state"))
	m := serve(t, folder(t, map[string][]byte{"a.rvf": builder.Bytes}))
	kept := func(when string) {
		t.Helper()
		for _, want := range []string{"vendor", "their list", "behind the manifest", "policy kernel", "their state"} {
			found := 0
			for _, name := range names(t, m.path("a.rvf", "segments")) {
				if content := readFile(t, m.path("a.rvf", "segments", name)); string(content[64:]) == want {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: %q is there %d times", when, want, found)
			}
		}
	}
	kept("at first")
	if err := os.WriteFile(m.path("a.rvf", "kernel", "image"), image, 0); err != nil {
		t.Fatal(err)
	}
	kept("after a kernel")
	for i := range 40 {
		if err := os.WriteFile(m.path("a.rvf", "vectors.append"), fmt.Appendf(nil, "[1,2,3,%d]\n", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	kept("after a merge")
	if err := os.Mkdir(m.path("a.rvf", "child.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	shell(t, `echo compact > "$1"`, m.path("a.rvf", "ctl"))
	kept("after a compaction")
	m.stop()
	verdict := run(t, program, "verify", m.backing("a.rvf"))
	for _, word := range []string{"vendor type 0xf1", "unknown type 0x99"} {
		if !strings.Contains(verdict, word) {
			t.Errorf("verify does not tell of the %s: %s", word, verdict)
		}
	}
}

// TestRefusedImagesTellWhy: what is no image says so where its writer can look, in the words of
// the command.
func TestRefusedImagesTellWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, says string }{
		"wasm/module.wasm":   {"\x7fELF no module at all", "bad input: "},
		"kernel/header.json": {"xx\n", "bad input: there is no "},
		"ebpf/btf":           {"root:x:0:0\n", "bad input: there is no "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := smallStore(t)
			wantRefusal(t, try(t, "cp", writeFile(t, filepath.Join(t.TempDir(), "file"), []byte(test.content)), m.path("store.rvf", name)), syscall.EINVAL)
			var status struct {
				LastError string `json:"last_error"`
			}
			if err := json.Unmarshal(readFile(t, m.path("store.rvf", "status.json")), &status); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(status.LastError, test.says) || status.LastError == "bad input" {
				t.Errorf("status.json says %q", status.LastError)
			}
			if log := string(readFile(t, m.path(".rvffs", "log"))); !strings.Contains(log, test.says) || strings.Contains(log, `"cause":"bad input"`) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

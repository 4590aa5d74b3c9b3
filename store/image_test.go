package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// file is the content of one file of a folder, nil if there is none.
func file(t *testing.T, s *Store, kind segments.Type, name string) []byte {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	views, err := viewsOf(snapshot, kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, named := range views {
		if named.Name == name {
			content, err := state.ViewContent(t.Context(), named.View)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return content
		}
	}
	return nil
}

// write puts content into a part, in pieces, as a program does that closes its file.
func write(t *testing.T, s *Store, part compute.Part, content []byte) error {
	t.Helper()
	ctx := context.Background()
	stream, err := s.OpenEmbed(ctx, part, compute.EmbedOptions{})
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(content, 40_000) {
		if _, err = stream.Write(ctx, piece); err != nil {
			break
		}
	}
	if err == nil {
		err = stream.Flush(ctx)
	}
	return errors.Join(err, stream.Close(ctx))
}

func embedKernel(t *testing.T, s *Store, image []byte, config compute.KernelConfig) {
	t.Helper()
	if _, err := s.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), config); err != nil {
		t.Fatal(err)
	}
}

// noise is bytes that no method compresses.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return content
}

func TestKernelsOfSeveralArchitectures(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	of := func(a segments.KernelArchitecture) compute.KernelConfig {
		return compute.KernelConfig{Header: segments.KernelHeader{Architecture: a}, Cmdline: a.String()}
	}
	embedKernel(t, s, []byte("intel"), of(segments.KernelX86_64))
	embedKernel(t, s, []byte("arm"), of(segments.KernelAArch64))
	embedKernel(t, s, []byte("risc"), of(segments.KernelRISCV64))
	embedKernel(t, s, []byte("new arm"), of(segments.KernelAArch64))
	embedKernel(t, s, []byte("new intel"), of(segments.KernelX86_64))
	check := func(when string) {
		t.Helper()
		for arch, want := range map[segments.KernelArchitecture]string{
			segments.KernelX86_64: "new intel", segments.KernelAArch64: "new arm", segments.KernelRISCV64: "risc",
		} {
			kernel, err := s.ExtractKernel(ctx, arch)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			image, err := state.ViewContent(ctx, kernel.Image)
			if err != nil || string(image) != want || kernel.Integrity != compute.IntegritySHAKE256 {
				t.Errorf("%s: %s is %q (%v), its hash %s", when, arch, image, err, kernel.Integrity)
			}
			folder := fmt.Sprintf("all/%06d-%s/", kernel.Entry.SegmentID, arch)
			if got := file(t, s, segments.TypeKernel, folder+"image"); string(got) != want {
				t.Errorf("%s: %simage is %q", when, folder, got)
			}
			if got := file(t, s, segments.TypeKernel, folder+"cmdline"); string(got) != arch.String() {
				t.Errorf("%s: %scmdline is %q", when, folder, got)
			}
		}
		if first, err := s.ExtractKernel(ctx); err != nil || first.Header.Architecture != segments.KernelX86_64 {
			t.Errorf("%s: the first kernel is %+v, %v", when, first, err)
		}
	}
	check("embedded")
	if _, err := s.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	check("compacted")
	if _, err := s.ExtractKernel(ctx, segments.KernelUniversal); !errors.Is(err, volume.ErrNotFound) {
		t.Errorf("a kernel that is not there: %v", err)
	}
}

func TestKernelWithBinding(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	binding := segments.KernelBinding{ManifestRootHash: lineage.Hash{1}, PolicyHash: lineage.Hash{2}, Version: 1, MinimumRuntimeVersion: 3, AllowedSegments: 4}
	config := compute.KernelConfig{Header: segments.KernelHeader{Type: segments.KernelTestStub, Port: 8080}, Cmdline: "quiet"}
	image := noise(100_000)
	if _, err := s.EmbedKernelWithBinding(ctx, bytes.NewReader(image), int64(len(image)), config, binding); err != nil {
		t.Fatal(err)
	}
	for _, cmdline := range []string{"quiet", "loud and longer"} {
		kernel, err := s.ExtractKernel(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got, err := state.ViewContent(ctx, kernel.Image)
		if err != nil || !bytes.Equal(got, image) || kernel.Binding == nil || *kernel.Binding != binding || kernel.Header.Type != segments.KernelTestStub {
			t.Errorf("%+v, image of %d bytes, %v", kernel, len(got), err)
		}
		if got := file(t, s, segments.TypeKernel, "cmdline"); string(got) != cmdline {
			t.Errorf("command line %q, want %q", got, cmdline)
		}
		if err := write(t, s, compute.PartKernelCmdline, []byte("loud and longer")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPartsOfAKernel(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, part := range []compute.Part{compute.PartKernelCmdline, compute.PartKernelHeader, compute.PartEBPFTypes, compute.PartEBPFHeader, compute.PartWASMHeader} {
		if err := write(t, s, part, []byte("{}")); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s of nothing: %v", part, err)
		}
	}
	image := noise(200_000)
	for _, step := range []struct {
		part    compute.Part
		content []byte
	}{{compute.PartKernelImage, image}, {compute.PartKernelCmdline, []byte("console=ttyS0")}, {compute.PartKernelHeader, []byte(`{"api_port": 9000, "flags": ["query_api", "signed"], "min_memory_mib": 64, "vcpu_count": 2, "build_id": "c0ffee"}`)}} {
		if err := write(t, s, step.part, step.content); err != nil {
			t.Fatalf("%s: %v", step.part, err)
		}
	}
	var header compute.KernelDescription
	read := func() {
		t.Helper()
		if err := json.Unmarshal(file(t, s, segments.TypeKernel, "header.json"), &header); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if header.Port != 9000 || header.MinimumMemory != 64 || header.VirtualProcessors != 2 || !strings.HasPrefix(header.BuildID, "c0ffee0000") ||
		!slices.Equal(header.Flags, []string{"query_api", "signed"}) || header.Integrity != "shake256" {
		t.Errorf("header %+v", header)
	}
	if got := file(t, s, segments.TypeKernel, "image"); !bytes.Equal(got, image) {
		t.Errorf("the image of %d bytes is another one now", len(got))
	}
	// The document as it stands can be written back; other fields cannot be changed.
	if err := write(t, s, compute.PartKernelHeader, file(t, s, segments.TypeKernel, "header.json")); err != nil {
		t.Errorf("as it stands: %v", err)
	}
	for _, bad := range []string{"", "[]", `{"api_port": 70000}`, `{"api_port": "x"}`, `{"flags": ["fast"]}`, `{"flags": ["compressed"]}`, `{"version": 2}`, `{"binding": {}}`, `{"speed": 1}`, `{"build_id": "xyz"}`, `{"arch": "z80"}`} {
		if err := write(t, s, compute.PartKernelHeader, []byte(bad)); bad != "" && !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// A new image has the settings of the old, but for what was about the old.
	if err := write(t, s, compute.PartKernelImage, noise(1000)); err != nil {
		t.Fatal(err)
	}
	read()
	if header.Port != 9000 || !slices.Equal(header.Flags, []string{"query_api"}) || header.BuildID != strings.Repeat("0", 32) || header.CmdlineLength != 13 {
		t.Errorf("header after the new image: %+v", header)
	}
	if kernels := s.Current().OfType(segments.TypeKernel); len(kernels) != 1 {
		t.Errorf("%d kernels", len(kernels))
	}
}

// TestHeadersAreWrittenBackAfterACompaction: between reading and writing back, the
// segment may move, and its image may be another one.
func TestHeadersAreWrittenBackAfterACompaction(t *testing.T) {
	t.Parallel()
	module := []byte("\x00asm\x01\x00\x00\x00")
	for _, kind := range []struct {
		kind          segments.Type
		image, header compute.Part
		first, second []byte
		change        [2]string
	}{
		{segments.TypeKernel, compute.PartKernelImage, compute.PartKernelHeader, noise(5000), noise(300), [2]string{`"api_port": 0`, `"api_port": 9000`}},
		{segments.TypeEBPF, compute.PartEBPFProgram, compute.PartEBPFHeader, noise(5000), noise(300), [2]string{`"map_count": 0`, `"map_count": 7`}},
		{segments.TypeWASM, compute.PartWASMModule, compute.PartWASMHeader, append(module, 0, 2, 1, 'x'), module, [2]string{`"interpreter_type": 0`, `"interpreter_type": 7`}},
	} {
		t.Run(string(kind.header), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			bring(t, s, []uint64{1, 2, 3}, 1, 1, 2, 2, 3, 3)
			if err := write(t, s, kind.image, kind.first); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Delete(context.Background(), []uint64{1, 2}); err != nil {
				t.Fatal(err)
			}
			read := file(t, s, kind.kind, "header.json")
			before := s.Current().OfType(kind.kind)[0].Offset
			if _, err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
			if after := s.Current().OfType(kind.kind)[0].Offset; after == before {
				t.Fatal("the compaction moved nothing")
			}
			changed := bytes.Replace(read, []byte(kind.change[0]), []byte(kind.change[1]), 1)
			if bytes.Equal(changed, read) {
				t.Fatalf("there is no %s in %s", kind.change[0], read)
			}
			if err := write(t, s, kind.header, changed); err != nil {
				t.Errorf("after a compaction: %v", err)
			}
			if now := file(t, s, kind.kind, "header.json"); !bytes.Contains(now, []byte(kind.change[1])) {
				t.Errorf("the change is not there: %s", now)
			}
			if err := write(t, s, kind.image, kind.second); err != nil {
				t.Fatal(err)
			}
			if err := write(t, s, kind.header, changed); err != nil {
				t.Errorf("after another image: %v", err)
			}
		})
	}
}

func TestUnfinishedImageLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Create(filepath.Join(dir, "a.rvf"), CreateOptions{Dimension: 2}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	for name, end := range map[string]func(*compute.EmbedStream) error{
		"killed":         func(e *compute.EmbedStream) error { return e.Abandon(ctx) },
		"never closed":   func(e *compute.EmbedStream) error { return nil },
		"over the limit": func(e *compute.EmbedStream) error { _, err := e.Write(ctx, make([]byte, segments.MaxWASM)); return err },
	} {
		stream, err := s.OpenEmbed(ctx, compute.PartWASMModule, compute.EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Write(ctx, noise(100_000)); err != nil {
			t.Fatal(err)
		}
		if err := end(stream); name == "over the limit" && !errors.Is(err, volume.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		_ = stream.Close(ctx)
	}
	if s.Current().Epoch() != 0 || len(s.Current().OfType(segments.TypeWASM)) > 0 {
		t.Error("something was embedded")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCompressedWhereItPays(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	text := bytes.Repeat([]byte("the same line again and again\n"), 20_000)
	embedKernel(t, s, text, compute.KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelX86_64}, Compress: true, Cmdline: "a"})
	embedKernel(t, s, noise(100_000), compute.KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelAArch64}, Compress: true})
	for _, want := range []struct {
		arch    segments.KernelArchitecture
		method  segments.Compression
		content []byte
	}{{segments.KernelX86_64, segments.CompressionZstd, text}, {segments.KernelAArch64, segments.CompressionNone, noise(100_000)}} {
		kernel, err := s.ExtractKernel(ctx, want.arch)
		if err != nil {
			t.Fatal(err)
		}
		got, err := state.ViewContent(ctx, kernel.Image)
		if err != nil || !bytes.Equal(got, want.content) || kernel.Header.Compression != want.method ||
			kernel.Header.Flags&segments.KernelCompressed != 0 != (want.method == segments.CompressionZstd) || kernel.Integrity != compute.IntegritySHAKE256 {
			t.Errorf("%s: %d bytes (%v), header %+v, hash %s", want.arch, len(got), err, kernel.Header, kernel.Integrity)
		}
		if kernel.Header.ImageHash != lineage.Shake256(want.content) {
			t.Errorf("%s: the hash is not that of the uncompressed image", want.arch)
		}
	}
	// A change of the first kernel leaves its image compressed as it is.
	if err := write(t, s, compute.PartKernelCmdline, []byte("b")); err != nil {
		t.Fatal(err)
	}
	kernel, err := s.ExtractKernel(ctx)
	if err != nil || kernel.Header.Compression != segments.CompressionZstd || kernel.Integrity != compute.IntegritySHAKE256 {
		t.Errorf("%+v, %v", kernel, err)
	}
	reader, err := kernel.Image.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	part := make([]byte, 100)
	if n, err := reader.ReadContext(context.Background(), part, 300_007); n != 100 || !bytes.Equal(part, text[300_007:300_107]) {
		t.Errorf("in the middle: %q, %v", part[:n], err)
	}
}

func TestOtherImages(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := context.Background()
	program, types := noise(5000), noise(70_000)
	if err := write(t, s, compute.PartEBPFProgram, program); err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, compute.PartEBPFTypes, types); err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, compute.PartEBPFHeader, []byte(`{"program_type": "kprobe", "max_dimension": 7}`)); err != nil {
		t.Fatal(err)
	}
	found, err := s.ExtractEBPF(ctx, segments.EBPFKprobe)
	if err != nil {
		t.Fatal(err)
	}
	if btf, err := state.ViewContent(ctx, found.BTF); err != nil || !bytes.Equal(btf, types) || found.Header.MaxDimension != 7 || found.Integrity != compute.IntegritySHAKE256 {
		t.Errorf("%+v, BTF of %d bytes, %v", found, len(btf), err)
	}
	if got := file(t, s, segments.TypeEBPF, "program.o"); !bytes.Equal(got, program) {
		t.Errorf("program of %d bytes", len(got))
	}

	for i, priority := range []uint8{7, 3, 5} {
		module := []byte("\x00asm\x01\x00\x00\x00" + fmt.Sprint(priority))
		header := segments.WASMHeader{Role: segments.WASMRole(i), BootstrapPriority: priority}
		if _, err := s.EmbedWASM(ctx, bytes.NewReader(module), int64(len(module)), compute.WASMConfig{Header: header}); err != nil {
			t.Fatal(err)
		}
	}
	modules, err := s.ExtractWASM(ctx)
	if err != nil || len(modules) != 3 || modules[0].Header.BootstrapPriority != 3 || modules[2].Header.BootstrapPriority != 7 {
		t.Errorf("modules %v, %v", modules, err)
	}
	if got := file(t, s, segments.TypeWASM, "module.wasm"); !bytes.HasSuffix(got, []byte("3")) {
		t.Errorf("the first module is %q", got)
	}

	files := []compute.DashboardFile{
		{Path: "index.html", Content: strings.NewReader("<html>"), Size: 6},
		{Path: "js/app.js", Content: strings.NewReader("run()"), Size: 5}, {Path: "empty", Content: strings.NewReader("")},
	}
	if _, err := s.EmbedDashboard(ctx, files, compute.DashboardConfig{EntryPath: "index.html", Framework: segments.DashboardReact}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"index.html": "<html>", "js/app.js": "run()", "empty": ""} {
		if got := file(t, s, segments.TypeDashboard, name); got == nil || string(got) != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	dashboard, err := s.ExtractDashboard(ctx)
	if err != nil || dashboard.EntryPath != "index.html" || dashboard.Integrity != compute.IntegritySHAKE256 || len(dashboard.Files) != 3 {
		t.Errorf("%+v, %v", dashboard, err)
	}
	for _, bad := range []string{"/a", "../a", "a/", "", "index.html", "js"} {
		if _, err := s.EmbedDashboard(ctx, append(files[:2:2], compute.DashboardFile{Path: bad, Content: strings.NewReader("")}), compute.DashboardConfig{}); !errors.Is(err, volume.ErrInput) {
			t.Errorf("path %q: %v", bad, err)
		}
	}
}

func TestDamagedImageIsNotBlessed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	name := s.Path()
	embedKernel(t, s, noise(5000), compute.KernelConfig{})
	entry := s.Current().OfType(segments.TypeKernel)[0]
	damaged, err := s.location().Files.Open(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := damaged.WriteAt([]byte("damage"), entry.Offset+segments.HeaderSize+segments.KernelHeaderSize+100); err != nil {
		t.Fatal(err)
	}
	if err := damaged.Close(); err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, compute.PartKernelCmdline, []byte("x")); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("a damaged image was embedded anew: %v", err)
	}
	kernel, err := s.ExtractKernel(context.Background())
	if err != nil || kernel.Integrity != compute.IntegrityMismatch {
		t.Errorf("%+v, %v", kernel, err)
	}
	var strict compute.CheckedView = kernel.Image.(compute.CheckedView)
	if err := strict.Check(context.Background()); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("strict: %v", err)
	}
	if err := write(t, s, compute.PartKernelImage, []byte("a whole one")); err != nil {
		t.Errorf("a damaged image cannot be replaced: %v", err)
	}
}

func TestConcurrentPartsOfAKernel(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	embedKernel(t, s, noise(1000), compute.KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelUnknown, Type: segments.KernelCustom}})
	const rounds = 8
	problems := make(chan error)
	newest := noise(90_000)
	go func() {
		var err error
		for range rounds {
			err = errors.Join(err, write(t, s, compute.PartKernelImage, newest))
		}
		problems <- err
	}()
	go func() {
		var err error
		for range rounds {
			err = errors.Join(err, write(t, s, compute.PartKernelCmdline, []byte("console")))
		}
		problems <- err
	}()
	if err := errors.Join(<-problems, <-problems); err != nil {
		t.Error(err)
	}
	if image := file(t, s, segments.TypeKernel, "image"); !bytes.Equal(image, newest) {
		t.Errorf("the image has %d bytes: a command line brought the old one back", len(image))
	}
	if cmdline := file(t, s, segments.TypeKernel, "cmdline"); string(cmdline) != "console" {
		t.Errorf("the command line is %q: an image brought the old one back", cmdline)
	}
	if kernels := s.Current().OfType(segments.TypeKernel); len(kernels) != 1 {
		t.Errorf("%d kernels", len(kernels))
	}
}

func TestConcurrentKernelsOfOneArchitecture(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const writers, rounds = 8, 5
	problems := make(chan error)
	for range writers {
		go func() {
			var err error
			for range rounds {
				_, one := s.EmbedKernel(context.Background(), strings.NewReader("image"), 5, compute.KernelConfig{})
				err = errors.Join(err, one)
			}
			problems <- err
		}()
	}
	for range writers {
		if err := <-problems; err != nil {
			t.Error(err)
		}
	}
	if kernels := s.Current().OfType(segments.TypeKernel); len(kernels) != 1 {
		t.Errorf("%d kernels of one architecture", len(kernels))
	}
}

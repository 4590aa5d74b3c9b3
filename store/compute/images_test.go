package compute

import (
	"bytes"
	"context"
	"crypto/sha3"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// file is the content of one file of a folder, nil if there is none.
func file(t *testing.T, s *loneImages, kind *Kind, name string) []byte {
	t.Helper()
	tree, err := kind.Files(t.Context(), s.Current())
	if err != nil {
		t.Fatal(err)
	}
	for _, named := range tree.Files {
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

func embedKernel(t *testing.T, s *loneImages, image []byte, config KernelConfig) {
	t.Helper()
	if _, err := s.EmbedKernel(t.Context(), bytes.NewReader(image), int64(len(image)), config); err != nil {
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

func TestKernelWithBinding(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	ctx := context.Background()
	binding := segments.KernelBinding{ManifestRootHash: lineage.Hash{1}, PolicyHash: lineage.Hash{2}, Version: 1, MinimumRuntimeVersion: 3, AllowedSegments: 4}
	config := KernelConfig{Header: segments.KernelHeader{Type: segments.KernelTestStub, Port: 8080}, Cmdline: "quiet"}
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
		if got := file(t, s, kernels, "cmdline"); string(got) != cmdline {
			t.Errorf("command line %q, want %q", got, cmdline)
		}
		if err := put(t, s, PartKernelCmdline, []byte("loud and longer")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPartsOfAKernel(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	for _, part := range []Part{PartKernelCmdline, PartKernelHeader, PartEBPFTypes, PartEBPFHeader, PartWASMHeader} {
		if err := put(t, s, part, []byte("{}")); !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s of nothing: %v", part, err)
		}
	}
	image := noise(200_000)
	for _, step := range []struct {
		part    Part
		content []byte
	}{{PartKernelImage, image}, {PartKernelCmdline, []byte("console=ttyS0")}, {PartKernelHeader, []byte(`{"api_port": 9000, "flags": ["query_api", "signed"], "min_memory_mib": 64, "vcpu_count": 2, "build_id": "c0ffee"}`)}} {
		if err := put(t, s, step.part, step.content); err != nil {
			t.Fatalf("%s: %v", step.part, err)
		}
	}
	var header KernelDescription
	read := func() {
		t.Helper()
		if err := json.Unmarshal(file(t, s, kernels, "header.json"), &header); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if header.Port != 9000 || header.MinimumMemory != 64 || header.VirtualProcessors != 2 || !strings.HasPrefix(header.BuildID, "c0ffee0000") ||
		!slices.Equal(header.Flags, []string{"query_api", "signed"}) || header.Integrity != "shake256" {
		t.Errorf("header %+v", header)
	}
	if got := file(t, s, kernels, "image"); !bytes.Equal(got, image) {
		t.Errorf("the image of %d bytes is another one now", len(got))
	}
	// The document as it stands can be written back; other fields cannot be changed.
	if err := put(t, s, PartKernelHeader, file(t, s, kernels, "header.json")); err != nil {
		t.Errorf("as it stands: %v", err)
	}
	for _, bad := range []string{"", "[]", `{"api_port": 70000}`, `{"api_port": "x"}`, `{"flags": ["fast"]}`, `{"flags": ["compressed"]}`, `{"version": 2}`, `{"binding": {}}`, `{"speed": 1}`, `{"build_id": "xyz"}`, `{"arch": "z80"}`} {
		if err := put(t, s, PartKernelHeader, []byte(bad)); bad != "" && !errors.Is(err, volume.ErrInput) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// A new image has the settings of the old, but for what was about the old.
	if err := put(t, s, PartKernelImage, noise(1000)); err != nil {
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

func TestCompressedWhereItPays(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	ctx := context.Background()
	text := bytes.Repeat([]byte("the same line again and again\n"), 20_000)
	embedKernel(t, s, text, KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelX86_64}, Compress: true, Cmdline: "a"})
	embedKernel(t, s, noise(100_000), KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelAArch64}, Compress: true})
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
			kernel.Header.Flags&segments.KernelCompressed != 0 != (want.method == segments.CompressionZstd) || kernel.Integrity != IntegritySHAKE256 {
			t.Errorf("%s: %d bytes (%v), header %+v, hash %s", want.arch, len(got), err, kernel.Header, kernel.Integrity)
		}
		if kernel.Header.ImageHash != lineage.Hash(sha3.SumSHAKE256(want.content, lineage.HashSize)) {
			t.Errorf("%s: the hash is not that of the uncompressed image", want.arch)
		}
	}
	// A change of the first kernel leaves its image compressed as it is.
	if err := put(t, s, PartKernelCmdline, []byte("b")); err != nil {
		t.Fatal(err)
	}
	kernel, err := s.ExtractKernel(ctx)
	if err != nil || kernel.Header.Compression != segments.CompressionZstd || kernel.Integrity != IntegritySHAKE256 {
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
	s := newImages(t)
	ctx := context.Background()
	program, types := noise(5000), noise(70_000)
	if err := put(t, s, PartEBPFProgram, program); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, PartEBPFTypes, types); err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, PartEBPFHeader, []byte(`{"program_type": "kprobe", "max_dimension": 7}`)); err != nil {
		t.Fatal(err)
	}
	found, err := s.ExtractEBPF(ctx, segments.EBPFKprobe)
	if err != nil {
		t.Fatal(err)
	}
	if btf, err := state.ViewContent(ctx, found.BTF); err != nil || !bytes.Equal(btf, types) || found.Header.MaxDimension != 7 || found.Integrity != IntegritySHAKE256 {
		t.Errorf("%+v, BTF of %d bytes, %v", found, len(btf), err)
	}
	if got := file(t, s, ebpfPrograms, "program.o"); !bytes.Equal(got, program) {
		t.Errorf("program of %d bytes", len(got))
	}

	for i, priority := range []uint8{7, 3, 5} {
		module := []byte("\x00asm\x01\x00\x00\x00" + fmt.Sprint(priority))
		header := segments.WASMHeader{Role: segments.WASMRole(i), BootstrapPriority: priority}
		if _, err := s.EmbedWASM(ctx, bytes.NewReader(module), int64(len(module)), WASMConfig{Header: header}); err != nil {
			t.Fatal(err)
		}
	}
	modules, err := s.ExtractWASM(ctx)
	if err != nil || len(modules) != 3 || modules[0].Header.BootstrapPriority != 3 || modules[2].Header.BootstrapPriority != 7 {
		t.Errorf("modules %v, %v", modules, err)
	}
	if got := file(t, s, wasmModules, "module.wasm"); !bytes.HasSuffix(got, []byte("3")) {
		t.Errorf("the first module is %q", got)
	}

	files := []DashboardFile{
		{Path: "index.html", Content: strings.NewReader("<html>"), Size: 6},
		{Path: "js/app.js", Content: strings.NewReader("run()"), Size: 5}, {Path: "empty", Content: strings.NewReader("")},
	}
	if _, err := s.EmbedDashboard(ctx, files, DashboardConfig{EntryPath: "index.html", Framework: segments.DashboardReact}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"index.html": "<html>", "js/app.js": "run()", "empty": ""} {
		if got := file(t, s, dashboards, name); got == nil || string(got) != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	dashboard, err := s.ExtractDashboard(ctx)
	if err != nil || dashboard.EntryPath != "index.html" || dashboard.Integrity != IntegritySHAKE256 || len(dashboard.Files) != 3 {
		t.Errorf("%+v, %v", dashboard, err)
	}
	for _, bad := range []string{"/a", "../a", "a/", "", "index.html", "js"} {
		if _, err := s.EmbedDashboard(ctx, append(files[:2:2], DashboardFile{Path: bad, Content: strings.NewReader("")}), DashboardConfig{}); !errors.Is(err, volume.ErrInput) {
			t.Errorf("path %q: %v", bad, err)
		}
	}
}

func TestConcurrentPartsOfAKernel(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	embedKernel(t, s, noise(1000), KernelConfig{Header: segments.KernelHeader{Architecture: segments.KernelUnknown, Type: segments.KernelCustom}})
	const rounds = 8
	problems := make(chan error)
	newest := noise(90_000)
	go func() {
		var err error
		for range rounds {
			err = errors.Join(err, put(t, s, PartKernelImage, newest))
		}
		problems <- err
	}()
	go func() {
		var err error
		for range rounds {
			err = errors.Join(err, put(t, s, PartKernelCmdline, []byte("console")))
		}
		problems <- err
	}()
	if err := errors.Join(<-problems, <-problems); err != nil {
		t.Error(err)
	}
	if image := file(t, s, kernels, "image"); !bytes.Equal(image, newest) {
		t.Errorf("the image has %d bytes: a command line brought the old one back", len(image))
	}
	if cmdline := file(t, s, kernels, "cmdline"); string(cmdline) != "console" {
		t.Errorf("the command line is %q: an image brought the old one back", cmdline)
	}
	if kernels := s.Current().OfType(segments.TypeKernel); len(kernels) != 1 {
		t.Errorf("%d kernels", len(kernels))
	}
}

func TestConcurrentKernelsOfOneArchitecture(t *testing.T) {
	t.Parallel()
	s := newImages(t)
	const writers, rounds = 8, 5
	problems := make(chan error)
	for range writers {
		go func() {
			var err error
			for range rounds {
				_, one := s.EmbedKernel(context.Background(), strings.NewReader("image"), 5, KernelConfig{})
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

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
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
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: storetest.Shelf(t, filepath.Join(dir, "a.rvf"))})
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

func TestDamagedImageIsNotBlessed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	name := s.Path()
	embedKernel(t, s, noise(5000), compute.KernelConfig{})
	entry := s.Current().OfType(segments.TypeKernel)[0]
	damaged, err := filelog.FilesOf(s.shelf).Open(name, true)
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

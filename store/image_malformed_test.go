package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/volume"
)

// fileWith is a store of one segment with a right content hash, whatever its header
// says besides and whatever it holds.
func fileWith(header segments.Header, payload []byte) []byte {
	var file []byte
	id := uint64(1)
	add := func(h segments.Header, content []byte) segments.DirectoryEntry {
		h.Version, h.ID, h.PayloadLength, h.ContentHash = segments.HeaderVersion, id, uint64(len(content)), segments.ContentHash(content)
		entry := segments.DirectoryEntry{SegmentID: id, Offset: int64(len(file)), PayloadLength: h.PayloadLength, Type: h.Type}
		encoded := h.Encode()
		file = slices.Concat(file, encoded[:], content)
		id++
		return entry
	}
	entry := add(header, payload)
	manifest := segments.Manifest{
		Dimension: 2, HasIdentity: true, Identity: lineage.Identity{FileID: lineage.FileID{1}}, Directory: []segments.DirectoryEntry{entry},
	}
	add(segments.Header{Type: segments.TypeManifest}, manifest.Encode())
	return file
}

// storeWith opens such a store.
func storeWith(t *testing.T, header segments.Header, payload []byte) *Store {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.rvf")
	if err := os.WriteFile(name, fileWith(header, payload), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenReadOnly(context.Background(), filepath.Base(name), Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func zstdOf(content []byte) []byte {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer encoder.Close()
	return encoder.EncodeAll(content, nil)
}

func lz4FrameOf(content []byte) []byte {
	var framed bytes.Buffer
	writer := lz4.NewWriter(&framed)
	_, err := writer.Write(content)
	if err = errors.Join(err, writer.Close()); err != nil {
		panic(err)
	}
	return framed.Bytes()
}

func lz4BlockOf(content []byte) []byte {
	block := make([]byte, lz4.CompressBlockBound(len(content)))
	n, err := lz4.CompressBlock(content, block, nil)
	if err != nil || n == 0 {
		panic("no block")
	}
	return block[:n]
}

// The image of the table below, the same with one bit changed, and zeros.
var (
	goodImage = bytes.Repeat([]byte("an image that can be compressed; "), 100)
	zeros     = make([]byte, 64<<20)
)

const goodCmdline = "console=ttyS0"

// kernelPayload is a well-formed kernel, stored as given, which change then spoils.
func kernelPayload(stored []byte, method segments.Compression, change func(*segments.KernelHeader)) []byte {
	header := segments.KernelHeader{
		Version: 1, Architecture: segments.KernelAArch64, Compression: method, ImageSize: uint64(len(goodImage)),
		CompressedSize: uint64(len(stored)), ImageHash: shake256(goodImage), CmdlineOffset: 128, CmdlineLength: uint32(len(goodCmdline)),
	}
	if change != nil {
		change(&header)
	}
	encoded := header.Encode()
	return slices.Concat(encoded[:], stored, []byte(goodCmdline))
}

func boundPayload(change func(*segments.KernelHeader)) []byte {
	plain := kernelPayload(goodImage, segments.CompressionNone, func(h *segments.KernelHeader) {
		h.CmdlineOffset = 256
		if change != nil {
			change(h)
		}
	})
	binding := segments.KernelBinding{Version: 1}.Encode()
	return slices.Concat(plain[:128], binding[:], []byte(goodCmdline), goodImage)
}

// cut, grow and set spoil payloads.
func cut(b []byte, n int) []byte  { return b[:len(b)-n] }
func grow(b []byte, n int) []byte { return append(bytes.Clone(b), make([]byte, n)...) }
func set(b []byte, at int, value ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], value)
	return b
}

func ebpfPayload(change func(*segments.EBPFHeader)) []byte {
	header := segments.EBPFHeader{Version: 1, ProgramSize: uint64(len(goodImage)), BTFSize: 3, ProgramHash: shake256(goodImage)}
	if change != nil {
		change(&header)
	}
	encoded := header.Encode()
	return slices.Concat(encoded[:], goodImage, []byte("btf"))
}

func wasmPayload(stored []byte, method segments.Compression, change func(*segments.WASMHeader)) []byte {
	header := segments.WASMHeader{
		Version: 1, BytecodeSize: uint32(len(goodImage)), CompressedSize: uint32(len(stored)), Compression: method, Hash: shake256(goodImage),
	}
	if change != nil {
		change(&header)
	}
	encoded := header.Encode()
	return slices.Concat(encoded[:], stored)
}

// bundleFile is an entry of a dashboard's table as it stands, true or not.
type bundleFile struct {
	path         string
	offset, size uint64
}

func dashboardPayload(entry string, data string, change func(*segments.DashboardHeader), files ...bundleFile) []byte {
	bundle := []byte(entry)
	for _, file := range files {
		bundle = binary.LittleEndian.AppendUint16(bundle, uint16(len(file.path)))
		bundle = binary.LittleEndian.AppendUint64(bundle, file.offset)
		bundle = binary.LittleEndian.AppendUint64(bundle, file.size)
		bundle = append(bundle, file.path...)
	}
	bundle = append(bundle, data...)
	header := segments.DashboardHeader{
		Version: 1, BundleSize: uint64(len(bundle)), FileCount: uint32(len(files)), EntryPathLength: uint16(len(entry)), Hash: shake256(bundle),
	}
	if change != nil {
		change(&header)
	}
	encoded := header.Encode()
	return append(encoded[:], bundle...)
}

// outcome is how a store shows what is in it.
type outcome string

const (
	isShown    outcome = "shown"      // the right bytes, with a right hash
	isMismatch outcome = "mismatch"   // bytes, and that their hash is wrong
	isRefused  outcome = "error.txt"  // why there is nothing
	isBroken   outcome = "unreadable" // a name and a size, and an error when it is opened
)

type imageCase struct {
	name    string
	kind    segments.Type
	header  segments.Header // of the segment
	payload []byte
	want    outcome
}

func imageCases() []imageCase {
	const (
		kernel, ebpf    = segments.TypeKernel, segments.TypeEBPF
		wasm, dashboard = segments.TypeWASM, segments.TypeDashboard
		none, packed    = segments.CompressionNone, segments.CompressionZstd
	)
	good := kernelPayload(goodImage, none, nil)
	bomb := zstdOf(zeros)
	whole := func(content, stored []byte, method segments.Compression) segments.Header {
		return segments.Header{Compression: method, UncompressedLength: uint32(len(content)), Flags: segments.FlagCompressed}
	}
	plain := segments.Header{}
	kernelOf := func(change func(*segments.KernelHeader)) []byte { return kernelPayload(goodImage, none, change) }
	packedOf := func(change func(*segments.KernelHeader)) []byte {
		return kernelPayload(zstdOf(goodImage), packed, change)
	}
	return []imageCase{
		{"kernel", kernel, plain, good, isShown},
		{"kernel without the second size", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CompressedSize = 0 }), isShown},
		{"kernel with a true offset", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineOffset = uint64(128 + len(goodImage)) }), isShown},
		{"kernel with the fold", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageHash = lineage.Fold(goodImage) }), isShown},
		{"kernel without a hash", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageHash = lineage.Hash{} }), isShown},
		{"kernel of unknown machine and type", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.Architecture, h.Type = 0x77, 0x78 }), isShown},
		{"kernel, bound", kernel, plain, boundPayload(nil), isShown},
		{"kernel, zstd", kernel, plain, packedOf(nil), isShown},
		{"kernel, LZ4 frame", kernel, plain, kernelPayload(lz4FrameOf(goodImage), segments.CompressionLZ4, nil), isShown},
		{"kernel, LZ4 block", kernel, plain, kernelPayload(lz4BlockOf(goodImage), segments.CompressionLZ4, nil), isShown},
		{"kernel, LZ4 block behind its size", kernel, plain, kernelPayload(
			append(binary.LittleEndian.AppendUint32(nil, uint32(len(goodImage))), lz4BlockOf(goodImage)...), segments.CompressionLZ4, nil), isShown},
		{"kernel, segment in zstd", kernel, whole(good, nil, packed), zstdOf(good), isShown},
		{"kernel, segment in LZ4", kernel, whole(good, nil, segments.CompressionLZ4), lz4FrameOf(good), isShown},
		{"kernel, image and segment in zstd", kernel, whole(packedOf(nil), nil, packed), zstdOf(packedOf(nil)), isShown},

		{"kernel with another hash", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageHash[5]++ }), isMismatch},
		{"kernel of another image", kernel, plain, set(good, 200, 'X'), isMismatch},
		{"kernel, zstd, of another image", kernel, plain, packedOf(func(h *segments.KernelHeader) { h.ImageHash[0]++ }), isMismatch},

		{"kernel, nothing", kernel, plain, nil, isRefused},
		{"kernel, half a header", kernel, plain, good[:64], isRefused},
		{"kernel, a header alone", kernel, plain, good[:128], isRefused},
		{"kernel, magic", kernel, plain, set(good, 0, 'X'), isRefused},
		{"kernel, version 0", kernel, plain, set(good, 4, 0), isRefused},
		{"kernel, version 2", kernel, plain, set(good, 4, 2), isRefused},
		{"kernel, one byte short", kernel, plain, cut(good, 1), isRefused},
		{"kernel, one byte long", kernel, plain, grow(good, 1), isRefused},
		{"kernel, image beyond the payload", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageSize++; h.CompressedSize++ }), isRefused},
		{"kernel, image of 2^63", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageSize, h.CompressedSize = 1<<63, 1<<63 }), isRefused},
		{"kernel, image of 2^64-1", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageSize, h.CompressedSize = math.MaxUint64, math.MaxUint64 }), isRefused},
		{"kernel, two sizes", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.ImageSize-- }), isRefused},
		{"kernel, command line beyond the payload", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineLength++ }), isRefused},
		{"kernel, command line of 4 GiB", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineLength = math.MaxUint32 }), isRefused},
		{"kernel, command line in the image", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineOffset = 200 }), isRefused},
		{"kernel, command line nowhere", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineOffset = math.MaxUint64 }), isRefused},
		{"kernel, binding over the image", kernel, plain, kernelOf(func(h *segments.KernelHeader) { h.CmdlineOffset = 256 }), isRefused},
		{"kernel, binding that no offset tells of", kernel, plain, boundPayload(func(h *segments.KernelHeader) { h.CmdlineOffset = 128 }), isRefused},
		{"kernel, half a binding", kernel, plain, boundPayload(nil)[:200], isRefused},
		{"kernel, bound, image one byte into the end", kernel, plain, cut(boundPayload(nil), 1), isRefused},
		{"kernel, compression that nobody knows", kernel, plain, kernelPayload(goodImage, 9, nil), isRefused},
		{"kernel, compression of its own", kernel, plain, kernelPayload(goodImage, segments.CompressionCustom, nil), isRefused},
		{"kernel, zstd, over the limit", kernel, plain, packedOf(func(h *segments.KernelHeader) { h.ImageSize = segments.MaxKernelImage + 1 }), isRefused},
		{"kernel, zstd, of 2^64-1", kernel, plain, packedOf(func(h *segments.KernelHeader) { h.ImageSize = math.MaxUint64 }), isRefused},
		{"kernel, segment over the limit", kernel, segments.Header{Compression: packed, UncompressedLength: math.MaxUint32}, zstdOf(good), isRefused},
		{"kernel, segment that is no zstd", kernel, whole(good, nil, packed), good, isRefused},
		{"kernel, segment that is no LZ4", kernel, whole(good, nil, segments.CompressionLZ4), bytes.Repeat([]byte{0xFF}, 300), isRefused},
		{"kernel, segment in zstd, shorter than it says", kernel, whole(grow(good, 1), nil, packed), zstdOf(good), isRefused},
		{"kernel, segment of no bytes", kernel, segments.Header{Compression: packed}, zstdOf(good), isRefused},
		{"kernel, encrypted", kernel, segments.Header{Flags: segments.FlagEncrypted}, good, isRefused},

		{"kernel, zstd, bomb", kernel, plain, kernelPayload(bomb, packed, nil), isBroken},
		{"kernel, LZ4, bomb", kernel, plain, kernelPayload(lz4FrameOf(zeros), segments.CompressionLZ4, nil), isBroken},
		{"kernel, LZ4 block, bomb", kernel, plain, kernelPayload(lz4BlockOf(zeros), segments.CompressionLZ4, nil), isBroken},
		{"kernel, segment, bomb", kernel, whole(good, nil, packed), zstdOf(append(bytes.Clone(good), zeros...)), isBroken},
		{"kernel, zstd, one byte more", kernel, plain, packedOf(func(h *segments.KernelHeader) { h.ImageSize-- }), isBroken},
		{"kernel, zstd, one byte less", kernel, plain, packedOf(func(h *segments.KernelHeader) { h.ImageSize++ }), isBroken},
		{"kernel, zstd, cut", kernel, plain, kernelPayload(cut(zstdOf(goodImage), 5), packed, nil), isBroken},
		{"kernel, zstd, garbage behind", kernel, plain, kernelPayload(append(zstdOf(goodImage), "garbage"...), packed, nil), isBroken},
		{"kernel, no zstd", kernel, plain, kernelPayload(goodImage, packed, nil), isBroken},
		{"kernel, zstd, nothing", kernel, plain, kernelPayload(nil, packed, nil), isBroken},
		{"kernel, LZ4, nothing", kernel, plain, kernelPayload(nil, segments.CompressionLZ4, nil), isBroken},
		{"kernel, LZ4 block, cut", kernel, plain, kernelPayload(cut(lz4BlockOf(goodImage), 3), segments.CompressionLZ4, nil), isBroken},
		{"kernel, LZ4 match before the start", kernel, plain, kernelPayload([]byte{0x10, 'a', 0x09, 0x00, 0x10, 'b'}, segments.CompressionLZ4, nil), isBroken},
		{"kernel, LZ4 match at distance 0", kernel, plain, kernelPayload([]byte{0x10, 'a', 0x00, 0x00, 0x10, 'b'}, segments.CompressionLZ4, nil), isBroken},
		{"kernel, LZ4 endless length", kernel, plain, kernelPayload(bytes.Repeat([]byte{0xFF}, 2<<20), segments.CompressionLZ4, nil), isBroken},

		{"eBPF", ebpf, plain, ebpfPayload(nil), isShown},
		{"eBPF of unknown type", ebpf, plain, ebpfPayload(func(h *segments.EBPFHeader) { h.ProgramType, h.AttachType = 0x55, 0x66 }), isShown},
		{"eBPF of another program", ebpf, plain, set(ebpfPayload(nil), 70, 'X'), isMismatch},
		{"eBPF, magic", ebpf, plain, set(ebpfPayload(nil), 0, 'X'), isRefused},
		{"eBPF, version", ebpf, plain, set(ebpfPayload(nil), 4, 9), isRefused},
		{"eBPF, program beyond the payload", ebpf, plain, ebpfPayload(func(h *segments.EBPFHeader) { h.ProgramSize++ }), isRefused},
		{"eBPF, program of 2^64-1", ebpf, plain, ebpfPayload(func(h *segments.EBPFHeader) { h.ProgramSize = math.MaxUint64 }), isRefused},
		{"eBPF, BTF of 4 GiB", ebpf, plain, ebpfPayload(func(h *segments.EBPFHeader) { h.BTFSize = math.MaxUint32 }), isRefused},
		{"eBPF, sizes that balance each other", ebpf, plain, ebpfPayload(func(h *segments.EBPFHeader) { h.ProgramSize -= 1 << 32; h.BTFSize = 3 }), isRefused},

		{"WASM", wasm, plain, wasmPayload(goodImage, none, nil), isShown},
		{"WASM, zstd", wasm, plain, wasmPayload(zstdOf(goodImage), packed, nil), isShown},
		{"WASM, version", wasm, plain, set(wasmPayload(goodImage, none, nil), 4, 0), isRefused},
		{"WASM, size", wasm, plain, wasmPayload(goodImage, none, func(h *segments.WASMHeader) { h.BytecodeSize++ }), isRefused},
		{"WASM, zstd, of 4 GiB", wasm, plain, wasmPayload(zstdOf(goodImage), packed, func(h *segments.WASMHeader) { h.BytecodeSize = math.MaxUint32 }), isRefused},
		{"WASM, bomb", wasm, plain, wasmPayload(bomb, packed, nil), isBroken},

		{"dashboard", dashboard, plain, dashboardPayload("a/b", "0123456789", nil, bundleFile{"a/b", 0, 4}, bundleFile{"c", 4, 6}), isShown},
		{"dashboard, offsets from the bundle's start", dashboard, plain, dashboardPayload("", "0123456789", nil, bundleFile{"a", 38, 4}, bundleFile{"c", 42, 6}), isShown},
		{"dashboard, offsets from the payload's start", dashboard, plain, dashboardPayload("", "0123456789", nil, bundleFile{"a", 102, 4}, bundleFile{"c", 106, 6}), isShown},
		{"dashboard, brotli", dashboard, plain, dashboardPayload("", "xyz", func(h *segments.DashboardHeader) { h.Compression = segments.DashboardBrotli }), isShown},
		{"dashboard, magic", dashboard, plain, set(dashboardPayload("", "", nil), 0, 'X'), isRefused},
		{"dashboard, version", dashboard, plain, set(dashboardPayload("", "", nil), 4, 3), isRefused},
		{"dashboard, bundle size", dashboard, plain, dashboardPayload("", "", func(h *segments.DashboardHeader) { h.BundleSize = math.MaxUint64 }), isRefused},
		{"dashboard, more files than bytes", dashboard, plain, dashboardPayload("", "", func(h *segments.DashboardHeader) { h.FileCount = math.MaxUint32 }), isRefused},
		{"dashboard, entry longer than the bundle", dashboard, plain, dashboardPayload("", "x", func(h *segments.DashboardHeader) { h.EntryPathLength = 60000 }), isRefused},
		{"dashboard, file beyond the bundle", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a", 0, 2}), isRefused},
		{"dashboard, offset beyond the bundle", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a", 0, 1}, bundleFile{"b", math.MaxUint64, 1}), isRefused},
		{"dashboard, file in the table", dashboard, plain, dashboardPayload("", "xxxx", nil, bundleFile{"a", 5, 4}), isRefused},
		{"dashboard, absolute", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"/etc/passwd", 0, 1}), isRefused},
		{"dashboard, upwards", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a/../../b", 0, 1}), isRefused},
		{"dashboard, upwards entry", dashboard, plain, dashboardPayload("../a", "x", nil, bundleFile{"a", 0, 1}), isRefused},
		{"dashboard, empty part", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a//b", 0, 1}), isRefused},
		{"dashboard, no name", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"", 0, 1}), isRefused},
		{"dashboard, zero byte", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a\x00b", 0, 1}), isRefused},
		{"dashboard, name that no file can have", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{strings.Repeat("a", 256), 0, 1}), isRefused},
		{"dashboard, twice", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a", 0, 1}, bundleFile{"a", 0, 1}), isRefused},
		{"dashboard, file and folder", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a", 0, 1}, bundleFile{"a/b", 0, 1}), isRefused},
		{"dashboard, folder and file", dashboard, plain, dashboardPayload("", "x", nil, bundleFile{"a/b", 0, 1}, bundleFile{"a", 0, 1}), isRefused},
	}
}

// viewsOf lists the files of the folder of a type.
func viewsOf(s *state.Snapshot, kind segments.Type) ([]state.NamedView, error) {
	tree, err := compute.KindOf(kind).Files(context.Background(), s)
	if err != nil {
		return nil, err
	}
	return tree.Files, nil
}

// mainFile is the file of a folder that holds the image.
var mainFile = map[segments.Type]string{
	segments.TypeKernel: "image", segments.TypeEBPF: "program.o", segments.TypeWASM: "module.wasm",
}

// allowedMemory is what one case may allocate: windows and buffers of decoders, not
// what a bomb inflates to.
const allowedMemory = 48 << 20

// It is not parallel, so that what is allocated meanwhile was allocated here.
func TestMalformedImages(t *testing.T) {
	for _, test := range imageCases() {
		t.Run(test.name, func(t *testing.T) {
			test.header.Type = test.kind
			s := storeWith(t, test.header, test.payload)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, verdict := look(t, s.Current(), test.kind)
			runtime.ReadMemStats(&after)
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > allowedMemory {
				t.Errorf("%d bytes were allocated", used)
			}
			checked, err := VerifySnapshot(context.Background(), s.Current())
			if err != nil {
				t.Fatal(err)
			}
			if damaged := checked.Damages > 0; damaged != (test.want != isShown) {
				t.Errorf("verify finds %+v, where the verdict is %q", checked.Findings, verdict)
			}
		})
	}
}

// look reads everything that a folder shows and judges it.
func look(t *testing.T, s *state.Snapshot, kind segments.Type) (outcome, string) {
	t.Helper()
	views, err := viewsOf(s, kind)
	if err != nil {
		t.Fatal(err)
	}
	result, verdict := isShown, ""
	for _, named := range views {
		content, err := state.ViewContent(t.Context(), named.View)
		switch {
		case errors.Is(err, volume.ErrCorrupt):
			result = isBroken
			continue
		case err != nil:
			t.Errorf("%s: %v", named.Name, err)
		}
		switch named.Name {
		case "error.txt":
			result = isRefused
		case "header.json":
			if verdict = string(content); strings.Contains(verdict, `"mismatch"`) {
				result = isMismatch
			}
		case "btf", "cmdline":
			if want := map[string]string{"btf": "btf", "cmdline": goodCmdline}[named.Name]; string(content) != want {
				t.Errorf("%s is %q", named.Name, content)
			}
		case mainFile[kind]:
			if int64(len(content)) != named.View.Size() || (!bytes.Equal(content, goodImage) && result == isShown && !strings.Contains(t.Name(), "another")) {
				t.Errorf("%s has %d bytes, and not those that were embedded", named.Name, len(content))
			}
		}
	}
	if len(views) == 0 {
		t.Error("nothing is shown")
	}
	return result, verdict
}

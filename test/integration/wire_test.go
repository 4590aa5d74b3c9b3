package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"syscall"
	"testing"

	"rvffs/test/integration/rawfile"
)

// wireFile is a small file of the wire dialect: vectors of two components in one
// block, a manifest's segment, and the root that ends the file.
func wireFile(vectors [][]float32, manifest []byte) []byte {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&63)...) }
	segment := func(file []byte, kind byte, id uint64, payload []byte) []byte {
		encoded := rawfile.EncodeSegment(kind, id, payload)
		clear(encoded[0x28:0x38])
		return pad(append(file, encoded...))
	}
	var block []byte
	for component := range 2 {
		for _, vector := range vectors {
			block = binary.LittleEndian.AppendUint32(block, math.Float32bits(vector[component]))
		}
	}
	block = append(block, 0, 0, 0)
	block = binary.LittleEndian.AppendUint32(block, uint32(len(vectors)))
	for id := range vectors {
		block = binary.LittleEndian.AppendUint64(block, uint64(id))
	}
	block = pad(binary.LittleEndian.AppendUint32(block, crc32.Checksum(block, castagnoli)))
	payload := binary.LittleEndian.AppendUint32(nil, 1)
	payload = binary.LittleEndian.AppendUint32(payload, 64)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(vectors)))
	payload = pad(append(payload, 2, 0, 0, 0))
	file := segment(nil, rawfile.TypeVec, 1, append(payload, block...))
	file = segment(file, rawfile.TypeManifest, 2, manifest)
	root := make([]byte, 4096)
	binary.LittleEndian.PutUint32(root, 0x52564D30)
	binary.LittleEndian.PutUint16(root[4:], 1)
	binary.LittleEndian.PutUint64(root[0x18:], uint64(len(vectors)))
	binary.LittleEndian.PutUint16(root[0x20:], 2)
	binary.LittleEndian.PutUint32(root[0x24:], 7)
	copy(root[0xF00:], "the file's id...")
	binary.LittleEndian.PutUint32(root[0xFFC:], crc32.Checksum(root[:0xFFC], castagnoli))
	return append(file, root...)
}

// TestWireRootMakesReadOnly: a file that ends with a root is of the wire dialect
// even when its manifest's segment holds zeros only, which would be an empty store
// of the other one. No way to write to it changes a byte.
func TestWireRootMakesReadOnly(t *testing.T) {
	t.Parallel()
	const name = "wire.rvf"
	file := wireFile([][]float32{{1, 2}, {3, 4}, {5, 6}}, make([]byte, 32))
	m := serve(t, folder(t, map[string][]byte{name: file}))
	status := must(decode[map[string]any](m.path(name, "status.json")))(t)
	if status["dialect"] != "wire" || status["read_only"] != true || status["epoch"] != 7.0 || status["live_vectors"] != 3.0 {
		t.Errorf("status.json: %v", status)
	}
	if rows := readFile(t, m.path(name, "vectors", "vectors.f32")); !slices.Equal(floats(rows), []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("vectors.f32: %v", floats(rows))
	}
	for path, content := range map[string]string{
		"vectors.append": "[1,2]\n", "vectors.append.f32": "12345678", "vectors.delete": "1\n", "ctl": "compact\n", "kernel/image": "an image", "ebpf/program.o": "\x7fELF",
	} {
		if err := os.WriteFile(m.path(name, path), []byte(content), 0); !errors.Is(err, syscall.EROFS) {
			t.Errorf("write to %s: %v", path, err)
		}
	}
	m.stop()
	if verdict := try(t, program, "verify", m.backing(name)); verdict.code != 1 {
		t.Errorf("verify: %+v", verdict)
	}
	if got := readFile(t, m.backing(name)); !bytes.Equal(got, file) {
		t.Error("the file has changed")
	}
}

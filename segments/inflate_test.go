package segments

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// packed compresses content in a form that a method's readers know.
func packed(t testing.TB, method Compression, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var writer io.WriteCloser = lz4.NewWriter(&out)
	if method == CompressionZstd {
		// A large window, as streams of unknown length have.
		encoder, err := zstd.NewWriter(&out, zstd.WithWindowSize(8<<20))
		if err != nil {
			t.Fatal(err)
		}
		writer = encoder
	}
	_, err := writer.Write(content)
	if err = errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// mixed is content that compresses here and there, longer than a window of LZ4.
func mixed() []byte {
	content := make([]byte, 300_000)
	state := uint32(1)
	for i := range content {
		if i/1000%3 == 0 {
			state = state*1664525 + 1013904223
			content[i] = byte(state >> 24)
		} else {
			content[i] = byte(i / 100)
		}
	}
	return content
}

func TestInflate(t *testing.T) {
	t.Parallel()
	content := mixed()
	block := make([]byte, lz4.CompressBlockBound(len(content)))
	n, err := lz4.CompressBlock(content, block, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	for name, test := range map[string]struct {
		method Compression
		stored []byte
	}{
		"zstd":      {CompressionZstd, packed(t, CompressionZstd, content)},
		"LZ4 frame": {CompressionLZ4, packed(t, CompressionLZ4, content)},
		"LZ4 block": {CompressionLZ4, block[:n]},
	} {
		size := int64(len(content))
		var out bytes.Buffer
		if err := Inflate(test.method, &out, iotest.HalfReader(bytes.NewReader(test.stored)), size); err != nil || !bytes.Equal(out.Bytes(), content) {
			t.Errorf("%s: %d bytes, %v", name, out.Len(), err)
		}
		prefix, err := InflatePrefix(test.method, bytes.NewReader(test.stored), size, 256)
		if err != nil || !bytes.Equal(prefix, content[:256]) {
			t.Errorf("%s, prefix: %d bytes, %v", name, len(prefix), err)
		}
		for _, wrong := range []int64{0, 1, size - 1, size + 1} {
			out.Reset()
			if err := Inflate(test.method, &out, bytes.NewReader(test.stored), wrong); !errors.Is(err, ErrPayload) || int64(out.Len()) > wrong {
				t.Errorf("%s as %d bytes: %d bytes, %v", name, wrong, out.Len(), err)
			}
		}
		for _, length := range []int{0, 1, 3, 4, 5, len(test.stored) / 2, len(test.stored) - 20} {
			if err := Inflate(test.method, io.Discard, bytes.NewReader(test.stored[:length]), size); !errors.Is(err, ErrPayload) {
				t.Errorf("%s cut at %d: %v", name, length, err)
			}
		}
		broken := io.MultiReader(bytes.NewReader(test.stored[:100]), iotest.ErrReader(errDisk))
		if err := Inflate(test.method, io.Discard, broken, size); !errors.Is(err, errDisk) || errors.Is(err, ErrPayload) {
			t.Errorf("%s from a broken disk: %v", name, err)
		}
		if err := Inflate(test.method, brokenWriter{}, bytes.NewReader(test.stored), size); !errors.Is(err, errDisk) || errors.Is(err, ErrPayload) {
			t.Errorf("%s to a broken disk: %v", name, err)
		}
	}
	for _, method := range []Compression{CompressionNone, CompressionCustom, 9} {
		if err := Inflate(method, io.Discard, bytes.NewReader(content), 10); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errDisk }

// FuzzLZ4Block compares our decoder of blocks with the library's.
func FuzzLZ4Block(f *testing.F) {
	content := mixed()[:5000]
	block := make([]byte, lz4.CompressBlockBound(len(content)))
	n, err := lz4.CompressBlock(content, block, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block[:n], uint16(len(content)))
	f.Add([]byte{0x10, 'a', 0x01, 0x00, 0x50, 'b', 'c', 'd', 'e', 'f'}, uint16(10))
	f.Add([]byte{0x00}, uint16(0))
	f.Fuzz(func(t *testing.T, block []byte, size uint16) {
		ours, err := io.ReadAll(io.LimitReader(newLZ4Block(bytes.NewReader(block)), int64(size)+1))
		if len(block) == 0 {
			return // nothing at all: the library takes it for an empty block
		}
		theirs := make([]byte, int(size))
		n, theirErr := lz4.UncompressBlock(block, theirs)
		if theirErr == nil && n == int(size) && (err != nil || !bytes.Equal(ours, theirs)) {
			t.Errorf("%x: we give %d bytes (%v), the library %d", block, len(ours), err, n)
		}
	})
}

// FuzzParseBundle looks at bundles: what is accepted lies within them, has names that
// files can have, and is encoded to the same names again.
func FuzzParseBundle(f *testing.F) {
	files := []DashboardFile{{"index.html", 0, 3}, {"js/a.js", 0, 4}}
	front, err := BuildBundleFront("index.html", files)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(front, "abcdefg"...), uint32(2), uint16(10))
	f.Add([]byte{}, uint32(0), uint16(0))
	f.Fuzz(func(t *testing.T, bundle []byte, count uint32, entryLength uint16) {
		header := DashboardHeader{BundleSize: uint64(len(bundle)), FileCount: count, EntryPathLength: entryLength}
		_, files, err := ParseBundle(bytes.NewReader(bundle), header)
		if err != nil {
			if !errors.Is(err, ErrPayload) {
				t.Error(err)
			}
			return
		}
		for _, file := range files {
			if file.Offset < 0 || file.Length < 0 || file.Offset > int64(len(bundle)) || file.Length > int64(len(bundle))-file.Offset || CheckBundlePath(file.Path) != nil {
				t.Errorf("%+v in %d bytes", file, len(bundle))
			}
		}
		if _, err := BuildBundleFront("", files); err != nil {
			t.Error(err)
		}
	})
}

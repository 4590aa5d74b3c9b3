package catalog

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// countedReader counts the reads that reach a file.
type countedReader struct {
	*bytes.Reader
	reads int
}

func (c *countedReader) ReadAt(p []byte, offset int64) (int, error) {
	c.reads++
	return c.Reader.ReadAt(p, offset)
}

func TestTailReader(t *testing.T) {
	tail := tailReader{ctx: t.Context()}
	for _, size := range []int{0, 1, tailSize - 1, tailSize, tailSize + 1, 3 * tailSize} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i ^ i>>8)
		}
		for _, cut := range []int{0, 1, size / 2} { // how much the file is shorter than was said
			file := bytes.NewReader(content[:max(size-cut, 0)])
			tail.reset(file, int64(size))
			for _, length := range []int{1, 64, 4096, tailSize} {
				for offset := int64(0); offset <= int64(size); offset += 61 {
					want, got := make([]byte, length), make([]byte, length)
					wanted, wantErr := file.ReadAt(want, offset)
					n, err := tail.ReadAt(got, offset)
					if n != wanted || !bytes.Equal(got[:n], want[:n]) || (n < length) != (err == io.EOF) {
						t.Fatalf("size %d, cut %d: %d bytes at %d: %d, %v, want %d, %v", size, cut, length, offset, n, err, wanted, wantErr)
					}
				}
			}
		}
	}
}

// TestFactsReadLittle finds identities in small, large and torn files, and counts
// reads.
func TestFactsReadLittle(t *testing.T) {
	small := person(1, 2)
	large := appendSegment(nil, 7, segments.TypeMeta, make([]byte, 1<<20))
	for name, test := range map[string]struct {
		image []byte
		reads int
	}{
		"small": {small, 1},
		"large": {append(bytes.Clone(large), small...), 2},
		"torn":  {append(bytes.Clone(small), "RVFS, and then the power failed"...), 1},
	} {
		file := &countedReader{Reader: bytes.NewReader(test.image)}
		tail := tailReader{ctx: t.Context()}
		tail.reset(file, int64(len(test.image)))
		found := readFacts("a.rvf", volume.FileInfo{Size: int64(len(test.image))}, &tail, nil)
		want := lineage.Identity{FileID: fileID(1), ParentID: fileID(2), Depth: 1}
		if !found.isStore || found.identity != want {
			t.Errorf("%s: found %s", name, fmt.Sprint(*found))
		}
		if file.reads > test.reads {
			t.Errorf("%s: %d reads, want %d", name, file.reads, test.reads)
		}
	}
}

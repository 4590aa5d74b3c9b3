package state

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"rvffs/store/volume"
)

// shakyFile counts reads, and fails from a place on.
type shakyFile struct {
	volume.Bytes
	content []byte
	fails   int
	reads   int
}

var errDisk = errors.New("test disk failed")

func (c *shakyFile) ReadAt(p []byte, offset int64) (int, error) {
	c.reads++
	n, err := bytes.NewReader(c.content[:c.fails]).ReadAt(p, offset)
	if n < len(p) && c.fails < len(c.content) {
		err = errDisk
	}
	return n, err
}

// TestNearbyFileReadsTheSame in few reads, with the same errors at the same places.
func TestNearbyFileReadsTheSame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	for _, fails := range []int{len(content), 77_777} {
		plain := &shakyFile{content: content, fails: fails}
		under := &shakyFile{content: content, fails: fails}
		near := &nearbyFile{Bytes: under}
		for range 20_000 {
			offset, length := random.Int64N(int64(len(content))+10), random.IntN(nearbySize+nearbyPage)
			want, got := make([]byte, length), make([]byte, length)
			n, err := plain.ReadAt(want, offset)
			m, nearErr := near.ReadAt(got, offset)
			if !bytes.Equal(want[:n], got[:m]) || m < length && !errors.Is(nearErr, err) || m == length && nearErr != nil && nearErr != io.EOF {
				t.Fatalf("%d bytes at %d: %d, %v; want %d, %v", length, offset, m, nearErr, n, err)
			}
		}
	}
	under := &shakyFile{content: content, fails: len(content)}
	near := &nearbyFile{Bytes: under}
	for _, from := range []int{0, 1} { // forward, and back
		for at := range int64(1000) {
			if from == 1 {
				at = 999 - at
			}
			if _, err := near.ReadAt(make([]byte, 64), 100*at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if under.reads > 100 {
		t.Errorf("%d reads for 2000 pieces of 100,000 bytes", under.reads)
	}
}

package lineage

import (
	"bytes"
	"hash"
	"testing"
)

func TestFoldKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "0000000000000000000000000000000000000000000000000000000000000000"},
		{"one byte", []byte{1}, "0100000000000000000000000008000000000000000000000000000000000000"},
		// The second sum reads the byte after the first has changed it.
		{"high bit", []byte{0x80}, "8000000000000000000000000004000000000000000000000000000000000000"},
		// What the reference runtime stored as the image hash of this image.
		{"stub image", bytes.Repeat([]byte{0x90}, 4096), "352e11fe5636ec646e27a92dc783daefc4c4b6323e153279c76dc7a6309a2470"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Fold(c.data).String(); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestShake256Known(t *testing.T) {
	t.Parallel()
	if got := Hash(NewShake256().Sum(nil)).String(); got != "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f" {
		t.Errorf("got %s", got)
	}
}

func TestStreamingHashes(t *testing.T) {
	t.Parallel()
	data := make([]byte, 1000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for name, c := range map[string]struct {
		whole  func([]byte) Hash
		stream func() hash.Hash
	}{
		"fold":  {Fold, NewFold},
		"shake": {shake256, NewShake256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := c.stream()
			if h.Size() != HashSize || h.BlockSize() <= 0 {
				t.Errorf("size %d, block size %d", h.Size(), h.BlockSize())
			}
			at := 0
			for step := 1; at < len(data); step++ {
				n := min(step, len(data)-at)
				if written, err := h.Write(data[at : at+n]); written != n || err != nil {
					t.Fatalf("write: %d, %v", written, err)
				}
				at += n
				// Sum must not disturb what follows.
				if want := c.whole(data[:at]); !bytes.Equal(h.Sum([]byte("x"))[1:], want[:]) {
					t.Fatalf("after %d bytes", at)
				}
			}
			h.Reset()
			if want := c.whole(nil); !bytes.Equal(h.Sum(nil), want[:]) {
				t.Error("after reset")
			}
		})
	}
}

func BenchmarkFold(b *testing.B) {
	data := make([]byte, TailSize)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Fold(data)
	}
}

package blockcache

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, folder string, most int64) *Cache {
	t.Helper()
	c, err := Open(folder, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func content(of int) []byte { return bytes.Repeat([]byte{byte(of), byte(of >> 8), 7}, 1000) }

func name(of int) string { return fmt.Sprint("bucket/extent/", of) }

// get is a block of a length that a cache has, nil without.
func get(c *Cache, name string, length int) []byte {
	block := make([]byte, length)
	if sum, there := c.Get(name, block); !there || sum != crc32.Checksum(block, castagnoli) {
		return nil
	}
	return block
}

func put(c *Cache, name string, block []byte) { c.Put(name, block, crc32.Checksum(block, castagnoli)) }

// TestBlocksLast: what was put is there for others, and after the process.
func TestBlocksLast(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "made/by/it")
	c := open(t, folder, 1<<20)
	if got := get(c, name(1), 3000); got != nil {
		t.Errorf("%d bytes of what was never put", len(got))
	}
	put(c, name(1), content(1))
	put(c, name(2), nil)
	other := open(t, folder, 1<<20)
	for _, cache := range []*Cache{c, other} {
		if got := get(cache, name(1), 3000); !bytes.Equal(got, content(1)) {
			t.Errorf("%d bytes, or others", len(got))
		}
		if got := get(cache, name(1), 2999); got != nil {
			t.Error("a block of another length")
		}
		put(c, name(1), content(1))
		if got := get(cache, name(2), 0); got == nil {
			t.Error("an empty block is not there")
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has %v, %v", info.Mode(), err)
	}
}

// TestSpoiledBlocksAreNoAnswer: one flipped byte anywhere, a cut, a growth or another
// block's file under its name.
func TestSpoiledBlocksAreNoAnswer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c := open(t, folder, 1<<20)
	put(c, name(2), content(2))
	file := func(of int) string { return filepath.Join(folder, placeOf(name(of))) }
	other, err := os.ReadFile(file(2))
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func([]byte) []byte{
		"first byte": func(b []byte) []byte { b[0] ^= 1; return b }, "last byte of it": func(b []byte) []byte { b[2999] ^= 0x80; return b },
		"checksum": func(b []byte) []byte { b[3001] ^= 4; return b }, "name": func(b []byte) []byte { b[3005] ^= 1; return b }, "length": func(b []byte) []byte { b[3009] ^= 1; return b },
		"cut": func(b []byte) []byte { return b[:100] }, "grown": func(b []byte) []byte { return append(b, 0) },
		"nothing": func([]byte) []byte { return nil }, "another's": func([]byte) []byte { return other },
	} {
		put(c, name(1), content(1))
		whole, err := os.ReadFile(file(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(1), spoil(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := get(c, name(1), 3000); got != nil {
			t.Errorf("%s: it is an answer", what)
		}
		if _, err := os.Stat(file(1)); err == nil {
			t.Errorf("%s: it is still there", what)
		}
	}
}

// used is how many bytes a folder has.
func used(t *testing.T, folder string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestCacheIsBounded: two that share a folder keep to its bound, and to what was used last.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const most = 300_000
	caches := []*Cache{open(t, folder, most), open(t, folder, most)}
	var writers sync.WaitGroup
	for i, c := range caches {
		writers.Go(func() {
			for block := range 400 {
				put(c, name(i*1000+block), content(block))
			}
		})
	}
	writers.Wait()
	for _, c := range caches {
		c.trims.Wait()
	}
	long := time.Now().Add(-time.Hour)
	for i := range caches {
		for block := range 400 {
			_ = os.Chtimes(filepath.Join(folder, placeOf(name(i*1000+block))), long, long) // those that are left
		}
	}
	for i, c := range caches {
		put(c, name(i*1000+399), content(399))
	}
	for _, c := range caches {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	last := open(t, folder, most)
	last.trims.Wait()
	if got := used(t, folder); got > most {
		t.Errorf("%d bytes, bound %d", got, most)
	}
	for i := range caches {
		if got := get(last, name(i*1000+399), 3000); !bytes.Equal(got, content(399)) {
			t.Errorf("what was used last is gone from the cache %d", i)
		}
	}
}

// TestAbandonedFilesGo: what somebody was writing who died is removed, and not what is being
// written.
func TestAbandonedFilesGo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for file, age := range map[string]time.Duration{temporary + "old": 2 * abandoned, temporary + "young": 0} {
		path := filepath.Join(folder, file)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, folder, 1<<20)
	c.trims.Wait()
	for file, want := range map[string]bool{temporary + "old": false, temporary + "young": true} {
		if _, err := os.Stat(filepath.Join(folder, file)); (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

package blockcache

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Cache is a folder of blocks.
type Cache struct {
	root *os.Root
	most int64  // bytes
	once string // begins the names of those that are being written

	mu       sync.Mutex // guards what follows
	written  int64      // bytes, since the folder was last looked at
	trimming bool
	trims    sync.WaitGroup
}

// A block's file has the block, its CRC-32C, that of its name, and its length.
const trailer = 4 + 4 + 8

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

// fresh is how long a block that was used counts as used just now.
const fresh = time.Minute

// Open opens a folder, which it makes if need be, for blocks of so many bytes. Nobody else
// can read it.
func Open(folder string, most int64) (*Cache, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("cache %q: %w", folder, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("cache %q: %w", folder, err)
	}
	c := &Cache{root: root, most: most, once: temporary + rand.Text(), written: most}
	c.trimIfFull(0)
	return c, nil
}

// Close ends what the cache does by itself.
func (c *Cache) Close() error {
	c.trims.Wait()
	return c.root.Close()
}

// placeOf is the file of a block.
func placeOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	text := hex.EncodeToString(sum[:20])
	return filepath.Join(text[:2], text[2:])
}

// seal is what stands behind a block, whose CRC-32C is sum.
func seal(name string, length int, sum uint32) (end [trailer]byte) {
	order.PutUint32(end[:], sum)
	order.PutUint32(end[4:], crc32.Checksum([]byte(name), castagnoli))
	order.PutUint64(end[8:], uint64(length))
	return end
}

// Get fills in a block of a length, and reports its CRC-32C and whether it was there. One that is
// not whole is removed.
func (c *Cache) Get(name string, block []byte) (sum uint32, there bool) {
	at := placeOf(name)
	file, err := c.root.Open(at)
	if err != nil {
		return 0, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, false
	}
	if length := int64(len(block)); info.Size() == length+trailer {
		var end [trailer]byte
		if _, err := file.ReadAt(block, 0); err != nil {
			return 0, false
		}
		if _, err := file.ReadAt(end[:], length); err != nil {
			return 0, false
		}
		if sum = crc32.Checksum(block, castagnoli); end == seal(name, len(block), sum) {
			if now := time.Now(); now.Sub(info.ModTime()) > fresh {
				_ = c.root.Chtimes(at, now, now)
			}
			return sum, true
		}
	}
	_ = c.root.Remove(at)
	return 0, false
}

// Put keeps a block, whose CRC-32C is sum. Where that cannot be done, it is not kept.
func (c *Cache) Put(name string, block []byte, sum uint32) {
	end := seal(name, len(block), sum)
	if c.write(placeOf(name), block, end[:]) == nil {
		c.trimIfFull(int64(len(block) + trailer))
	}
}

// temporary begins the names of files that are being written.
const temporary = "new-"

// write makes a file, whole or not at all for all who look.
func (c *Cache) write(at string, content, end []byte) error {
	if err := c.root.Mkdir(filepath.Dir(at), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fresh := c.once + rand.Text()
	file, err := c.root.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		_, err = file.Write(end)
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = c.root.Rename(fresh, at)
	}
	if err != nil {
		return errors.Join(err, c.root.Remove(fresh))
	}
	return nil
}

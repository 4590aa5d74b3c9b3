package segments

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"rvffs/lineage"
)

// testIdentity is the identity of the stores that tests build.
var testIdentity = lineage.Identity{FileID: lineage.FileID{1, 2, 3}, ParentID: lineage.FileID{4}, ParentHash: lineage.Hash{5}, Depth: 6}

// storeBuilder writes a store file in the runtime dialect, in memory.
type storeBuilder struct {
	bytes     []byte
	directory []DirectoryEntry
	deleted   []uint64
	epoch     uint32
	nextID    uint64
	sameIDs   bool // give every segment the id 1
	anonymous bool // write manifests without identity
}

// encodeSegment returns header and payload with the hash of the runtime
// dialect.
func encodeSegment(kind Type, id uint64, payload []byte) []byte {
	h := Header{Version: HeaderVersion, Type: kind, ID: id, PayloadLength: uint64(len(payload)), ContentHash: ContentHash(payload)}
	header := h.Encode()
	return append(header[:], payload...)
}

// add appends a segment and returns it; the next manifest names it.
func (b *storeBuilder) add(kind Type, payload []byte) Segment {
	s := b.orphan(kind, payload)
	b.directory = append(b.directory, entryOf(s))
	return s
}

// orphan appends a segment that no manifest names.
func (b *storeBuilder) orphan(kind Type, payload []byte) Segment {
	if b.nextID++; b.sameIDs {
		b.nextID = 1
	}
	encoded := encodeSegment(kind, b.nextID, payload)
	header, err := ParseHeader(encoded)
	if err != nil {
		panic(err)
	}
	s := Segment{Header: header, Offset: int64(len(b.bytes))}
	b.bytes = append(b.bytes, encoded...)
	return s
}

// manifest returns the next manifest as it would be written now.
func (b *storeBuilder) manifest() *Manifest {
	return &Manifest{
		Epoch: b.epoch, Dimension: 4, Directory: append([]DirectoryEntry(nil), b.directory...),
		Deleted: b.deleted, Identity: testIdentity, HasIdentity: !b.anonymous,
	}
}

// commit appends a manifest.
func (b *storeBuilder) commit() Segment {
	m := b.manifest()
	if !m.HasIdentity {
		m.Identity = lineage.Identity{}
	}
	b.epoch++
	return b.orphan(TypeManifest, m.Encode())
}

// raw appends bytes as they are.
func (b *storeBuilder) raw(p []byte) { b.bytes = append(b.bytes, p...) }

func (b *storeBuilder) find(t *testing.T) *State {
	t.Helper()
	return mustFind(t, b.bytes)
}

func mustFind(t *testing.T, file []byte) *State {
	t.Helper()
	s, err := FindState(bytes.NewReader(file), int64(len(file)), FindOptions{})
	if err != nil {
		t.Fatalf("FindState: %v", err)
	}
	return s
}

func entryOf(s Segment) DirectoryEntry {
	return DirectoryEntry{SegmentID: s.ID, Offset: s.Offset, PayloadLength: s.PayloadLength, Type: s.Type}
}

// vecPayload returns a payload with the given ids; every element is id + its
// index.
func vecPayload(dimension int, ids ...uint64) []byte {
	prefix := EncodeVecPrefix(uint16(dimension), uint32(len(ids)))
	b := prefix[:]
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, id)
		for i := range dimension {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(id)+float32(i)))
		}
	}
	return b
}

// twoCommits returns a store of two commits: an empty one and one vector
// segment.
func twoCommits() (*storeBuilder, Segment) {
	b := &storeBuilder{}
	b.commit()
	b.add(TypeVec, vecPayload(4, 1, 2, 3))
	return b, b.commit()
}

// fakeManifest returns a complete manifest segment, hash and all, that claims
// the epoch 999 and names what is given.
func fakeManifest(directory []DirectoryEntry, deleted ...uint64) []byte {
	m := &Manifest{Epoch: 999, Dimension: 4, Directory: directory, Deleted: deleted, Identity: testIdentity, HasIdentity: true}
	return encodeSegment(TypeManifest, 999, m.Encode())
}

// disguise puts data into the rows of a vector payload of dimension 4, where
// it begins behind the prefix and lead bytes of vectors. It tells where.
func disguise(data []byte, lead, behind int) (payload []byte, at int) {
	body := append(bytes.Repeat([]byte{0x3F}, lead), data...)
	body = append(body, bytes.Repeat([]byte{0x40}, behind)...)
	for len(body)%RowSize(4) != 0 {
		body = append(body, 0x41)
	}
	prefix := EncodeVecPrefix(4, uint32(len(body)/RowSize(4)))
	return append(prefix[:], body...), VecPrefixSize + lead
}

// examples returns the folder of published stores, or skips the test.
func examples(t *testing.T) string {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			t.Skip("no go.mod above the test")
		}
		directory = parent
	}
	directory = filepath.Join(directory, "..", "shared", "examples")
	if _, err := os.Stat(directory); err != nil {
		t.Skip("no example stores here")
	}
	return directory
}

// generated is a file whose bytes behind head are made up while they are read.
type generated struct {
	head []byte
	tail func(p []byte, offset int64) // offset counts from the end of head
	size int64
}

func (g *generated) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= g.size {
		return 0, io.EOF
	}
	var err error
	if rest := g.size - offset; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	n := 0
	if offset < int64(len(g.head)) {
		n = copy(p, g.head[offset:])
	}
	if n < len(p) {
		g.tail(p[n:], offset+int64(n)-int64(len(g.head)))
	}
	return len(p), err
}

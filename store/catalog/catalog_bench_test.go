package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
)

// storeImage is a whole store file of one small segment and a manifest that
// gives it the identity.
func storeImage(identity lineage.Identity) []byte {
	image := appendSegment(nil, 1, segments.TypeVec, make([]byte, 1200))
	manifest := segments.Manifest{
		Dimension: 300, Identity: identity, HasIdentity: true, Epoch: 1,
		Directory: []segments.DirectoryEntry{{SegmentID: 1, PayloadLength: 1200, Type: segments.TypeVec}},
	}
	return appendSegment(image, 2, segments.TypeManifest, manifest.Encode())
}

func appendSegment(image []byte, id uint64, kind segments.Type, payload []byte) []byte {
	header := segments.Header{
		Version: 1, Type: kind, ID: id, PayloadLength: uint64(len(payload)),
		ContentHash: segments.ContentHash(payload),
	}
	encoded := header.Encode()
	return append(append(image, encoded[:]...), payload...)
}

// manyStores fills a directory with tiny stores, each tenth derived from the one
// before it.
func manyStores(tb testing.TB, count int) string {
	tb.Helper()
	directory := tb.TempDir()
	var former lineage.Identity
	for i := range count {
		id, err := lineage.NewFileID()
		if err != nil {
			tb.Fatal(err)
		}
		identity := lineage.Identity{FileID: id}
		if i%10 == 9 {
			identity.ParentID, identity.Depth = former.FileID, 1
		}
		name := filepath.Join(directory, fmt.Sprintf("store%05d.rvf", i))
		if err := os.WriteFile(name, storeImage(identity), 0o644); err != nil {
			tb.Fatal(err)
		}
		former = identity
	}
	return directory
}

// BenchmarkListing is the first listing of a folder of 10,000 stores.
func BenchmarkListing(b *testing.B) {
	directory := manyStores(b, 10000)
	b.ReportAllocs()
	for b.Loop() {
		c, err := openDirectory(directory, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if entries, err := c.Root().List(context.Background()); err != nil || len(entries) != 10000 {
			b.Fatal(len(entries), err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstTouch is a listing of 1,000 stores and the first look into each.
func BenchmarkFirstTouch(b *testing.B) {
	const count = 1000
	ctx := context.Background()
	directory := manyStores(b, count)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c, err := openDirectory(directory, Options{ReadOnly: true})
		if err != nil {
			b.Fatal(err)
		}
		entries, err := c.Root().List(ctx)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for _, entry := range entries {
			if entry.Kind != KindStore {
				continue
			}
			if _, err := entry.Store.Snapshot(ctx); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

package state

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rvffs/segments"
)

func TestViewTree(t *testing.T) {
	t.Parallel()
	view := func(text string) NamedView { return NamedView{Name: text, View: TextView([]byte(text))} }
	tree := NewViewTree([]NamedView{view("image"), view("all/1/image"), view("all/1/cmdline"), view("all/2/image"), view("image"), view("image/x"), view("all")})
	list := func(folder ViewFolder) (names []string) {
		for i := range folder.Len() {
			name, below := folder.Name(i)
			view, inner := folder.Find(name)
			if (view == nil) == (inner == nil) || below != (inner != nil) {
				t.Errorf("%s: a file %v and a folder %v", name, view, inner)
			}
			names = append(names, name)
		}
		return names
	}
	if got := list(tree); !slices.Equal(got, []string{"image", "all"}) {
		t.Errorf("%q", got)
	}
	_, all := tree.Find("all")
	if got := list(all); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("%q", got)
	}
	_, one := all.Find("1")
	if got := list(one); !slices.Equal(got, []string{"image", "cmdline"}) {
		t.Errorf("%q", got)
	}
	if view, _ := one.Find("cmdline"); view.Size() != int64(len("all/1/cmdline")) {
		t.Error("another file was found")
	}
	if view, folder := tree.Find("al"); view != nil || folder != nil {
		t.Error("something was found that is not there")
	}
}

// namedSegments is a snapshot that names count segments of one row each; every tenth
// has the id of the one before it.
func namedSegments(count int) *Snapshot {
	manifest := &segments.Manifest{Dimension: 1}
	const length = 64 + 6 + 12
	for i := range count {
		id := uint64(i)
		if i%10 == 9 {
			id--
		}
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{SegmentID: id, Offset: int64(i) * length, PayloadLength: length - 64, Type: segments.TypeVec})
	}
	newest := segments.Segment{Offset: int64(count) * length, Header: segments.Header{ID: uint64(count), Type: segments.TypeManifest, PayloadLength: 100}}
	return NewSnapshot(&Backing{}, &segments.State{Manifest: manifest, Segment: newest, End: newest.End()}, time.Now())
}

// TestSegmentFolder finds every segment by its one name, and by no other.
func TestSegmentFolder(t *testing.T) {
	t.Parallel()
	snapshot := namedSegments(100)
	snapshot.Manifest().Directory[50].PayloadLength = 1 << 40 // longer than the file
	snapshot.Manifest().Directory[51].Offset = 1 << 40        // outside of it
	folder, err := snapshot.Segments(t.Context())
	if err != nil || folder.Len() != 99 { // with the manifest, without those two
		t.Fatalf("%d, %v", folder.Len(), err)
	}
	seen := map[string]bool{}
	for i := range folder.Len() {
		name, below := folder.Name(i)
		view, _ := folder.Find(name)
		if below || view == nil || seen[name] {
			t.Fatalf("%s: %v", name, view)
		}
		seen[name] = true
	}
	for name, offset := range map[string]int64{"000000-vec.seg": 0, "000008-vec@656.seg": 656, "000008-vec@738.seg": 738, "000100-manifest.seg": 8200} {
		view, _ := folder.Find(name)
		if file, ok := view.(fileView); !ok || file.offset != offset {
			t.Errorf("%s: %+v", name, view)
		}
	}
	for _, name := range []string{
		"", "vec", "0-vec.seg", "00000-vec.seg", "0000000-vec.seg", "000000-vec@0.seg", "000000-index.seg", "000000-vec", "000008-vec.seg",
		"000008-vec@657.seg", "000008-vec@0656.seg", "000051-vec.seg", "000101-vec.seg", "-1-vec.seg", "+00001-vec.seg", "18446744073709551616-vec.seg",
	} {
		if view, below := folder.Find(name); view != nil || below != nil {
			t.Errorf("%q was found", name)
		}
	}
}

// BenchmarkSegmentFolder opens the folder of many segments and finds each by its
// name. What one costs must not grow with their number.
func BenchmarkSegmentFolder(b *testing.B) {
	for _, count := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for b.Loop() {
				folder, err := namedSegments(count).Segments(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for i := range folder.Len() {
					name, _ := folder.Name(i)
					if view, _ := folder.Find(name); view == nil {
						b.Fatal(name)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/name")
		})
	}
}

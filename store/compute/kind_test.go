package compute

import (
	"path"
	"testing"
)

// TestKindsAreWhole looks at each row of the table for what every kind must have, and at
// all of them for what no two may share.
func TestKindsAreWhole(t *testing.T) {
	t.Parallel()
	folders := map[string]bool{}
	for _, kind := range Kinds {
		if KindOf(kind.Type) != kind {
			t.Errorf("%s: another kind has the same type", kind)
		}
		if kind.Folder == "" || folders[kind.Folder] {
			t.Errorf("%s: the folder %q is that of another kind", kind, kind.Folder)
		}
		folders[kind.Folder] = true
		if kind.headerSize <= 0 || kind.headerSize > PrefixSize || kind.payloadLimit <= kind.headerSize {
			t.Errorf("%s: a header of %d bytes, a payload of up to %d, of which %d are looked at", kind, kind.headerSize, kind.payloadLimit, PrefixSize)
		}
		whole := 0
		for part, becomes := range kind.parts() {
			of, found, known := part.of()
			if path.Dir(string(part)) != kind.Folder || !known || of != kind || found.limit != becomes.limit {
				t.Errorf("%s: the part %s is not its own", kind, part)
			}
			if becomes.embed == nil || becomes.limit <= 0 || becomes.limit > kind.payloadLimit {
				t.Errorf("%s: %s of %d bytes can not be embedded", kind, part, becomes.limit)
			}
			if !becomes.needsImage {
				whole++
			}
		}
		if whole != min(len(kind.parts()), 1) {
			t.Errorf("%s: %d parts are the image", kind, whole)
		}
	}
	if Part("kernel/other").Known() || Part("image").Known() {
		t.Error("a part is known that no kind has")
	}
}

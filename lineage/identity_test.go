package lineage

import (
	"errors"
	"math"
	"testing"
)

func TestFileID(t *testing.T) {
	t.Parallel()
	id, err := NewFileID()
	if err != nil || id.IsZero() {
		t.Fatalf("%v, %v", id, err)
	}
	other, err := NewFileID()
	if err != nil || id == other {
		t.Errorf("%v twice, %v", id, err)
	}
	if text := (FileID{0x0a, 15: 0xff}).String(); text != "0a0000000000000000000000000000ff" {
		t.Errorf("written as %s", text)
	}
	if !(FileID{}).IsZero() || !(Hash{}).IsZero() || (Hash{31: 1}).IsZero() {
		t.Error("IsZero")
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	want := Identity{FileID{1}, FileID{2}, Hash{3}, 4}
	b, err := want.AppendBinary([]byte("x"))
	if err != nil || len(b) != 1+IdentitySize {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if got, err := ParseIdentity(b[1:]); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseIdentity(b[2:]); !errors.Is(err, ErrShortIdentity) {
		t.Errorf("short: %v", err)
	}
	if want.IsRoot() || !(Identity{FileID: FileID{1}}).IsRoot() {
		t.Error("IsRoot")
	}
}

func TestCheckLink(t *testing.T) {
	t.Parallel()
	root := Identity{FileID: FileID{1}}
	child := Identity{FileID: FileID{2}, ParentID: FileID{1}, Depth: 1}
	deepest := Identity{FileID: FileID{3}, ParentID: FileID{2}, Depth: math.MaxUint32}
	for name, c := range map[string]struct {
		child, parent Identity
		want          error
	}{
		"right":        {child, root, nil},
		"reversed":     {root, child, ErrNotParent},
		"root":         {root, Identity{}, ErrNotParent},
		"other":        {child, deepest, ErrNotParent},
		"self":         {Identity{FileID: FileID{1}, ParentID: FileID{1}, Depth: 1}, root, ErrSelf},
		"too deep":     {Identity{FileID: FileID{2}, ParentID: FileID{1}, Depth: 2}, root, ErrDepth},
		"not deep":     {Identity{FileID: FileID{2}, ParentID: FileID{1}}, root, ErrDepth},
		"wrapped over": {Identity{FileID: FileID{4}, ParentID: FileID{3}}, deepest, ErrDepth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := CheckLink(c.child, c.parent); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

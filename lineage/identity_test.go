package lineage

import (
	"errors"
	"math"
	"strings"
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
	for _, text := range []string{id.String(), strings.ToUpper(id.String())} {
		if got, err := ParseFileID(text); got != id || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", id.String() + "00", id.String()[:31], "zz" + id.String()[2:], " " + id.String()[1:]} {
		if _, err := ParseFileID(text); !errors.Is(err, ErrFileID) {
			t.Errorf("%q: %v", text, err)
		}
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

func TestMatchParentHash(t *testing.T) {
	t.Parallel()
	manifest, tail := []byte("manifest"), make([]byte, TailSize)
	tail[0] = 9
	for name, c := range map[string]struct {
		want           Hash
		manifest, tail []byte
		method         HashMethod
	}{
		"shake":              {Shake256(manifest), manifest, tail, HashShakeManifest},
		"fold":               {Fold(tail), manifest, tail, HashFoldTail},
		"fold of a longer":   {Fold(tail), manifest, append([]byte("before"), tail...), HashFoldTail},
		"fold of a short":    {Fold([]byte("tail")), nil, []byte("tail"), HashFoldTail},
		"neither":            {Hash{1}, manifest, tail, ""},
		"other way round":    {Shake256(tail), manifest, tail, ""},
		"zero":               {Hash{}, nil, nil, ""},
		"nothing to compare": {Shake256(nil), nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, ok := MatchParentHash(c.want, c.manifest, c.tail)
			if method != c.method || ok != (c.method != "") {
				t.Errorf("got %q, %v", method, ok)
			}
			if again, _ := (ParentState{c.manifest, c.tail}).Match(c.want); again != method {
				t.Errorf("Match says %q", again)
			}
		})
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	entries := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	var c Chain
	for i, step := range []struct {
		payload  []byte
		previous Hash
		want     ChainStatus
	}{
		{entries[0], Hash{}, ChainStart},
		{entries[1], WitnessHash(entries[0]), ChainLinked},
		{entries[2], WitnessHash(entries[0]), ChainBroken},
		{entries[0], WitnessHash(entries[2]), ChainLinked},
		{entries[1], Hash{}, ChainStart},
	} {
		if got := c.Next(step.payload, step.previous); got != step.want {
			t.Errorf("entry %d: %v, want %v", i, got, step.want)
		}
	}
	if c.Last() != WitnessHash(entries[1]) {
		t.Error("Last")
	}
	var broken Chain
	if got := broken.Next(entries[0], Hash{1}); got != ChainBroken {
		t.Errorf("first entry with a previous one: %v", got)
	}
	if ChainStart.String()+ChainLinked.String()+ChainBroken.String() != "startlinkedbroken" {
		t.Error("String")
	}
}

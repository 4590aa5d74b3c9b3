package store

import (
	"bytes"
	"crypto/sha3"
	"os"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
)

// shake256 is the digest that the format prescribes.
func shake256(data []byte) lineage.Hash {
	return lineage.Hash(sha3.SumSHAKE256(data, lineage.HashSize))
}

// TestParentHashesOfAllStates: a hash that was taken of any state of the file is found
// again, by the one method or the other, and nothing else is.
func TestParentHashesOfAllStates(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for range 3 {
		bring(t, s, nil, make([]float32, 10000)...) // longer than what is folded
	}
	content, err := os.ReadFile(s.file.Path())
	if err != nil {
		t.Fatal(err)
	}
	find := func(want lineage.Hash) *lineage.PastState {
		history, err := s.Current().History(t.Context(), lineage.Descent{Hash: want})
		if err != nil || history.Attested != nil || history.Torn != "" {
			t.Errorf("%+v, %v", history, err)
		}
		return history.Held
	}
	states := 0
	walker := segments.NewWalker(bytes.NewReader(content), 0, int64(len(content)))
	for walker.Next() {
		if walker.Segment().Type != segments.TypeManifest {
			continue
		}
		states++
		end := walker.End()
		manifest, tail := content[walker.Segment().PayloadOffset():end], content[max(0, end-lineage.TailSize):end]
		for method, hash := range map[lineage.HashMethod]lineage.Hash{lineage.HashShakeManifest: shake256(manifest), lineage.HashFoldTail: lineage.Fold(tail)} {
			if found := find(hash); found == nil || found.Method != method || found.Offset != walker.Segment().Offset {
				t.Errorf("%s of the state that ends at %d: %+v", method, end, found)
			}
		}
		for what, hash := range map[string]lineage.Hash{"the other way round": shake256(tail), "a fold of the manifest": lineage.Fold(manifest), "a fold of less": lineage.Fold(tail[1:])} {
			if found := find(hash); found != nil {
				t.Errorf("%s of the state that ends at %d: %+v", what, end, found)
			}
		}
	}
	if states != 4 {
		t.Errorf("%d states", states)
	}
	for what, hash := range map[string]lineage.Hash{"no hash": {}, "the hash of nothing": shake256(nil)} {
		if found := find(hash); found != nil {
			t.Errorf("%s: %+v", what, found)
		}
	}
}

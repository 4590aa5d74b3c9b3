package store

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/storetest"
)

// pastState is what a child could have recorded at one state of a store file.
type pastState struct {
	epoch       uint32
	shake, fold lineage.Hash
}

// pastStates lists them in a file; with the folds of the last ones.
func pastStates(t *testing.T, content []byte, folded int) (past []pastState) {
	t.Helper()
	var ends []int64
	walker := segments.NewWalker(bytes.NewReader(content), 0, int64(len(content)))
	for walker.Next() {
		if walker.Segment().Type != segments.TypeManifest {
			continue
		}
		payload := content[walker.Segment().PayloadOffset():walker.End()]
		manifest, err := segments.ParseManifest(payload)
		if err != nil {
			t.Fatal(err)
		}
		past, ends = append(past, pastState{epoch: manifest.Epoch, shake: shake256(payload)}), append(ends, walker.End())
	}
	for i, end := range ends {
		if i >= len(ends)-folded {
			past[i].fold = lineage.Fold(content[max(0, end-lineage.TailSize):end])
		}
	}
	return past
}

// bytesOf is the store's file.
func bytesOf(t *testing.T, s *Store) []byte {
	t.Helper()
	content, err := os.ReadFile(s.file.Path())
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// attested checks that the store tells of all these states by what it holds or has
// recorded: by all methods, but the fold of those that are too old for it.
func attested(t *testing.T, s *Store, past []pastState, folded int) {
	t.Helper()
	for i, state := range past {
		for method, from := range map[lineage.HashMethod]lineage.Descent{
			lineage.HashShakeManifest: {Hash: state.shake, Recorded: true, Epoch: state.epoch},
			lineage.HashFoldTail:      {Hash: state.fold},
		} {
			history, err := s.Current().History(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			if method == lineage.HashFoldTail && i < len(past)-folded {
				if history.Held != nil || history.Attested != nil {
					t.Errorf("epoch %d is known by its fold: %+v", state.epoch, history)
				}
				continue
			}
			if got := history.Attested; got == nil || got.Method != method || got.Epoch != state.epoch {
				t.Errorf("epoch %d by %s: %+v, %+v", state.epoch, method, got, history)
			}
		}
	}
	for what, from := range map[string]lineage.Descent{
		"a hash of no state":               {Hash: lineage.Hash{1}},
		"the right hash at another epoch":  {Hash: past[0].shake, Recorded: true, Epoch: past[0].epoch + 1},
		"the other method's hash":          {Hash: past[len(past)-1].fold, Recorded: true, Epoch: past[len(past)-1].epoch},
		"no hash, as the store itself has": {},
	} {
		history, err := s.Current().History(t.Context(), from)
		if err != nil || history.Held != nil || history.Attested != nil {
			t.Errorf("%s: %+v, %v", what, history, err)
		}
	}
}

// TestCompactionsRecordWhatTheyDrop: after any number of compactions each state that the
// store ever had is attested.
func TestCompactionsRecordWhatTheyDrop(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var past []pastState
	for round := range 4 {
		for i := range round { // none in the first
			bring(t, s, nil, float32(i), 1)
			if _, err := s.Delete(t.Context(), []uint64{uint64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		past = append(past, pastStates(t, bytesOf(t, s), 99)...)
		if _, err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		attested(t, s, past, len(past))
	}
	chain, err := auditChain(t.Context(), s.Current())
	if err != nil || chain[0].Action != "drop:states=1,first_epoch=0,last_epoch=0,ends=1" || chain[1].Kind != "computation" {
		t.Errorf("the first compaction tells %+v, %v", chain, err)
	}
	for i, entry := range chain {
		if (entry.Verdict == "linked") != (i > 0) {
			t.Errorf("entry %d is %s: %+v", i, entry.Verdict, entry)
		}
	}
	if found := verify(t, s.Current()); len(found.Findings) > 0 {
		t.Errorf("%s", describeFindings(found))
	}
	// A record that was changed is not believed.
	flip(t, s, chain[0].Offset+segments.HeaderSize+25)
	history, err := s.Current().History(t.Context(), lineage.Descent{Hash: past[0].shake})
	if err != nil || history.Attested != nil || !history.Unrecorded {
		t.Errorf("by a damaged record: %+v, %v", history, err)
	}
}

// TestManyDroppedStates has a hundred thousand states dropped at once, in little memory and
// into a small record.
func TestManyDroppedStates(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a hundred thousand manifests")
	}
	const count = 100_000
	identity := lineage.Identity{FileID: lineage.FileID{1}}
	var content []byte
	for epoch := range uint32(count) {
		payload := (&segments.Manifest{Epoch: epoch, Dimension: 2, Identity: identity, HasIdentity: true}).Encode()
		content = append(content, rawSegment(segments.TypeManifest, string(payload))...)
	}
	name := filepath.Join(t.TempDir(), "a.rvf")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: storetest.Shelf(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	past := pastStates(t, content, lineage.MaxDroppedEnds+1)
	for what, from := range map[string]lineage.Descent{
		"the first, by the record":   {Hash: past[0].shake, Recorded: true},
		"the first":                  {Hash: past[0].shake},
		"the oldest fold":            {Hash: past[count-lineage.MaxDroppedEnds].fold},
		"none":                       {Hash: lineage.Hash{1}},
		"none of the record's epoch": {Hash: lineage.Hash{1}, Recorded: true, Epoch: 7},
	} {
		begun := time.Now()
		history, err := s.Current().History(t.Context(), from)
		if (history.Held == nil) != (from.Hash == lineage.Hash{1}) || err != nil {
			t.Errorf("%s: %+v, %v", what, history, err)
		}
		t.Logf("while all are there, %s takes %v", what, time.Since(begun))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	if _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	t.Logf("%d states: the file has %d bytes, the compaction took %v and allocated %d MiB", count, s.Current().Size(), took, (after.TotalAlloc-before.TotalAlloc)>>20)
	if size := s.Current().Size(); size > 9*count {
		t.Errorf("the file has %d bytes", size)
	}
	chain, err := auditChain(t.Context(), s.Current())
	if err != nil || !strings.HasPrefix(chain[0].Action, "drop:states=100000,first_epoch=0,last_epoch=99999,ends=4096") {
		t.Errorf("%+v, %v", chain, err)
	}
	var some []pastState
	random := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		some = append(some, past[random.IntN(count-lineage.MaxDroppedEnds-1)])
	}
	some = append(some, past[count-lineage.MaxDroppedEnds-1], past[count-lineage.MaxDroppedEnds], past[count-1])
	begun = time.Now()
	attested(t, s, some, 2)
	t.Logf("one verdict takes %v", time.Since(begun)/time.Duration(2*len(some)))
}

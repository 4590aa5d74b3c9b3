package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// auditEntry is one entry of an audit chain in the making.
type auditEntry struct {
	text   string
	peers  bool // written by the reference runtime, which leaves the time of segments zero
	follow lineage.Hash
}

func (e auditEntry) payload() []byte {
	return segments.Witness{Kind: segments.WitnessComputation, Timestamp: 7, Action: []byte(e.text), Previous: e.follow}.Encode()
}

func (e auditEntry) hash() lineage.Hash { return lineage.WitnessHash(e.payload()) }

// auditChainOf makes entries of which each follows the one before.
func auditChainOf(texts ...string) (entries []auditEntry) {
	var last lineage.Hash
	for _, text := range texts {
		entries = append(entries, auditEntry{text: text, follow: last})
		last = entries[len(entries)-1].hash()
	}
	return entries
}

// TestVerifyAuditChain: whatever is done to entries in the midst of a chain is found, and
// what the reference runtime does to it is no damage. All content hashes are right.
func TestVerifyAuditChain(t *testing.T) {
	t.Parallel()
	const anew, broken, inserted = "begins anew 1 times", "the entry that this one follows is not in front of it", "what stands between"
	whole := auditChainOf("a", "b", "c", "d")
	start := auditEntry{text: "ingest:count=1", peers: true}
	following := func(e auditEntry, text string, peers bool) auditEntry {
		return auditEntry{text: text, peers: peers, follow: e.hash()}
	}
	changed := slices.Clone(whole)
	changed[1].text = "B"
	compacted := auditEntry{text: "compact:segments_compacted=0", peers: true}
	for name, test := range map[string]struct {
		entries []auditEntry
		want    []finding
	}{
		"as it was":                        {whole, nil},
		"the reference runtime began anew": {slices.Concat(whole, []auditEntry{start, following(start, "e", true)}), []finding{{Note, anew}}},
		"we went on from there":            {slices.Concat(whole, []auditEntry{start, following(start, "e", false)}), []finding{{Note, anew}}},
		"one was removed":                  {slices.Delete(slices.Clone(whole), 1, 2), []finding{{Damage, broken}}},
		"the first was removed":            {whole[1:], []finding{{Damage, broken}}},
		"several were removed":             {slices.Delete(slices.Clone(whole), 0, 3), []finding{{Damage, broken}}},
		"one was changed":                  {changed, []finding{{Damage, broken}}},
		"two changed places":               {[]auditEntry{whole[0], whole[2], whole[1], whole[3]}, []finding{{Damage, inserted}, {Damage, inserted}, {Damage, broken}}},
		"one was inserted that follows":    {slices.Insert(slices.Clone(whole), 2, following(whole[1], "x", false)), []finding{{Damage, inserted}}},
		"one was inserted that follows none": {
			slices.Insert(slices.Clone(whole), 2, auditEntry{text: "x"}), []finding{{Damage, inserted}, {Note, anew}},
		},
		"one was inserted that follows what is not there": {
			slices.Insert(slices.Clone(whole), 2, auditEntry{text: "x", follow: lineage.Hash{1}}), []finding{{Damage, inserted}, {Damage, broken}},
		},
		"the reference runtime wrote beside us": {
			slices.Concat(whole, []auditEntry{following(whole[2], "e", true)}), []finding{{Note, "forks"}},
		},
		"its compaction lost one": {
			slices.Concat(whole[1:], []auditEntry{compacted, following(compacted, "e", false)}), []finding{{Note, "lacks the entry"}, {Note, anew}},
		},
		"one was removed behind its compaction": {
			slices.Concat([]auditEntry{compacted}, whole[1:]), []finding{{Damage, broken}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var content []byte
			add := func(kind segments.Type, timestamp uint64, payload []byte) {
				header := segments.Header{
					Version: 1, Type: kind, ID: uint64(len(content)) + 1, Timestamp: timestamp,
					PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
				}.Encode()
				content = append(append(content, header[:]...), payload...)
			}
			for _, entry := range test.entries {
				timestamp := uint64(9)
				if entry.peers {
					timestamp = 0
				}
				add(segments.TypeWitness, timestamp, entry.payload())
			}
			identity := lineage.Identity{FileID: lineage.FileID{1}}
			add(segments.TypeManifest, 9, (&segments.Manifest{Dimension: 2, Identity: identity, HasIdentity: true}).Encode())
			name := filepath.Join(t.TempDir(), "a.rvf")
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			shelf := storetest.Shelf(t, name)
			wantFindings(t, verify(t, reopenStore(t, &Store{shelf: shelf, file: filelog.New(filelog.Place{Files: filelog.FilesOf(shelf), Name: "a.rvf"}, volume.LogOptions{})})), test.want...)
		})
	}
}

// TestDamagedEntryIsFollowed: whatever became of the newest entry, the next one follows it,
// and begins no second chain.
func TestDamagedEntryIsFollowed(t *testing.T) {
	t.Parallel()
	long := segments.Witness{Action: make([]byte, lineage.MaxDroppedSize+100)}.Encode()
	for name, newest := range map[string][]byte{
		"too short to be one": []byte("x"),
		"too long to be one":  long,
		"cut":                 auditEntry{text: "ingest:count=1"}.payload()[:30],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := volumes.New()
			content := newFileContent{
				manifest: &segments.Manifest{Dimension: 2, HasIdentity: true, Identity: lineage.Identity{FileID: lineage.FileID{1}}},
				before:   []volume.NewSegment{{Type: segments.TypeWitness, Payload: auditEntry{text: "first"}.payload()}, {Type: segments.TypeWitness, Payload: newest}},
			}
			if err := writeNew(t.Context(), filelog.Shelf{Files: files}, "a.rvf", content); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			bring(t, s, nil, 1, 2)
			if _, err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantFindings(t, verify(t, s.Current()), finding{Damage, "the entry is damaged"})
			chain, err := auditChain(t.Context(), s.Current())
			if err != nil {
				t.Fatal(err)
			}
			var verdicts []state.AuditVerdict
			for _, entry := range chain {
				verdicts = append(verdicts, entry.Verdict)
			}
			if want := []state.AuditVerdict{state.AuditStart, state.AuditDamaged, state.AuditLinked, state.AuditLinked, state.AuditLinked}; !slices.Equal(verdicts, want) {
				t.Errorf("%v, want %v", verdicts, want)
			}
		})
	}
}

package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// TestDamagedRecordsOfBranchesAreNotCompactedAway flips a bit of each byte of the list of
// branches, of a state that is kept for one, of the vectors that it names, and of the audit
// entries, while the branch is out of sight. Where that is damage the parent is not compacted, and when the bit is right again
// the branch shows what it did; otherwise it does so at once. Who forgets what is damaged gets a
// store without damage. A branch that is flattened beside it shows what it did, or is not.
func TestDamagedRecordsOfBranchesAreNotCompactedAway(t *testing.T) {
	t.Parallel()
	g := newGrove(t)
	g.bring("0.rvf", run(0, 6), 0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1)
	g.branch("0.rvf", "1.rvf")
	g.bring("0.rvf", []uint64{2}, 9, 9)
	remove(t, g.stores["0.rvf"], 3)
	if _, err := g.stores["0.rvf"].Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.check("1.rvf")
	content := slices.Clone(g.files.Content("0.rvf"))
	records := slices.Concat(g.stores["0.rvf"].Current().OfType(segments.TypeBranches), g.stores["0.rvf"].Current().OfType(segments.TypeKeptState))
	err := g.stores["0.rvf"].Current().With(t.Context(), state.Judging, func(in *state.Reading) error {
		return in.EachKept(func(named segments.DirectoryEntry, _ segments.Segment, err error) error {
			records = append(records, named)
			return err
		})
	})
	if err != nil || len(records) != 4 {
		t.Fatalf("there are %d records, so this tests nothing, %v", len(records), err)
	}
	walker := segments.NewWalker(bytes.NewReader(content), 0, int64(len(content)))
	for walker.Next() {
		if walker.Segment().Type == segments.TypeWitness {
			records = append(records, state.EntryOf(walker.Segment()))
		}
	}
	branch := slices.Clone(g.files.Content("1.rvf"))
	live := g.stores["0.rvf"].Current().Vectors()
	shown := g.hold["1.rvf"]
	refused := 0
	for _, record := range records {
		for at := record.Offset; at < record.Offset+segments.HeaderSize+int64(record.PayloadLength); at++ {
			where := fmt.Sprintf("%s, byte %d", record.Type, at-record.Offset)
			flipped := slices.Clone(content)
			flipped[at] ^= 4
			g.replace("0.rvf", flipped)
			if _, err := g.stores["1.rvf"].Flatten(t.Context()); err == nil {
				g.check("1.rvf")
			}
			g.replace("1.rvf", branch)
			g.replace("0.rvf", flipped)
			var err error
			g.away("1.rvf", func() {
				if _, err = g.stores["0.rvf"].Delete(t.Context(), []uint64{4}); err == nil {
					_, err = g.stores["0.rvf"].Compact(t.Context())
				}
			})
			if err != nil {
				refused++
				if !errors.Is(err, volume.ErrCorrupt) {
					t.Errorf("%s: %v", where, err)
				}
				status, statusErr := g.stores["0.rvf"].Status(t.Context())
				if statusErr != nil || record.Type != segments.TypeVec && status.Damage == "" {
					t.Errorf("%s: the status tells of no damage, %v", where, statusErr)
				}
				now := slices.Clone(g.files.Content("0.rvf"))
				now[at] ^= 4
				g.replace("0.rvf", now)
			}
			g.reopen("1.rvf")
			g.hold["1.rvf"] = shown
			if lost := shows(t, g.stores["1.rvf"]); lost != nil {
				t.Errorf("%s: compaction: %v, and then: %v", where, err, lost)
				continue
			}
			g.check("1.rvf")
			if err == nil || slices.Contains(live, record) {
				continue
			}
			g.replace("0.rvf", flipped)
			g.away("1.rvf", func() {
				options := g.options()
				options.ForgetDamaged = true
				forgetful, err := Open(t.Context(), "0.rvf", options)
				if err == nil {
					_, err = forgetful.Compact(t.Context())
				}
				if err != nil {
					t.Fatalf("%s, forgetting it: %v", where, err)
				}
				found, err := forgetful.Verify(t.Context())
				if err != nil || slices.ContainsFunc(found.Findings, func(f Finding) bool { return f.Severity == Damage }) {
					t.Errorf("%s, forgotten: %+v, %v", where, found.Findings, err)
				}
				if err := forgetful.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if refused < 100 {
		t.Errorf("%d flips were refused", refused)
	}
}

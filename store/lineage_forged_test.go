package store

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// forgeField changes the payload of the last segment of a type that a store names, of the audit
// chain that of its derivation, and has its content hash say that it is right.
func forgeField(t *testing.T, s *Store, kind segments.Type, change func(payload []byte)) {
	t.Helper()
	var last segments.Segment
	err := s.Current().With(t.Context(), state.Looking, func(in *state.Reading) error {
		return in.Walk(func(segment segments.Segment) error {
			derivation := segment.Flags&segments.FlagHasLineage != 0
			if segment.Type == kind && (kind != segments.TypeWitness || derivation) {
				last = segment
			}
			return nil
		})
	})
	if err != nil || last.Type != kind {
		t.Fatalf("no %s is found: %v", kind, err)
	}
	changeFile(t, s, func(file filelog.File) error {
		payload := make([]byte, last.PayloadLength)
		if err := volume.ReadFull(file, payload, last.PayloadOffset()); err != nil {
			return err
		}
		change(payload)
		last.ContentHash = segments.ContentHash(payload)
		header := last.Encode()
		_, err := file.WriteAt(append(header[:], payload...), last.Offset)
		return err
	})
}

// judge is the verdict by the files given.
func judge(t *testing.T, s *Store, parents ...*Store) lineage.Verification {
	t.Helper()
	var relatives Relatives
	for _, parent := range parents {
		relatives.Parents = append(relatives.Parents, ParentFile{Name: parent.Path(), Use: func(_ context.Context, compare func(*state.Snapshot) error) error {
			return compare(parent.Current())
		}})
	}
	verdict, err := JudgeLineage(t.Context(), s.Current(), relatives)
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Verification
}

// identityAt is where the identity stands in a manifest's payload.
func identityAt(payload []byte) []byte { return payload[len(payload)-lineage.IdentitySize:] }

// recordAt is where the record of a derivation stands in an entry of the audit chain.
func recordAt(payload []byte) []byte { return payload[13:] }

// TestForgedLineages: of each field by which a child tells where it comes from, what becomes
// of it when another value stands in it and all hashes of the file are right. A branch shows
// what it showed, or nothing at all.
func TestForgedLineages(t *testing.T) {
	t.Parallel()
	const (
		identity, record = segments.TypeManifest, segments.TypeWitness
		cow, members     = segments.TypeCowMap, segments.TypeMembership
	)
	flipAt := func(at int) func([]byte) { return func(b []byte) { b[at] ^= 0x40 } }
	put := func(at int, value uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], value) }
	}
	inIdentity := func(change func([]byte)) func([]byte) { return func(b []byte) { change(identityAt(b)) } }
	inRecord := func(change func([]byte)) func([]byte) { return func(b []byte) { change(recordAt(b)) } }
	text := func(text string) func([]byte) {
		return func(b []byte) { clear(b[80:128]); b[80] = byte(len(text)); copy(b[81:], text) }
	}
	const (
		shows   = "shows"
		refuses = "refuses"
	)
	for name, test := range map[string]struct {
		kind   segments.Type
		change func([]byte)
		// Of a branch: the verdict, part of the reason, whether verify finds damage, and
		// whether it is shown.
		status lineage.Status
		reason string
		damage bool
		shown  string
		// Of an empty child, the verdict, if there is such a field.
		empty lineage.Status
	}{
		"nothing":                         {identity, func([]byte) {}, lineage.StatusVerified, "", false, shows, lineage.StatusVerified},
		"identity: file id":               {identity, inIdentity(flipAt(0)), lineage.StatusMismatch, "another store's", true, refuses, lineage.StatusMismatch},
		"identity: no file id":            {identity, inIdentity(func(b []byte) { clear(b[:16]) }), lineage.StatusMismatch, "another store's", true, refuses, lineage.StatusMismatch},
		"identity: parent id":             {identity, inIdentity(flipAt(16)), lineage.StatusMismatch, "another store", true, refuses, lineage.StatusMismatch},
		"identity: no parent id":          {identity, inIdentity(func(b []byte) { clear(b[16:32]) }), lineage.StatusDepth, "depth 1", true, refuses, lineage.StatusDepth},
		"identity: parent hash":           {identity, inIdentity(flipAt(32)), lineage.StatusMismatch, "than the identity", false, shows, lineage.StatusMismatch},
		"identity: no parent hash":        {identity, inIdentity(func(b []byte) { clear(b[32:64]) }), lineage.StatusMismatch, "than the identity", false, shows, lineage.StatusMismatch},
		"identity: depth":                 {identity, inIdentity(put(64, 2)), lineage.StatusDepth, "depth", true, refuses, lineage.StatusDepth},
		"identity: no depth":              {identity, inIdentity(put(64, 0)), lineage.StatusDepth, "depth", true, refuses, lineage.StatusDepth},
		"record: file id":                 {record, inRecord(flipAt(0)), lineage.StatusMismatch, "another store's", true, refuses, lineage.StatusMismatch},
		"record: parent id":               {record, inRecord(flipAt(16)), lineage.StatusMismatch, "another parent", true, refuses, lineage.StatusMismatch},
		"record: parent hash":             {record, inRecord(flipAt(32)), lineage.StatusMismatch, "one of the two files was changed", true, refuses, lineage.StatusMismatch},
		"record: no parent hash":          {record, inRecord(func(b []byte) { clear(b[32:64]) }), lineage.StatusUnmatched, "no hash", true, refuses, lineage.StatusMismatch},
		"record: type":                    {record, inRecord(func(b []byte) { b[64] = 4 }), lineage.StatusVerified, "", false, shows, lineage.StatusVerified},
		"record: an epoch that was":       {record, inRecord(put(68, 0)), lineage.StatusMismatch, "epoch", true, refuses, lineage.StatusMismatch},
		"record: an epoch that came":      {record, inRecord(put(68, 3)), lineage.StatusMismatch, "epoch", true, refuses, lineage.StatusMismatch},
		"record: an epoch to come":        {record, inRecord(put(68, 9)), lineage.StatusMismatch, "epoch", true, refuses, lineage.StatusMismatch},
		"record: time":                    {record, inRecord(flipAt(72)), lineage.StatusVerified, "", false, shows, lineage.StatusVerified},
		"record: another start":           {record, inRecord(text("copy")), lineage.StatusMismatch, "is a branch", true, refuses, lineage.StatusVerified},
		"record: a branch's start":        {record, inRecord(text("branch")), lineage.StatusVerified, "", false, shows, lineage.StatusMismatch},
		"record: somebody else's text":    {record, inRecord(text("hello")), lineage.StatusVerified, "", false, shows, lineage.StatusVerified},
		"record: another audit entry":     {record, inRecord(text("branch audit=" + strings.Repeat("5a", 16))), lineage.StatusUnmatched, "another way", true, refuses, lineage.StatusMismatch},
		"map: base id":                    {cow, flipAt(0x10), lineage.StatusMismatch, "another store", true, refuses, ""},
		"map: no base id":                 {cow, func(b []byte) { clear(b[0x10:0x20]) }, lineage.StatusMismatch, "another store", true, refuses, ""},
		"map: base hash":                  {cow, flipAt(0x20), lineage.StatusMismatch, "than the identity", false, shows, ""},
		"map: no base hash":               {cow, func(b []byte) { clear(b[0x20:0x40]) }, lineage.StatusMismatch, "than the identity", false, shows, ""},
		"map: another epoch":              {cow, put(0x45, 2), lineage.StatusMismatch, "than the record", true, refuses, ""},
		"map: no epoch, like the peer's":  {cow, put(0x45, 0), lineage.StatusVerified, "", false, shows, ""},
		"map: path":                       {cow, flipAt(0x51), lineage.StatusVerified, "", false, shows, ""},
		"map: length of the path":         {cow, put(0x49, 4), lineage.StatusMismatch, "cannot be read", true, refuses, ""},
		"map: magic":                      {cow, flipAt(0), lineage.StatusMismatch, "cannot be read", true, refuses, ""},
		"membership: another filter":      {members, flipAt(96), lineage.StatusVerified, "", true, refuses, ""},
		"membership: hash of the filter":  {members, flipAt(0x28), lineage.StatusVerified, "", true, refuses, ""},
		"membership: number of members":   {members, put(0x10, 8), lineage.StatusVerified, "", true, refuses, ""},
		"membership: number of ids":       {members, put(0x08, 100), lineage.StatusVerified, "", true, refuses, ""},
		"membership: kind of the filter":  {members, flipAt(6), lineage.StatusVerified, "", true, refuses, ""},
		"membership: size of the filter":  {members, put(0x20, 0), lineage.StatusVerified, "", true, refuses, ""},
		"membership: place of the filter": {members, put(0x18, 0), lineage.StatusVerified, "", true, refuses, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGrove(t)
			g.bring("0.rvf", run(0, 10), make([]float32, 20)...)
			g.branch("0.rvf", "1.rvf")
			g.bring("1.rvf", []uint64{3, 20}, 1, 1, 2, 2)
			remove(t, g.stores["1.rvf"], 4)
			delete(g.hold["1.rvf"], 4)
			if err := g.stores["0.rvf"].Derive(t.Context(), "2.rvf", DeriveOptions{}); err != nil {
				t.Fatal(err)
			}
			bring(t, g.stores["0.rvf"], []uint64{5, 6}, 7, 7, 7, 7)
			remove(t, g.stores["0.rvf"], 7)
			branch := g.stores["1.rvf"]
			forgeField(t, branch, test.kind, test.change)
			g.reopen("1.rvf")
			branch = g.stores["1.rvf"]
			got := judge(t, branch, g.stores["0.rvf"])
			if got.Status != test.status || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("a branch: %s: %s", got.Status, got.Reason)
			}
			found, err := branch.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			damage := slices.ContainsFunc(found.Findings, func(f Finding) bool {
				return f.Severity == Damage && !strings.Contains(f.Text, "audit chain")
			})
			if damage != test.damage {
				t.Errorf("damage %t: %s", damage, describeFindings(found))
			}
			switch _, err := branch.Sources(t.Context(), branch.Current()); {
			case test.shown == refuses && !errors.Is(err, volume.ErrCorrupt):
				t.Errorf("it is shown: %v", err)
			case test.shown == shows:
				g.check("1.rvf")
			}
			if test.empty == "" {
				return
			}
			open := func() *Store {
				s, err := Open(t.Context(), "2.rvf", g.options())
				if err != nil {
					t.Fatal(err)
				}
				return closedAtEnd(t, s)
			}
			forgeField(t, open(), test.kind, test.change)
			if got := judge(t, open(), g.stores["0.rvf"]); got.Status != test.empty {
				t.Errorf("an empty child: %s: %s", got.Status, got.Reason)
			}
		})
	}
}

// TestFiltersThatHide: a filter that names what a branch hides is none that a known program
// writes, and verify says so.
func TestFiltersThatHide(t *testing.T) {
	t.Parallel()
	for _, exclude := range []bool{false, true} {
		_, s := newBranch(t, exclude)
		closedAtEnd(t, s)
		if found := describeFindings(verify(t, s.Current())); strings.Contains(found, "names what the branch hides") != exclude {
			t.Errorf("exclude %t: %s", exclude, found)
		}
	}
}

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/recovery"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Severity tells how bad a finding is.
type Severity string

const (
	// Damage is what loses or falsifies something that the store shows.
	Damage Severity = "damage"
	// Note is what is worth knowing and takes nothing away.
	Note Severity = "note"
)

// Finding is one thing that a verification noticed.
type Finding struct {
	Severity Severity `json:"severity"`
	Offset   *int64   `json:"offset,omitempty"` // in the file, of what the text is about
	Text     string   `json:"text"`
}

// Verification is what a look at every byte of a store came to.
type Verification struct {
	Epoch       uint32          `json:"epoch"`
	Bytes       int64           `json:"bytes"`        // committed ones
	Live        int             `json:"live"`         // segments
	Dead        int             `json:"dead"`         // whole segments that nothing names
	Unverified  int             `json:"unverified"`   // segments without a hash that could be checked
	Witnesses   int             `json:"witnesses"`    // entries of the audit chain
	TotalStored uint64          `json:"total_stored"` // distinct ids, deleted ones included
	Damages     int             `json:"damages"`
	Notes       int             `json:"notes"`
	Findings    []Finding       `json:"findings"` // of each severity the first thousand
	Tails       []recovery.Tail `json:"tails,omitempty"`
}

// Verify is VerifySnapshot for the newest state that is known. It also finds what
// somebody has to decide upon, in the file and beside it.
func (s *Store) Verify(ctx context.Context) (Verification, error) {
	found, err := VerifySnapshot(ctx, s.Current())
	if err == nil {
		err = s.verifyInherited(ctx, &found)
	}
	if err == nil {
		err = s.verifyTails(ctx, &found)
	}
	return found, err
}

// verifyFile is Verify without a look at what a branch shows of its parent's, which stands in
// other files.
func (s *Store) verifyFile(ctx context.Context) (Verification, error) {
	found, err := VerifySnapshot(ctx, s.Current())
	if err == nil {
		err = s.verifyTails(ctx, &found)
	}
	return found, err
}

// verifyTails finds what somebody has to decide upon.
func (s *Store) verifyTails(ctx context.Context, found *Verification) (err error) {
	found.Tails, err = s.Tails(ctx)
	for i := range found.Tails {
		tail := &found.Tails[i]
		finding := Finding{Severity: Damage, Text: tail.Tell(s.file.Path())}
		if !tail.Kept {
			finding.Offset = &tail.Offset
		}
		found.Damages++
		found.Findings = append(found.Findings, finding)
	}
	return err
}

// VerifySnapshot reads the whole file of the snapshot, dead bytes and what stands behind
// the commit included, and compares it with what it says of itself: content
// hashes, directory, rows, counts and the audit chain. It holds no payload in
// memory. What is wrong with the store is a finding; an error means that the
// verification itself could not go on.
func VerifySnapshot(ctx context.Context, s *state.Snapshot) (Verification, error) {
	var result Verification
	err := s.With(ctx, state.Judging, func(in *state.Reading) error {
		charge := s.Backing().Memory().Charge()
		defer charge.Free()
		v := &verifier{snapshot: s, in: in, ctx: ctx, live: s.Live(), reported: map[int64]bool{}, kept: map[int64]bool{}, audit: state.NewAuditChain(in, &charge)}
		v.Epoch, v.Bytes, v.Live, v.Findings = s.Epoch(), s.Size(), len(v.live), []Finding{}
		err := v.run()
		result = v.Verification
		return err
	})
	if err != nil {
		return result, fmt.Errorf("verify epoch %d: %w", s.Epoch(), err)
	}
	return result, nil
}

// verifier is one verification under way.
type verifier struct {
	Verification
	snapshot *state.Snapshot
	in       *state.Reading
	ctx      context.Context
	live     []segments.DirectoryEntry // in file order
	reported map[int64]bool            // offsets of live segments known to be damaged
	kept     map[int64]bool            // offsets of segments that are kept for branches alone
	audit    *state.AuditChain
	anew     int                // how often it began anew
	broken   []segments.Segment // entries that follow what is not there
	peerEnd  int64              // where the newest entry stands of a compaction of the reference runtime's
}

func (v *verifier) run() error {
	for _, step := range []func() error{v.checkNames, v.checkIdentity, v.checkLive, v.checkKept, v.checkBranch, v.checkImages, v.checkOldManifests, v.checkIDs, v.checkWhole, v.checkBehind} {
		if err := errors.Join(step(), v.ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// find keeps a finding about the bytes at offset, or about the store as a whole
// when offset is negative.
func (v *Verification) find(severity Severity, offset int64, format string, arguments ...any) {
	count := &v.Notes
	if severity == Damage {
		count = &v.Damages
	}
	if *count++; *count > state.MaxFindings {
		return
	}
	finding := Finding{Severity: severity, Text: fmt.Sprintf(format, arguments...)}
	if offset >= 0 {
		finding.Offset = &offset
	}
	v.Findings = append(v.Findings, finding)
}

// What is the matter with a wire file whose manifest was zeroed, and with one whose root
// names none.
const (
	noDirectory = "the manifest holds no directory any more: all segments that were found are taken for live"
	rootAlone   = "the root at the end of the file names no manifest: all segments that were found are taken for live"
)

// checkNames reports hard links, which keep everybody from writing.
func (v *verifier) checkNames() error {
	info, err := v.in.Stat()
	if err == nil && info.Names > 1 {
		v.find(Note, -1, "%v", info.OneName())
	}
	return err
}

func (v *verifier) checkIdentity() error {
	switch state := v.snapshot.State(); {
	case state.RootAlone:
		v.find(Damage, state.Segment.PayloadOffset(), "%s", rootAlone)
	case state.Walked:
		v.find(Damage, state.Segment.Offset, "%s", noDirectory)
	}
	identity, known := v.snapshot.Identity()
	switch {
	case !known:
		v.find(Note, -1, "the file is from before identities were kept and has none")
	case !identity.IsConsistent():
		v.find(Note, -1, "the lineage depth is %d, the parent id %s", identity.Depth, identity.ParentID)
	}
	return nil
}

// checkLive looks at every live segment where the directory says that it is.
// Segments that overlap are not read, so that no directory makes this take longer
// than the file is long.
func (v *verifier) checkLive() error {
	var end int64
	for _, entry := range v.live {
		segment, err := v.in.ReadHeader(entry)
		switch {
		case err != nil:
			v.damaged(entry, "%v", err)
		case segment.End() > v.snapshot.Size():
			v.damaged(entry, "goes on to %d, behind the committed end at %d", segment.End(), v.snapshot.Size())
		case entry.Offset < end:
			v.damaged(entry, "begins within the segment before it, which ends at %d", end)
		default:
			end = segment.End()
			v.checkHash(segment, Damage)
			v.checkFields(entry, segment)
		}
		if err := v.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// checkKept looks at what nothing names but the states that are kept for branches.
func (v *verifier) checkKept() error {
	return v.in.EachKept(func(named segments.DirectoryEntry, there segments.Segment, err error) error {
		if v.isLive(named.Offset) || v.kept[named.Offset] {
			return v.ctx.Err()
		}
		v.kept[named.Offset] = true
		switch {
		case errors.Is(err, volume.ErrCorrupt):
			v.damaged(named, "which is kept for branches: %v", err)
			err = nil
		case err == nil:
			v.checkHash(there, Damage)
		}
		return errors.Join(err, v.ctx.Err())
	})
}

// isLive reports whether the manifest names what stands at an offset.
func (v *verifier) isLive(offset int64) bool {
	_, live := slices.BinarySearchFunc(v.live, offset, func(entry segments.DirectoryEntry, offset int64) int {
		return cmp.Compare(entry.Offset, offset)
	})
	return live
}

// checkFields looks at what a header says besides what it is read by. Nothing of it is known
// of the other dialect.
func (v *verifier) checkFields(entry segments.DirectoryEntry, segment segments.Segment) {
	if v.snapshot.Dialect() != segments.DialectRuntime {
		return
	}
	if err := state.CheckFields(segment, entry); err != nil {
		v.find(Damage, entry.Offset, "%s segment %d: %v", entry.Type, entry.SegmentID, err)
	}
	if unknown := segment.UnknownFields(); unknown != "" {
		v.find(Note, entry.Offset, "%s segment %d: its header holds what no known program writes: %s", entry.Type, entry.SegmentID, unknown)
	}
}

// damaged is find for a live segment.
func (v *verifier) damaged(entry segments.DirectoryEntry, format string, arguments ...any) {
	v.reported[entry.Offset] = true
	v.find(Damage, entry.Offset, "%s segment %d: %s", entry.Type, entry.SegmentID, fmt.Sprintf(format, arguments...))
}

// checkHash reads the whole segment and reports a wrong content hash.
func (v *verifier) checkHash(segment segments.Segment, severity Severity) {
	verdict, err := segments.VerifySegment(v.in, segment)
	text := "the payload is not what its content hash says"
	switch {
	case err != nil:
		text = err.Error()
	case verdict == segments.HashMatch:
		return
	case verdict == segments.HashUnset:
		v.Unverified++
		return
	case verdict == segments.HashUnknown:
		v.Unverified++
		severity, text = Note, "the content hash is of an unknown kind"
	}
	if severity == Damage {
		v.reported[segment.Offset] = true
	}
	v.find(severity, segment.Offset, "%s segment %d: %s", segment.Type, segment.ID, text)
}

// checkOldManifests looks for the older manifests that the directory names, as
// the reference runtime's do. No reader needs them.
func (v *verifier) checkOldManifests() error {
	for _, entry := range v.snapshot.Manifest().Directory {
		if entry.Type != segments.TypeManifest {
			continue
		}
		if _, err := v.in.ReadHeader(entry); err != nil {
			v.find(Note, entry.Offset, "older manifest %d: %v", entry.SegmentID, err)
		}
	}
	return nil
}

// checkIDs reads the ids of all rows and compares their number and the deleted
// ones with the manifest. Where vectors are damaged there is nothing to compare.
func (v *verifier) checkIDs() error {
	stored, whole := idset.New(), true
	charge := v.snapshot.Backing().Memory().Charge()
	defer charge.Free()
	grows := rows.NewGrowingSets(&charge, 0)
	for _, entry := range v.live {
		if entry.Type != segments.TypeVec {
			continue
		}
		if v.reported[entry.Offset] {
			whole = false
			continue
		}
		err := v.checkDimension(entry)
		if err == nil {
			err = rows.CollectIDs(v.ctx, v.in, []segments.DirectoryEntry{entry}, stored, &grows)
		}
		if stop := v.ctx.Err(); stop != nil {
			return stop
		}
		if errors.Is(err, memory.ErrNone) || errors.Is(err, memory.ErrNever) {
			return err // of us, not of the store
		}
		if err != nil {
			whole = false
			v.damaged(entry, "%v", err)
		}
	}
	v.TotalStored = stored.Len()
	if !whole {
		return nil
	}
	manifest := v.snapshot.Manifest()
	if manifest.TotalVectors != stored.Len() {
		v.find(Note, v.snapshot.State().Segment.Offset, "the manifest counts %d vectors, %d are stored", manifest.TotalVectors, stored.Len())
	}
	missing := 0
	for _, id := range manifest.Deleted {
		if !stored.Contains(id) {
			missing++
		}
	}
	if missing > 0 {
		v.find(Note, v.snapshot.State().Segment.Offset, "%d of %d deleted ids are not stored", missing, len(manifest.Deleted))
	}
	return v.checkMetadata(stored)
}

// checkDimension reports rows that every reader leaves out. A count that does not
// fit the payload is an error.
func (v *verifier) checkDimension(entry segments.DirectoryEntry) error {
	segment, err := v.in.ReadHeader(entry)
	if err != nil {
		return err
	}
	reader, err := segments.OpenVec(v.in, segment, v.snapshot.Dialect())
	if err != nil {
		return err
	}
	if reader.Count() > 0 && reader.Dimension() != v.snapshot.Dimension() {
		v.find(Note, entry.Offset, "vec segment %d: %d rows of dimension %d are left out, the store's is %d",
			entry.SegmentID, reader.Count(), reader.Dimension(), v.snapshot.Dimension())
	}
	return nil
}

// checkWhole walks through the file: for the dead segments, the audit chain, what
// has no known type, and bytes that are no segment.
func (v *verifier) checkWhole() error {
	var end int64
	err := v.in.Walk(func(segment segments.Segment) error {
		v.checkGap(end, segment.Offset)
		end = segment.End()
		live := v.isLive(segment.Offset)
		if !live {
			v.Dead++
		}
		if !live && !v.kept[segment.Offset] {
			v.checkDead(segment)
		}
		v.checkType(segment, live)
		if segment.Type == segments.TypeWitness {
			if err := v.checkWitness(segment); err != nil {
				return err
			}
		}
		return v.ctx.Err()
	})
	if errors.Is(err, memory.ErrNone) || errors.Is(err, memory.ErrNever) {
		return err
	}
	if err != nil && v.ctx.Err() == nil {
		v.find(Damage, end, "the rest of the file cannot be read: %v", err)
		return nil
	}
	v.checkGap(end, v.segmentsEnd())
	v.checkChain()
	return err
}

// segmentsEnd is where segments end, behind which there may be a root by itself.
func (v *verifier) segmentsEnd() int64 {
	if state := v.snapshot.State(); state.RootAlone {
		return state.Segment.PayloadOffset()
	}
	return v.snapshot.Size()
}

// checkGap reports bytes between segments, but for the padding of the wire dialect.
func (v *verifier) checkGap(from, to int64) {
	if to-from >= segments.Alignment || from < to && v.snapshot.Dialect() != segments.DialectWire {
		v.find(Note, from, "%d bytes are no segment", to-from)
	}
}

// checkDead looks at a segment that nothing names. Nobody reads it, unless it is
// the manifest that would be the newest: then a commit is lost.
func (v *verifier) checkDead(segment segments.Segment) {
	switch {
	case segment.Type == segments.TypeWitness: // the chain tells
	case segment.Type == segments.TypeManifest && segment.Offset > v.snapshot.State().Segment.Offset:
		v.find(Damage, segment.Offset, "manifest segment %d cannot be read: the store shows the state before it", segment.ID)
	default:
		v.checkHash(segment, Note)
	}
}

func (v *verifier) checkType(segment segments.Segment, live bool) {
	if segment.Type.Known() {
		return
	}
	if name := v.extension(segment); name != "" {
		if segment.Type == segments.TypeFreeze && live {
			v.find(Note, segment.Offset, "segment %d is a %s: nothing changes the store any more", segment.ID, name)
		}
		return
	}
	kind, place := "unknown", "unnamed"
	if segment.Type >= segments.Type(0xF0) {
		kind = "vendor"
	}
	switch {
	case segment.Offset > v.snapshot.State().Segment.Offset:
		place = "behind the newest manifest"
	case live:
		place = "named"
	}
	v.find(Note, segment.Offset, "segment %d of %s type %s, %d bytes, %s", segment.ID, kind, segment.Type, segment.PayloadLength, place)
}

// extension is what a segment is called if it is one of this engine's own types; "" if not.
func (v *verifier) extension(segment segments.Segment) string {
	if !segment.Type.IsExtension() {
		return ""
	}
	var start [4]byte
	if segment.PayloadLength < uint64(len(start)) || volume.ReadFull(v.in, start[:], segment.PayloadOffset()) != nil {
		return ""
	}
	return segment.Type.Extension(start[:])
}

// checkWitness judges the next entry of the audit chain.
func (v *verifier) checkWitness(segment segments.Segment) error {
	v.Witnesses++
	described, err := v.audit.Next(segment)
	if errors.Is(err, memory.ErrNone) || errors.Is(err, memory.ErrNever) {
		return err // of us, not of the store
	}
	say := func(severity Severity, text string) {
		v.find(severity, segment.Offset, "witness segment %d: %s", segment.ID, text)
	}
	switch {
	case v.reported[segment.Offset]:
	case err != nil:
		say(Damage, err.Error())
	case described.Verdict == state.AuditDamaged:
		say(Damage, "the entry is damaged")
	case described.Verdict == state.AuditBroken:
		if len(v.broken) < state.MaxFindings {
			v.broken = append(v.broken, segment)
		}
	case described.Verdict == state.AuditForked && segment.Timestamp != 0:
		say(Damage, "the audit chain is broken: rvffs follows the newest entry, and what stands between this one and the one that it follows was not there")
	case described.Verdict == state.AuditForked:
		say(Note, "the audit chain forks: this entry follows one before the last, as when two programs have written at the same time; or what stands between them was inserted")
	case described.Verdict == state.AuditStart && v.Witnesses > 1:
		v.anew++
	}
	if described.Verdict == state.AuditStart && strings.HasPrefix(described.Action, "compact:") {
		v.peerEnd = segment.Offset
	}
	return nil
}

// checkChain tells what the whole audit chain shows. The reference runtime's compaction
// loses what stands behind the header of a write that was interrupted, so that entries
// before it may rightly follow what is not there any more.
func (v *verifier) checkChain() {
	for _, segment := range v.broken {
		if segment.Offset < v.peerEnd {
			v.find(Note, segment.Offset, "witness segment %d: the audit chain lacks the entry that this one follows: the reference runtime, which has compacted the file since, may have lost it, or it was removed", segment.ID)
		} else {
			v.find(Damage, segment.Offset, "witness segment %d: the audit chain is broken: the entry that this one follows is not in front of it", segment.ID)
		}
	}
	if v.anew > 0 {
		v.find(Note, -1, "the audit chain begins anew %d times, as with the reference runtime, which does so when it opens a file", v.anew)
	}
}

// checkBehind looks at what stands behind the committed end: what an interrupted
// commit left, or one under way.
func (v *verifier) checkBehind() error {
	info, err := v.in.Stat()
	if err != nil {
		return err
	}
	end := v.snapshot.Size()
	if info.Size < end {
		v.find(Damage, info.Size, "the file ends here, the manifest promises %d bytes", end)
	}
	if info.Size <= end {
		return nil
	}
	v.find(Note, end, "%d bytes behind the committed end", info.Size-end)
	walker := segments.NewWalker(v.in, end, info.Size)
	for walker.Next() {
		if segment := walker.Segment(); segment.Type == segments.TypeManifest {
			v.checkUnused(segment)
		} else {
			v.checkType(segment, false)
		}
	}
	if err := walker.Err(); err != nil && v.ctx.Err() == nil {
		v.find(Note, walker.End(), "the rest of the file cannot be read: %v", err)
	}
	return nil
}

// checkUnused looks at a manifest behind the committed end. One that is whole may
// have been committed after the snapshot was taken.
func (v *verifier) checkUnused(segment segments.Segment) {
	verdict, err := segments.VerifySegment(v.in, segment)
	if err != nil || verdict == segments.HashMismatch {
		v.checkDead(segment)
	}
}

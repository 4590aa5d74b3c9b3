package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// metadata is what the META segments of a directory come to, read in its order: the
// newest snapshot, and the deltas behind it of which each is one generation above
// the one before. What cannot be read is passed over, and what follows such a gap
// counts no more.
type metadata struct {
	begun      bool       // a snapshot was read
	generation uint64     // the highest that was read, counted or not
	next       uint64     // of the delta that would count
	deltas     int        // since the snapshot
	size       int64      // bytes of payloads since the snapshot, it included
	gap        bool       // something since the snapshot does not count
	ids        *idset.Set // of the records
	schema     map[uint16]segments.MetaField
	content    *metaContent // nil while only ids are asked for
	shared     int64        // bytes of the payloads whose memory content shares
}

// metaContent is the metadata itself. Values share the memory of their payloads,
// which is at most segments.MaxMetaBytes.
type metaContent struct {
	entries map[string]segments.MetaValue
	records map[uint64]segments.MetaMembers
}

func newMetadata(whole bool) *metadata {
	m := &metadata{}
	m.clear(whole)
	return m
}

func (m *metadata) clear(whole bool) {
	m.deltas, m.size, m.gap, m.shared = 0, 0, false, 0
	m.ids, m.schema = idset.New(), map[uint16]segments.MetaField{}
	if whole {
		m.content = &metaContent{entries: map[string]segments.MetaValue{}, records: map[uint64]segments.MetaMembers{}}
	}
}

// apply takes the next segment in, of so many bytes.
func (m *metadata) apply(part *segments.Meta, size int64) {
	m.generation = max(m.generation, part.Generation)
	switch {
	case part.Snapshot:
		m.clear(m.content != nil)
		m.begun = true
	case !m.begun || m.gap || part.Generation != m.next || !m.agrees(part.Schema):
		m.gap = true
		return
	default:
		m.deltas++
	}
	m.next = part.Generation + 1
	m.size += size
	for _, field := range part.Schema {
		field.Nullable = field.Nullable || m.schema[field.ID].Nullable
		m.schema[field.ID] = field
	}
	gone := idset.New()
	for _, record := range part.Records {
		if record.Gone {
			gone.Insert(record.ID)
		} else {
			m.ids.Insert(record.ID)
		}
	}
	m.ids.Remove(gone)
	if m.content != nil {
		m.content.apply(part)
		m.shared += size
	}
}

// What a record takes beside the bytes of its payload, at most.
const (
	metaRecordParsed = 40 // until it is applied, and to be stated
	metaRecordKept   = 96 // in metaContent
	metaIDKept       = 12
)

// bytes is about how much memory it takes.
func (m *metadata) bytes() int64 {
	bytes := m.ids.Bytes() + m.shared
	if m.content != nil {
		bytes += metaRecordKept * int64(len(m.content.records))
	}
	return bytes
}

// bytesWith is about how much memory it takes while one more payload is read and
// applied, of so many bytes and records.
func (m *metadata) bytesWith(length uint64, records int) int64 {
	each := int64(metaRecordParsed + metaIDKept)
	if m.content != nil {
		each += metaRecordKept
	}
	return m.bytes() + int64(length) + each*int64(records)
}

// bytesStated is about how much memory it takes while it becomes a payload.
func (m *metadata) bytesStated() int64 {
	return m.bytes() + m.shared + metaRecordParsed*int64(len(m.content.records))
}

// agrees says whether fields are of the kinds that they were before.
func (m *metadata) agrees(schema []segments.MetaField) bool {
	return !slices.ContainsFunc(schema, func(field segments.MetaField) bool {
		known, some := m.schema[field.ID]
		return some && known.Kind != field.Kind
	})
}

func (c *metaContent) apply(part *segments.Meta) {
	for _, entry := range part.Entries {
		if entry.Value.Kind() == segments.MetaGone {
			delete(c.entries, entry.Key)
		} else {
			c.entries[entry.Key] = entry.Value
		}
	}
	for _, record := range part.Records {
		if record.Gone {
			delete(c.records, record.ID)
			continue
		}
		c.records[record.ID] = c.records[record.ID].Changed(record.Members)
	}
}

// snapshot is a segment that states all metadata but the records of some vectors.
func (m *metadata) snapshot(without *idset.Set) *segments.Meta {
	whole := &segments.Meta{Snapshot: true, Generation: max(1, m.generation+1)} // behind the last number there is, the first
	for _, id := range slices.Sorted(maps.Keys(m.schema)) {
		whole.Schema = append(whole.Schema, m.schema[id])
	}
	for _, key := range slices.Sorted(maps.Keys(m.content.entries)) {
		whole.Entries = append(whole.Entries, segments.MetaEntry{Key: key, Value: m.content.entries[key]})
	}
	for _, id := range slices.Sorted(maps.Keys(m.content.records)) {
		if without.Contains(id) {
			continue
		}
		whole.Records = append(whole.Records, segments.MetaRecord{ID: id, Members: m.content.records[id]})
	}
	return whole
}

// metas lists the META segments that a directory names, in its order.
func metas(directory []segments.DirectoryEntry) []segments.DirectoryEntry {
	var found []segments.DirectoryEntry
	for _, entry := range directory {
		if entry.Type == segments.TypeMeta {
			found = append(found, entry)
		}
	}
	return found
}

// readMeta reads one META segment when afford agrees to its length in bytes and the
// number of its records. An error that wraps ErrCorrupt is about what it holds.
func readMeta(s *state.Snapshot, file volume.File, entry segments.DirectoryEntry, afford func(length uint64, records int) error) (*segments.Meta, error) {
	segment, err := s.In(file).ReadHeader(entry)
	if err != nil {
		return nil, err
	}
	if segment.End() > s.Size() || segment.PayloadLength > segments.MaxMetaBytes {
		return nil, fmt.Errorf("%w: metadata of %d bytes at offset %d", volume.ErrCorrupt, segment.PayloadLength, entry.Offset)
	}
	prefix := make([]byte, min(segment.PayloadLength, segments.MetaPrefixSize))
	if err := volume.ReadFull(file, prefix, segment.PayloadOffset()); err != nil {
		return nil, err
	}
	if err := afford(segment.PayloadLength, segments.MetaRecords(prefix, segment.PayloadLength)); err != nil {
		return nil, err
	}
	payload := make([]byte, segment.PayloadLength)
	if err := volume.ReadFull(file, payload, segment.PayloadOffset()); err != nil {
		return nil, err
	}
	part, err := segments.ParseMeta(payload)
	return part, volume.AsCorrupt(err)
}

// addMetadata takes the segments of entries into m and lists those that cannot be
// read. It charges for m and all that it takes to read it, beside the bytes that are
// paid for already; or it waits for memory, and fails when there is none.
func addMetadata(ctx context.Context, s *state.Snapshot, file volume.File, m *metadata, entries []segments.DirectoryEntry, charge *memory.Charge, paid int64) (unreadable []segments.DirectoryEntry, err error) {
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part, err := readMeta(s, file, entry, func(length uint64, records int) error {
			if err := charge.Await(ctx, max(0, m.bytesWith(length, records)-paid)); err != nil {
				return fmt.Errorf("read metadata of %d bytes: %w", length, err)
			}
			return nil
		})
		switch {
		case errors.Is(err, volume.ErrCorrupt):
			m.gap = true
			unreadable = append(unreadable, entry)
		case err != nil:
			return nil, err
		default:
			m.apply(part, int64(entry.PayloadLength))
		}
	}
	return unreadable, nil
}

// withoutVector are the ids of records whose vectors are not stored or are deleted.
// A reader that obeys metadata refuses a file with such records.
func (m *metadata) withoutVector(ctx context.Context, file volume.File, s *state.Snapshot, stored, deleted *idset.Set) (*idset.Set, error) {
	live := m.ids.Common(stored)
	live.Remove(deleted)
	without := m.ids.Common(m.ids)
	without.Remove(live)
	if without.Len() == 0 {
		return without, nil
	}
	gone := without.Common(deleted)
	inherited, err := inheritedIDs(ctx, s, file, without)
	if err != nil {
		return nil, err
	}
	inherited.Remove(gone)
	without.Remove(inherited)
	return without, nil
}

// inheritedIDs are those of ids that a branch may show of its parent's. A membership
// that nobody can read leaves all of them in doubt.
func inheritedIDs(ctx context.Context, s *state.Snapshot, file volume.File, ids *idset.Set) (*idset.Set, error) {
	found := idset.New()
	entry, branch := s.LastOf(segments.TypeMembership)
	if !branch {
		return found, nil
	}
	segment, err := s.In(file).ReadHeader(entry)
	var header segments.MembershipHeader
	if err == nil {
		prefix := make([]byte, min(segment.PayloadLength, segments.MembershipHeaderSize))
		if err = volume.ReadFull(file, prefix, segment.PayloadOffset()); err == nil {
			header, err = segments.ParseMembershipHeader(prefix)
		}
	}
	if err = volume.AsCorrupt(err); errors.Is(err, volume.ErrCorrupt) {
		return ids, nil
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids.Ascending() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		set := false
		if place := header.FilterOffset + id/8; id < header.VectorCount && place < segment.PayloadLength {
			var b [1]byte
			if err := volume.ReadFull(file, b[:], segment.PayloadOffset()+int64(place)); err != nil {
				return nil, err
			}
			set = b[0]&(1<<(id%8)) != 0
		}
		if set != header.Exclude {
			found.Insert(id)
		}
	}
	return found, nil
}

// metaTable knows which vectors have records, as of one directory, and follows the
// commits: only what is new is read, for as long as there is memory for what is known.
type metaTable struct {
	turn   shared.Turn  // held while metadata are read from the disk, by who uses what follows
	kept   *memory.Kept // of *metadata; nil before the first use
	source *state.Backing
	named  []segments.DirectoryEntry
}

// at gives what the META segments of snapshot come to, without contents, and what is
// to be called when the caller is done with it.
func (t *metaTable) at(ctx context.Context, file volume.File, snapshot *state.Snapshot, named []segments.DirectoryEntry) (*metadata, func(), error) {
	if err := t.turn.Take(ctx); err != nil {
		return nil, nil, err
	}
	defer t.turn.Give()
	charge := snapshot.Backing().Memory().Charge()
	defer charge.Free()
	known, paid := t.use(snapshot, named)
	if known == nil {
		known, t.named, t.source = newMetadata(false), nil, snapshot.Backing()
	}
	if _, err := addMetadata(ctx, snapshot, file, known, named[len(t.named):], &charge, paid); err != nil {
		t.forget()
		return nil, nil, err
	}
	t.named = named
	charge.Force(max(0, known.bytes()-paid))
	if t.kept == nil {
		t.kept = memory.Keep(&charge, t, known, nil)
	} else {
		charge.Free()
		if err := t.kept.Resize(known.bytes()); err != nil {
			t.forget()
			return nil, nil, fmt.Errorf("keep the ids of metadata: %w", err)
		}
	}
	return known, t.kept.Done, nil
}

// use gives what is known if the directory goes on from there, and the bytes that are
// charged for it. The caller holds the turn, and is its user.
func (t *metaTable) use(snapshot *state.Snapshot, named []segments.DirectoryEntry) (*metadata, int64) {
	known, there := memory.Used[*metadata](t.kept)
	if there && t.source == snapshot.Backing() && len(named) >= len(t.named) && slices.Equal(named[:len(t.named)], t.named) {
		return known, known.bytes()
	}
	if there {
		t.kept.Forget()
	}
	t.kept = nil
	return nil, 0
}

// forget lets go of what is known. The caller holds the turn, and is its user if there is
// anything.
func (t *metaTable) forget() {
	if t.kept != nil {
		t.kept.Forget()
		t.kept = nil
	}
}

const (
	// deltasBeforeSnapshot is how many deltas are written before all is stated anew:
	// as many as the runtime itself writes, half of what readers take.
	deltasBeforeSnapshot = segments.MaxMetaDeltas/2 - 1
	// bytesBeforeSnapshot is the same in bytes, well below what readers take.
	bytesBeforeSnapshot = 200 << 20
)

// metadataHook lets records go whose vectors a commit takes away.
type metadataHook struct{ store *Store }

// Draft implements log.Hook: it adds the segment by which records go whose vectors are
// gone after the commit, be it by this one or because somebody left them behind. There
// is none in a store without metadata.
func (h metadataHook) Draft(ctx context.Context, d *log.Draft) (func(*state.Snapshot), error) {
	named := metas(d.Base.Named())
	if len(named) == 0 {
		return nil, nil
	}
	return nil, d.Base.Backing().With(context.Background(), func(file volume.File) error {
		part, err := h.repair(ctx, d, file, named)
		if err != nil || part == nil {
			return err
		}
		payload, err := part.Encode()
		if err == nil {
			d.Add(volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
		}
		return err
	})
}

// repair is the metadata that a commit has to add; nil if there is nothing to be said.
func (h metadataHook) repair(ctx context.Context, d *log.Draft, file volume.File, named []segments.DirectoryEntry) (*segments.Meta, error) {
	known, done, err := h.store.metadata.at(ctx, file, d.Base, named)
	if err != nil {
		return nil, err
	}
	defer done()
	if known.ids.Len() == 0 && !known.gap {
		return nil, nil
	}
	var without *idset.Set
	err = h.store.ids.At(ctx, d.Base, func(stored *idset.Set) (err error) {
		all := stored.Common(known.ids)
		all.Unite(h.store.vectors.Drafted().Common(known.ids))
		without, err = known.withoutVector(ctx, file, d.Base, all, idset.Of(d.Manifest.Deleted))
		return err
	})
	if err != nil || without.Len() == 0 {
		return nil, err
	}
	if known.gap || known.next == 0 || known.deltas >= deltasBeforeSnapshot || known.size > bytesBeforeSnapshot {
		charge := h.store.options.Memory.Charge()
		defer charge.Free()
		whole := newMetadata(true)
		if _, err := addMetadata(ctx, d.Base, file, whole, named, &charge, 0); err != nil {
			return nil, err
		}
		if err := charge.Await(ctx, whole.bytesStated()); err != nil {
			return nil, fmt.Errorf("state metadata anew: %w", err)
		}
		return whole.snapshot(without), nil
	}
	part := &segments.Meta{Generation: known.next}
	for _, id := range without.Ascending() {
		part.Records = append(part.Records, segments.MetaRecord{ID: id, Gone: true})
	}
	return part, nil
}

// checkMetadata reports what the META segments say of vectors that are not there,
// and what of them cannot be read.
func (v *verifier) checkMetadata(stored *idset.Set) error {
	named := metas(v.snapshot.Named())
	if len(named) == 0 || v.snapshot.Dialect() == segments.DialectWire {
		return nil
	}
	known := newMetadata(false)
	charge := v.snapshot.Backing().Memory().Charge()
	defer charge.Free()
	unreadable, err := addMetadata(v.ctx, v.snapshot, v.file, known, named, &charge, 0)
	if err != nil {
		return err
	}
	for _, entry := range unreadable {
		if v.reported[entry.Offset] {
			continue
		}
		v.find(Note, entry.Offset, "meta segment %d holds no metadata that can be read; it is kept as it is", entry.SegmentID)
	}
	last := slices.MaxFunc(named, func(a, b segments.DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	if known.begun && known.gap {
		v.find(Damage, last.Offset, "metadata: what follows a gap in its generations does not count")
	}
	without, err := known.withoutVector(v.ctx, v.file, v.snapshot, stored, idset.Of(v.snapshot.Manifest().Deleted))
	if err != nil {
		return err
	}
	if without.Len() > 0 {
		v.find(Damage, last.Offset, "metadata of %d vectors that are not stored or deleted, the first of them %d: programs that read metadata refuse such a file; the next commit takes the records out",
			without.Len(), without.Ascending()[0])
	}
	return nil
}

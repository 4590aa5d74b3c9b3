package metadata

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// gathered is what the META segments of a directory come to, read in its order: the
// newest snapshot, and the deltas behind it of which each is one generation above
// the one before. What cannot be read is passed over, and what follows such a gap
// counts no more.
type gathered struct {
	begun      bool       // a snapshot was read
	generation uint64     // the highest that was read, counted or not
	next       uint64     // of the delta that would count
	deltas     int        // since the snapshot
	size       int64      // bytes of payloads since the snapshot, it included
	gap        bool       // something since the snapshot does not count
	ids        *idset.Set // of the records
	schema     map[uint16]segments.MetaField
	content    *content // nil while only ids are asked for
	shared     int64    // bytes of the payloads whose memory content shares
}

// content is the metadata itself. Values share the memory of their payloads,
// which is at most segments.MaxMetaBytes.
type content struct {
	entries map[string]segments.MetaValue
	records map[uint64]segments.MetaMembers
}

// gatherIDs begins with nothing, for who asks for the ids of records only.
func gatherIDs() *gathered {
	g := &gathered{}
	g.clear(false)
	return g
}

// gatherAll begins with nothing, for who asks for the metadata itself.
func gatherAll() *gathered {
	g := &gathered{}
	g.clear(true)
	return g
}

func (g *gathered) clear(whole bool) {
	g.deltas, g.size, g.gap, g.shared = 0, 0, false, 0
	g.ids, g.schema = idset.New(), map[uint16]segments.MetaField{}
	if whole {
		g.content = &content{entries: map[string]segments.MetaValue{}, records: map[uint64]segments.MetaMembers{}}
	}
}

// apply takes the next segment in, of so many bytes.
func (g *gathered) apply(part *segments.Meta, size int64) {
	g.generation = max(g.generation, part.Generation)
	switch {
	case part.Snapshot:
		g.clear(g.content != nil)
		g.begun = true
	case !g.begun || g.gap || part.Generation != g.next || !g.agrees(part.Schema):
		g.gap = true
		return
	default:
		g.deltas++
	}
	g.next = part.Generation + 1
	g.size += size
	for _, field := range part.Schema {
		field.Nullable = field.Nullable || g.schema[field.ID].Nullable
		g.schema[field.ID] = field
	}
	gone := idset.New()
	for _, record := range part.Records {
		if record.Gone {
			gone.Insert(record.ID)
		} else {
			g.ids.Insert(record.ID)
		}
	}
	g.ids.Remove(gone)
	if g.content != nil {
		g.content.apply(part)
		g.shared += size
	}
}

// What a record takes beside the bytes of its payload, at most.
const (
	recordParsed = 40 // until it is applied, and to be stated
	recordKept   = 96 // in content
	idKept       = 12
)

// bytes is about how much memory it takes.
func (g *gathered) bytes() int64 {
	bytes := g.ids.Bytes() + g.shared
	if g.content != nil {
		bytes += recordKept * int64(len(g.content.records))
	}
	return bytes
}

// bytesWith is about how much memory it takes while one more payload is read and
// applied, of so many bytes and records.
func (g *gathered) bytesWith(length uint64, records int) int64 {
	each := int64(recordParsed + idKept)
	if g.content != nil {
		each += recordKept
	}
	return g.bytes() + int64(length) + each*int64(records)
}

// bytesStated is about how much memory it takes while it becomes a payload.
func (g *gathered) bytesStated() int64 {
	return g.bytes() + g.shared + recordParsed*int64(len(g.content.records))
}

// agrees reports whether fields are of the kinds that they were before.
func (g *gathered) agrees(schema []segments.MetaField) bool {
	return !slices.ContainsFunc(schema, func(field segments.MetaField) bool {
		known, some := g.schema[field.ID]
		return some && known.Kind != field.Kind
	})
}

func (c *content) apply(part *segments.Meta) {
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
func (g *gathered) snapshot(without *idset.Set) *segments.Meta {
	whole := &segments.Meta{Snapshot: true, Generation: max(1, g.generation+1)} // behind the last number there is, the first
	for _, id := range slices.Sorted(maps.Keys(g.schema)) {
		whole.Schema = append(whole.Schema, g.schema[id])
	}
	for _, key := range slices.Sorted(maps.Keys(g.content.entries)) {
		whole.Entries = append(whole.Entries, segments.MetaEntry{Key: key, Value: g.content.entries[key]})
	}
	for _, id := range slices.Sorted(maps.Keys(g.content.records)) {
		if without.Contains(id) {
			continue
		}
		whole.Records = append(whole.Records, segments.MetaRecord{ID: id, Members: g.content.records[id]})
	}
	return whole
}

// add takes the segments of entries in and lists those that cannot be read. It charges
// for what is gathered and all that it takes to read it, beside the bytes that are paid
// for already; or it waits for memory, and fails when there is none.
func (g *gathered) add(ctx context.Context, in *state.Reading, entries []segments.DirectoryEntry, charge *memory.Charge, paid int64) (unreadable []segments.DirectoryEntry, err error) {
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part, err := readMeta(in, entry, func(length uint64, records int) error {
			if err := charge.Await(ctx, max(0, g.bytesWith(length, records)-paid)); err != nil {
				return fmt.Errorf("read metadata of %d bytes: %w", length, err)
			}
			return nil
		})
		switch {
		case errors.Is(err, volume.ErrCorrupt):
			g.gap = true
			unreadable = append(unreadable, entry)
		case err != nil:
			return nil, err
		default:
			g.apply(part, int64(entry.PayloadLength))
		}
	}
	return unreadable, nil
}

// readMeta reads one META segment when afford agrees to its length in bytes and the
// number of its records. An error that wraps ErrCorrupt is about what it holds.
func readMeta(in *state.Reading, entry segments.DirectoryEntry, afford func(length uint64, records int) error) (*segments.Meta, error) {
	segment, err := in.ReadHeader(entry)
	if err != nil {
		return nil, err
	}
	if segment.End() > in.Snapshot().Size() || segment.PayloadLength > segments.MaxMetaBytes {
		return nil, fmt.Errorf("%w: metadata of %d bytes at offset %d", volume.ErrCorrupt, segment.PayloadLength, entry.Offset)
	}
	prefix := make([]byte, min(segment.PayloadLength, segments.MetaPrefixSize))
	if err := volume.ReadFull(in, prefix, segment.PayloadOffset()); err != nil {
		return nil, err
	}
	if err := afford(segment.PayloadLength, segments.MetaRecords(prefix, segment.PayloadLength)); err != nil {
		return nil, err
	}
	payload := make([]byte, segment.PayloadLength)
	if err := volume.ReadFull(in, payload, segment.PayloadOffset()); err != nil {
		return nil, err
	}
	part, err := segments.ParseMeta(payload)
	return part, volume.AsCorrupt(err)
}

// orphans are the ids of records whose vectors are not stored or are deleted. A reader
// that obeys metadata refuses a file with such records.
func (g *gathered) orphans(ctx context.Context, in *state.Reading, stored, deleted *idset.Set) (*idset.Set, error) {
	live := g.ids.Common(stored)
	live.Remove(deleted)
	orphans := g.ids.Common(g.ids)
	orphans.Remove(live)
	if orphans.Len() == 0 {
		return orphans, nil
	}
	gone := orphans.Common(deleted)
	inherited, err := rows.Inherited(ctx, in, orphans)
	if err != nil {
		return nil, err
	}
	inherited.Remove(gone)
	orphans.Remove(inherited)
	return orphans, nil
}

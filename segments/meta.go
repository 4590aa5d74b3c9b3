package segments

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"unicode/utf8"
)

// A META payload: magic, version, flags, generation, base generation, three
// counts, then schema, file entries and records, and behind them a mark and the
// SHA-256 of all in front of the mark.
const (
	metaMagic     = "RVFMETA\x00"
	metaDone      = "RVFDONE\x00"
	metaVersion   = 1
	metaSnapshot  = 1 // the flag of a snapshot
	metaFixedSize = 40
	metaFootSize  = 40
	metaNoBase    = math.MaxUint64 // the base generation of a snapshot

	metaFieldFixed  = 6  // of a schema entry, without its name
	metaEntryFixed  = 3  // of the shortest file entry
	metaRecordFixed = 13 // of a record, without its members
	metaMemberFixed = 3  // of the shortest member
)

// The format's limits of a META payload.
const (
	// MaxMetaDeltas is how many deltas may follow a snapshot.
	MaxMetaDeltas = 64
	// MaxMetaBytes is the length of a snapshot and its deltas together, in bytes.
	MaxMetaBytes    = 256 << 20
	maxMetaFields   = 65_536
	maxMetaRecords  = 16_777_216
	maxMetaName     = 4096
	maxMetaValue    = 16 << 20
	firstMetaNumber = 1
)

// MetaKind is the type of a value, as its first byte says it.
type MetaKind uint8

// The kinds of values. Null and MetaGone have no content; MetaGone takes a field
// out of a record.
const (
	MetaNull   MetaKind = 0
	MetaString MetaKind = 1
	MetaBytes  MetaKind = 2
	MetaInt    MetaKind = 3
	MetaUint   MetaKind = 4
	MetaFloat  MetaKind = 5
	MetaBool   MetaKind = 6
	MetaGone   MetaKind = 7
)

// MetaValue is a value as it is encoded: its kind, then its content.
type MetaValue []byte

// Kind is the kind of a value that ParseMeta has read.
func (v MetaValue) Kind() MetaKind { return MetaKind(v[0]) }

// MetaField describes the values that records may have under one number.
type MetaField struct {
	ID       uint16
	Kind     MetaKind // MetaString to MetaBool
	Nullable bool
	Name     string
}

// MetaEntry is a fact about the whole file.
type MetaEntry struct {
	Key   string
	Value MetaValue
}

// MetaMembers are the fields of a record with their values as they are encoded, in
// ascending order.
type MetaMembers []byte

// With adds the value of a field behind those that are there.
func (m MetaMembers) With(field uint16, value MetaValue) MetaMembers {
	return append(binary.LittleEndian.AppendUint16(m, field), value...)
}

// All are the fields and their values, which share the memory of the members.
func (m MetaMembers) All() iter.Seq2[uint16, MetaValue] {
	return func(yield func(uint16, MetaValue) bool) {
		r := metaReader{rest: m}
		for len(r.rest) > 0 {
			field, value := r.number16(), r.value()
			if r.err != nil || !yield(field, value) {
				return
			}
		}
	}
}

// Changed are the members after a change: what it has takes the place of what was
// there, or takes it out. They may share the memory of either.
func (m MetaMembers) Changed(change MetaMembers) MetaMembers {
	if len(m) == 0 && !change.takesOut() {
		return change
	}
	next, stop := iter.Pull2(m.All())
	defer stop()
	var changed MetaMembers
	field, value, some := next()
	for newField, newValue := range change.All() {
		for ; some && field < newField; field, value, some = next() {
			changed = changed.With(field, value)
		}
		if some && field == newField {
			field, value, some = next()
		}
		if newValue.Kind() != MetaGone {
			changed = changed.With(newField, newValue)
		}
	}
	for ; some; field, value, some = next() {
		changed = changed.With(field, value)
	}
	return changed
}

// takesOut reports whether a change takes a field out.
func (m MetaMembers) takesOut() bool {
	for _, value := range m.All() {
		if value.Kind() == MetaGone {
			return true
		}
	}
	return false
}

// MetaRecord is what is known about one vector. In a delta its members are put
// into the record that is there, or, with Gone, the record goes.
type MetaRecord struct {
	ID      uint64
	Gone    bool
	Members MetaMembers
}

// Meta is the payload of a META segment: a snapshot of all metadata, or what
// changed since the generation before.
type Meta struct {
	Snapshot   bool
	Generation uint64 // one above that of the segment before; at least 1
	Schema     []MetaField
	Entries    []MetaEntry
	Records    []MetaRecord
}

// Encode returns the payload. All lists must be in ascending order. It fails with
// ErrTooLarge when readers would refuse it for its size.
func (m *Meta) Encode() ([]byte, error) {
	size := metaFixedSize + metaFootSize
	for _, field := range m.Schema {
		size += metaFieldFixed + len(field.Name)
	}
	for _, entry := range m.Entries {
		size += 2 + len(entry.Key) + len(entry.Value)
	}
	for _, record := range m.Records {
		size += metaRecordFixed + len(record.Members)
	}
	if size > MaxMetaBytes || len(m.Records) > maxMetaRecords || max(len(m.Schema), len(m.Entries)) > maxMetaFields {
		return nil, fmt.Errorf("%w: metadata of %d bytes and %d records", ErrTooLarge, size, len(m.Records))
	}
	flags, base := uint16(0), m.Generation-1
	if m.Snapshot {
		flags, base = metaSnapshot, metaNoBase
	}
	b := append(make([]byte, 0, size), metaMagic...)
	b = binary.LittleEndian.AppendUint16(b, metaVersion)
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint64(b, m.Generation)
	b = binary.LittleEndian.AppendUint64(b, base)
	for _, count := range []int{len(m.Schema), len(m.Entries), len(m.Records)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(count))
	}
	for _, field := range m.Schema {
		nullable := byte(0)
		if field.Nullable {
			nullable = 1
		}
		b = append(binary.LittleEndian.AppendUint16(b, field.ID), byte(field.Kind), nullable)
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(field.Name))), field.Name...)
	}
	for _, entry := range m.Entries {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(entry.Key))), entry.Key...)
		b = append(b, entry.Value...)
	}
	for _, record := range m.Records {
		b = binary.LittleEndian.AppendUint64(b, record.ID)
		if record.Gone {
			b = append(b, 1, 0, 0, 0, 0)
			continue
		}
		members := uint32(0)
		for range record.Members.All() {
			members++
		}
		b = append(binary.LittleEndian.AppendUint32(append(b, 0), members), record.Members...)
	}
	sum := sha256.Sum256(b)
	return append(append(b, metaDone...), sum[:]...), nil
}

// MetaPrefixSize is how many bytes of a payload MetaRecords needs.
const MetaPrefixSize = metaFixedSize

// MetaRecords is how many records a payload of so many bytes holds at most, going by
// its first MetaPrefixSize bytes.
func MetaRecords(prefix []byte, length uint64) int {
	if len(prefix) < MetaPrefixSize {
		return 0
	}
	claimed := binary.LittleEndian.Uint32(prefix[metaFixedSize-4:])
	return int(min(uint64(claimed), length/metaRecordFixed, maxMetaRecords))
}

// ParseMeta reads a payload and refuses whatever the format does not allow, for
// whoever else reads the file does as well. Names and values share the payload's
// memory. The error wraps ErrPayload.
func ParseMeta(payload []byte) (*Meta, error) {
	if len(payload) < metaFixedSize+metaFootSize || len(payload) > MaxMetaBytes {
		return nil, fmt.Errorf("%w: metadata of %d bytes", ErrPayload, len(payload))
	}
	body, foot := payload[:len(payload)-metaFootSize], payload[len(payload)-metaFootSize:]
	if sum := sha256.Sum256(body); !bytes.HasPrefix(foot, []byte(metaDone)) || !bytes.Equal(foot[len(metaDone):], sum[:]) {
		return nil, fmt.Errorf("%w: metadata is not complete, or not what its hash says", ErrPayload)
	}
	r := metaReader{rest: body}
	m, err := r.meta()
	if err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrPayload, err)
	}
	return m, nil
}

// metaReader reads a payload from front to end. After the first failure every
// read gives nothing.
type metaReader struct {
	rest []byte
	err  error
}

func (r *metaReader) fail(format string, arguments ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, arguments...)
	}
	r.rest = nil
}

// take gives the next bytes, or as many zeros for a small length.
func (r *metaReader) take(length int) []byte {
	if length > len(r.rest) {
		r.fail("%d bytes where %d are left", length, len(r.rest))
		return make([]byte, min(length, 8))
	}
	taken := r.rest[:length:length]
	r.rest = r.rest[length:]
	return taken
}

func (r *metaReader) number8() uint8   { return r.take(1)[0] }
func (r *metaReader) number16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *metaReader) number32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *metaReader) number64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// count reads how many things follow that take at least size bytes each.
func (r *metaReader) count(limit, size int) int {
	count := int(r.number32())
	if count > limit || count*size > len(r.rest) {
		r.fail("%d parts of at least %d bytes in %d", count, size, len(r.rest))
		return 0
	}
	return count
}

// text reads a string behind its length.
func (r *metaReader) text(length, limit int) string {
	if length > limit {
		r.fail("a text of %d bytes", length)
		return ""
	}
	text := r.take(length)
	if !utf8.Valid(text) {
		r.fail("a text that is not UTF-8")
	}
	return string(text)
}

func (r *metaReader) meta() (*Meta, error) {
	if magic := r.take(len(metaMagic)); string(magic) != metaMagic {
		r.fail("magic %q", magic)
	}
	if version := r.number16(); version != metaVersion {
		r.fail("version %d", version)
	}
	m := &Meta{Snapshot: r.number16()&metaSnapshot != 0, Generation: r.number64()}
	base := r.number64()
	switch {
	case m.Generation < firstMetaNumber:
		r.fail("generation %d", m.Generation)
	case m.Snapshot != (base == metaNoBase), !m.Snapshot && base != m.Generation-1:
		r.fail("generation %d on base %d", m.Generation, base)
	}
	// The three counts stand together, in front of all that is counted.
	fields := r.count(maxMetaFields, metaFieldFixed)
	entries := r.count(maxMetaFields, metaEntryFixed)
	records := r.count(maxMetaRecords, metaRecordFixed)
	for range fields {
		m.Schema = append(m.Schema, r.field())
	}
	for range entries {
		m.Entries = append(m.Entries, MetaEntry{Key: r.text(int(r.number16()), maxMetaName), Value: r.value()})
	}
	if r.err != nil {
		return nil, r.err
	}
	checkAscending(r, "field", m.Schema, func(f MetaField) uint16 { return f.ID })
	checkAscending(r, "file entry", m.Entries, func(e MetaEntry) string { return e.Key })
	m.Records = make([]MetaRecord, 0, min(records, len(r.rest)/metaRecordFixed))
	for range records {
		if r.err != nil {
			break
		}
		m.Records = append(m.Records, r.record(m.Schema))
	}
	checkAscending(r, "record", m.Records, func(record MetaRecord) uint64 { return record.ID })
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes behind the last record", len(r.rest))
	}
	return m, r.err
}

func (r *metaReader) field() MetaField {
	field := MetaField{ID: r.number16(), Kind: MetaKind(r.number8())}
	nullable := r.number8()
	field.Nullable = nullable == 1
	field.Name = r.text(int(r.number16()), maxMetaName)
	if field.Kind < MetaString || field.Kind > MetaBool || nullable > 1 || field.Name == "" {
		r.fail("field %d has kind %d and the name %q", field.ID, field.Kind, field.Name)
	}
	return field
}

// value reads one value and gives it as it is encoded.
func (r *metaReader) value() MetaValue {
	from := r.rest
	switch kind := MetaKind(r.number8()); kind {
	case MetaNull, MetaGone:
	case MetaString:
		r.text(int(r.number32()), maxMetaValue)
	case MetaBytes:
		if length := int(r.number32()); length > maxMetaValue {
			r.fail("a value of %d bytes", length)
		} else {
			r.take(length)
		}
	case MetaInt, MetaUint:
		r.take(8)
	case MetaFloat:
		if number := math.Float64frombits(r.number64()); math.IsNaN(number) || math.IsInf(number, 0) {
			r.fail("the value %v", number)
		}
	case MetaBool:
		if truth := r.number8(); truth > 1 {
			r.fail("%d for true or false", truth)
		}
	default:
		r.fail("a value of kind %d", kind)
	}
	if r.err != nil {
		return MetaValue{byte(MetaNull)}
	}
	return MetaValue(from[: len(from)-len(r.rest) : len(from)-len(r.rest)])
}

// record reads one record, whose members must be what the schema says.
func (r *metaReader) record(schema []MetaField) MetaRecord {
	record := MetaRecord{ID: r.number64()}
	operation := r.number8()
	record.Gone = operation == 1
	members := r.count(maxMetaFields, metaMemberFixed)
	if operation > 1 || record.Gone && members > 0 {
		r.fail("operation %d with %d members for vector %d", operation, members, record.ID)
	}
	from, before := r.rest, -1
	for range members {
		field, kind := r.number16(), r.value().Kind()
		at, known := slices.BinarySearchFunc(schema, field, func(f MetaField, id uint16) int { return cmp.Compare(f.ID, id) })
		if !known || kind != MetaGone && kind != schema[at].Kind && (kind != MetaNull || !schema[at].Nullable) {
			r.fail("field %d of vector %d has a value of kind %d", field, record.ID, kind)
		}
		if int(field) <= before {
			r.fail("member %d stands behind %d", field, before)
		}
		if before = int(field); r.err != nil {
			return record
		}
	}
	if members > 0 {
		record.Members = MetaMembers(from[: len(from)-len(r.rest) : len(from)-len(r.rest)])
	}
	return record
}

// checkAscending refuses a list that is not in strictly ascending order.
func checkAscending[T any, K cmp.Ordered](r *metaReader, what string, list []T, key func(T) K) {
	for i := 1; i < len(list); i++ {
		if key(list[i-1]) >= key(list[i]) {
			r.fail("%s %v stands behind %v", what, key(list[i]), key(list[i-1]))
			return
		}
	}
}

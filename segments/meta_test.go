package segments

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// handMadeMeta has a value of each kind.
var handMadeMeta = &Meta{
	Snapshot: true, Generation: 5,
	Schema: []MetaField{
		{ID: 0, Kind: MetaString, Name: "title"}, {ID: 1, Kind: MetaInt, Nullable: true, Name: "year"},
		{ID: 2, Kind: MetaBytes, Name: "b"}, {ID: 3, Kind: MetaUint, Name: "u"},
		{ID: 4, Kind: MetaFloat, Name: "f"}, {ID: 9, Kind: MetaBool, Name: "t"},
	},
	Entries: []MetaEntry{{Key: "fields", Value: MetaValue("\x01\x02\x00\x00\x00{}")}},
	Records: []MetaRecord{
		{ID: 7, Members: MetaMembers(nil).
			With(0, MetaValue("\x01\x02\x00\x00\x00\xc3\xa9")).With(1, MetaValue("\x00")).With(2, MetaValue("\x02\x01\x00\x00\x00\xff")).
			With(3, MetaValue("\x04\xff\xff\xff\xff\xff\xff\xff\xff")).With(4, MetaValue("\x05\x00\x00\x00\x00\x00\x00\xf8\x3f")).With(9, MetaValue("\x06\x01"))},
		{ID: 1 << 40},
	},
}

// handMadeBytes is handMadeMeta as the format's table spells it out, without the
// mark and the hash.
const handMadeBytes = `
	5256464d45544100 0100 0100 0500000000000000 ffffffffffffffff 06000000 01000000 02000000
	0000 01 00 0500 7469746c65
	0100 03 01 0400 79656172
	0200 02 00 0100 62
	0300 04 00 0100 75
	0400 05 00 0100 66
	0900 06 00 0100 74
	0600 6669656c6473 01 02000000 7b7d
	0700000000000000 00 06000000
		0000 01 02000000 c3a9
		0100 00
		0200 02 01000000 ff
		0300 04 ffffffffffffffff
		0400 05 000000000000f83f
		0900 06 01
	0000000000010000 00 00000000`

func unspaced(text string) string { return strings.Join(strings.Fields(text), "") }

// complete puts mark and hash behind a body.
func complete(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(append(bytes.Clone(body), "RVFDONE\x00"...), sum[:]...)
}

func handMadeBody(t *testing.T) []byte {
	t.Helper()
	body, err := hex.DecodeString(unspaced(handMadeBytes))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestMetaIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	payload := complete(handMadeBody(t))
	got, err := ParseMeta(payload)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, handMadeMeta) {
		t.Errorf("read as\n%+v, want\n%+v", got, handMadeMeta)
	}
	encoded, err := handMadeMeta.Encode()
	if err != nil || !bytes.Equal(encoded, payload) {
		t.Errorf("written as (%v)\n%x, want\n%x", err, encoded, payload)
	}
	delta := &Meta{Generation: 6, Records: []MetaRecord{{ID: 7, Gone: true}}}
	encoded, err = delta.Encode()
	want, _ := hex.DecodeString(unspaced(`5256464d45544100 0100 0000 0600000000000000 0500000000000000 00000000 00000000 01000000 0700000000000000 01 00000000`))
	if err != nil || !bytes.Equal(encoded, complete(want)) {
		t.Errorf("delta (%v)\n%x, want\n%x", err, encoded, complete(want))
	}
	empty, err := (&Meta{Snapshot: true, Generation: 1}).Encode()
	if err != nil || len(empty) != 80 {
		t.Errorf("an empty snapshot of %d bytes (%v), want 80", len(empty), err)
	}
}

func TestMetaIsRefused(t *testing.T) {
	t.Parallel()
	body := handMadeBody(t)
	put := func(at int, b ...byte) func() []byte {
		return func() []byte {
			changed := bytes.Clone(body)
			copy(changed[at:], b)
			return changed
		}
	}
	place := func(text string) int { return strings.Index(unspaced(handMadeBytes), unspaced(text)) / 2 }
	for name, change := range map[string]func() []byte{
		"magic":                  put(0, 'X'),
		"version":                put(8, 2),
		"delta without a base":   put(10, 0),
		"generation 0":           put(12, 0),
		"snapshot with a base":   put(20, 4, 0, 0, 0, 0, 0, 0, 0),
		"more fields than fit":   put(28, 0xff, 0xff, 0, 0),
		"more records than fit":  put(36, 0xff, 0xff, 0xff, 0),
		"kind of a field":        put(place("0000 01 00 0500")+2, 7),
		"nullable":               put(place("0000 01 00 0500")+3, 2),
		"field without a name":   put(place("0300 04 00 0100 75")+4, 0, 0),
		"name is no UTF-8":       put(place("7469746c65"), 0xff),
		"fields out of order":    put(place("0100 03 01 0400"), 9),
		"text is no UTF-8":       put(place("c3a9"), 0xff),
		"float is infinite":      put(place("0400 05 000000000000f83f")+9, 0xf0, 0x7f),
		"neither true nor false": put(place("0900 06 01")+3, 2),
		"kind of a value":        put(place("0900 06 01")+2, 8),
		"null where none may be": put(place("0900 06 01")+2, 0),
		"not of the field":       put(place("0300 04 ffffffffffffffff")+2, 3),
		"no such field":          put(place("0900 06 01"), 8),
		"operation":              put(place("0700000000000000 00 06000000")+8, 2),
		"gone with members":      put(place("0700000000000000 00 06000000")+8, 1),
		"records out of order":   put(place("0000000000010000 00"), 7, 0, 0, 0, 0, 0),
		"value over the end":     put(place("0200 02 01000000 ff")+3, 0xff, 0xff),
		"cut":                    func() []byte { return body[:len(body)-1] },
		"bytes behind the end":   func() []byte { return append(bytes.Clone(body), 0) },
		"nothing":                func() []byte { return nil },
	} {
		if _, err := ParseMeta(complete(change())); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v, want %v", name, err, ErrPayload)
		}
	}
	payload := complete(body)
	payload[len(payload)-1] ^= 1
	if _, err := ParseMeta(payload); !errors.Is(err, ErrPayload) {
		t.Errorf("wrong hash: %v", err)
	}
	if _, err := ParseMeta(payload[:79]); !errors.Is(err, ErrPayload) {
		t.Errorf("79 bytes: %v", err)
	}
}

func TestMetaLimits(t *testing.T) {
	t.Parallel()
	long := func(length int) MetaValue {
		return append(binary.LittleEndian.AppendUint32([]byte{byte(MetaString)}, uint32(length)), bytes.Repeat([]byte("a"), length)...)
	}
	for _, c := range []struct {
		name  string
		meta  *Meta
		valid bool
	}{
		{"a name of 4096 bytes", &Meta{Snapshot: true, Generation: 1, Schema: []MetaField{{Kind: MetaInt, Name: strings.Repeat("n", 4096)}}}, true},
		{"a name of 4097 bytes", &Meta{Snapshot: true, Generation: 1, Schema: []MetaField{{Kind: MetaInt, Name: strings.Repeat("n", 4097)}}}, false},
		{"a value of 16 MiB", &Meta{Snapshot: true, Generation: 1, Entries: []MetaEntry{{Key: "k", Value: long(16_777_216)}}}, true},
		{"a value over 16 MiB", &Meta{Snapshot: true, Generation: 1, Entries: []MetaEntry{{Key: "k", Value: long(16_777_217)}}}, false},
	} {
		payload, err := c.meta.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseMeta(payload); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	entries := make([]MetaEntry, 17)
	value := long(16 << 20)
	for i := range entries {
		entries[i] = MetaEntry{Key: string(rune('a' + i)), Value: value}
	}
	if _, err := (&Meta{Snapshot: true, Generation: 1, Entries: entries}).Encode(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("272 MiB: %v, want %v", err, ErrTooLarge)
	}
}

// TestMetaMembersChanged: what a delta says of a record goes into what is known of it.
func TestMetaMembersChanged(t *testing.T) {
	t.Parallel()
	// members are fields with one byte of text, and without any those that go.
	members := func(text string) (m MetaMembers) {
		for _, part := range strings.Fields(text) {
			value := MetaValue{byte(MetaGone)}
			if len(part) > 1 {
				value = MetaValue{byte(MetaString), 1, 0, 0, 0, part[1]}
			}
			m = m.With(uint16(part[0]-'0'), value)
		}
		return m
	}
	for _, c := range []struct{ before, change, after string }{
		{"", "", ""},
		{"", "1a 3b", "1a 3b"},
		{"1a 3b", "", "1a 3b"},
		{"1a 3b", "2c", "1a 2c 3b"},
		{"1a 3b", "0c 4d", "0c 1a 3b 4d"},
		{"1a 3b", "1c 3d", "1c 3d"},
		{"1a 3b", "1", "3b"},
		{"1a 3b", "3", "1a"},
		{"1a 3b", "1 3", ""},
		{"1a 3b", "2 5", "1a 3b"},
		{"", "1 2a", "2a"},
	} {
		before := members(c.before)
		if got := before.Changed(members(c.change)); !bytes.Equal(got, members(c.after)) {
			t.Errorf("%q with %q is %x, want %q", c.before, c.change, []byte(got), c.after)
		}
		if !bytes.Equal(before, members(c.before)) {
			t.Errorf("%q itself was changed", c.before)
		}
	}
}

package lineage

import (
	"bytes"
	"reflect"
	"testing"
)

func FuzzParseIdentity(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		identity, err := ParseIdentity(b)
		if err != nil {
			return
		}
		again, err := identity.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b[:IdentitySize]) {
			t.Errorf("%x, %v", again, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		record, err := ParseRecord(b)
		if err != nil {
			return
		}
		encoded, err := record.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseRecord(encoded); again != record || err != nil {
			t.Errorf("%+v, %v; want %+v", again, err, record)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDerivationType(text); err == nil {
			if again, err := ParseDerivationType(d.String()); again != d || err != nil {
				t.Errorf("derivation type %v, %v", again, err)
			}
		}
		if p, ok := ProfileOfName(text); ok {
			if again, ok := ProfileOfName("x" + profiles[p].extension); again != p || !ok {
				t.Errorf("profile %v, %v", again, ok)
			}
		}
	})
}

func FuzzFold(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		h := NewFold()
		at := min(int(cut), len(b))
		_, _ = h.Write(b[:at])
		_, _ = h.Write(b[at:])
		// The definition, word for word.
		var want Hash
		for i, v := range b {
			want[i%32] += v
			want[(i+13)%32] += want[i%32]<<3 | want[i%32]>>5
		}
		if !bytes.Equal(h.Sum(nil), want[:]) || Fold(b) != want {
			t.Errorf("%d bytes cut at %d", len(b), at)
		}
	})
}

func FuzzParseDropped(f *testing.F) {
	for _, d := range []Dropped{{}, {Manifests: []DroppedState{{Epoch: 3}, {Epoch: 4}, {Epoch: 4}}, Ends: []DroppedState{{Epoch: 4}}}} {
		encoded, err := d.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dropped, err := ParseDropped(b)
		if err != nil {
			return
		}
		encoded, err := dropped.AppendBinary(nil)
		if err != nil || len(encoded) > len(b) {
			t.Fatalf("%d bytes become %d, %v", len(b), len(encoded), err)
		}
		if again, err := ParseDropped(encoded); err != nil || !reflect.DeepEqual(again, dropped) {
			t.Errorf("%+v, %v; want %+v", again, err, dropped)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	f.Add(Origin{Start: StartBranch, Audit: Mark{1, 2}}.String())
	f.Fuzz(func(t *testing.T, text string) {
		origin, ours := Record{Text: text}.Origin()
		if !ours {
			return
		}
		if len(origin.String()) > MaxRecordText {
			t.Errorf("%q does not fit into a record", origin)
		}
		if again, ours := (Record{Text: origin.String()}).Origin(); !ours || again != origin {
			t.Errorf("%+v, want %+v", again, origin)
		}
	})
}

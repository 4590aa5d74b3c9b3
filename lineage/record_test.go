package lineage

import (
	"errors"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "derived", strings.Repeat("x", MaxRecordText)} {
		want := Record{FileID{1}, FileID{2}, Hash{3}, Snapshot, 4, 5, text}
		b, err := want.AppendBinary([]byte("x"))
		if err != nil || len(b) != 1+RecordSize {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if got, err := ParseRecord(b[1:]); got != want || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := ParseRecord(b[2:]); !errors.Is(err, ErrShortRecord) {
			t.Errorf("short: %v", err)
		}
		b[1+80] = MaxRecordText + 1
		if _, err := ParseRecord(b[1:]); !errors.Is(err, ErrRecordText) {
			t.Errorf("text length: %v", err)
		}
	}
	if _, err := (Record{Text: strings.Repeat("x", MaxRecordText+1)}).AppendBinary(nil); !errors.Is(err, ErrRecordText) {
		t.Errorf("long text: %v", err)
	}
}

func TestDerivationType(t *testing.T) {
	t.Parallel()
	for d, want := range derivationNames {
		if d.String() != want {
			t.Errorf("%d: %q", uint8(d), d.String())
		}
		for _, text := range []string{want, strings.ToUpper(want), strings.ReplaceAll(want, "_", "-")} {
			if got, err := ParseDerivationType(text); got != d || err != nil {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	}
	if got := DerivationType(7).String(); got != "0x07" {
		t.Errorf("unknown: %q", got)
	}
	for _, text := range []string{"", "0x07", "clones", strings.Repeat("x", 10_000)} {
		if _, err := ParseDerivationType(text); !errors.Is(err, ErrDerivationType) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	for p, want := range map[Profile][3]string{
		Generic:  {"generic", ".rvf", "\x00\x00\x00\x00"},
		RVDNA:    {"RVDNA", ".rvdna", "RDNA"},
		RVText:   {"RVText", ".rvtext", "RTXT"},
		RVGraph:  {"RVGraph", ".rvgraph", "RGRH"},
		RVVision: {"RVVision", ".rvvis", "RVIS"},
		5:        {"0x05", "", "\x00\x00\x00\x00"},
		255:      {"0xff", "", "\x00\x00\x00\x00"},
	} {
		magic := p.Magic()
		if got := [2]string{p.String(), string(magic[:])}; got != [2]string{want[0], want[2]} {
			t.Errorf("%d: %q", uint8(p), got)
		}
		if of, known := ProfileOfName("x" + want[1]); known != p.Known() || known && of != p {
			t.Errorf("%d: the extension %q is that of %v, %t", uint8(p), want[1], of, known)
		}
	}
}

func TestProfileOfName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Profile{
		"a.rvf": Generic, "a.RVF": Generic, "a.b.rvdna": RVDNA, "a.RvText": RVText, "dir/a.rvgraph": RVGraph, " .rvvis": RVVision, "..rvf": Generic,
	} {
		if got, ok := ProfileOfName(name); got != want || !ok {
			t.Errorf("%q: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", ".", ".rvf", "dir/.rvf", "rvf", "a.rvf2", "a.rv", "a.rvf/b", "a.rvf.lock", "a.rvviſ", "a."} {
		if got, ok := ProfileOfName(name); ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	mark := MarkOf([]byte("an entry"))
	if mark == MarkOf([]byte("another")) || mark == (Mark{}) {
		t.Errorf("the mark is %x", mark)
	}
	for _, want := range []Origin{{Start: StartEmpty}, {Start: StartBranch, Audit: mark}, {Start: StartCopy, Audit: mark}} {
		record := Record{Text: want.String()}
		if encoded, err := record.AppendBinary(nil); err != nil || len(encoded) != RecordSize {
			t.Errorf("%q does not fit into a record: %v", want, err)
		}
		if got, ours := record.Origin(); !ours || got != want {
			t.Errorf("%q is %+v, %t", want, got, ours)
		}
	}
	for _, text := range []string{"", "made by hand", "empty ", "Empty", "empty audit=", "empty audit=0011", "empty audit=" + strings.Repeat("x", 32)} {
		if got, ours := (Record{Text: text}).Origin(); ours {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

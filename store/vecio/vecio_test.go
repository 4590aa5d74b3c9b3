package vecio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// collector is a sink that keeps everything and checks what every decoder owes
// its sink.
type collector struct {
	dimension int
	ids       []int64 // -1 for a row without an id
	rows      []byte
	calls     int
	set       int // calls of SetDimension
	refuse    error
	broken    error // the first breach of the contract
}

func (c *collector) Dimension() int { return c.dimension }

func (c *collector) SetDimension(dimension int) error {
	if c.dimension != 0 || dimension < 1 || dimension > MaxDimension {
		c.broken = fmt.Errorf("SetDimension(%d) while it is %d", dimension, c.dimension)
	}
	c.dimension = dimension
	c.set++
	return nil
}

func (c *collector) Rows(ids []uint64, rows []byte) error {
	if c.refuse != nil {
		return c.refuse
	}
	c.calls++
	if c.dimension == 0 || len(rows) == 0 || len(rows)%(4*c.dimension) != 0 {
		c.broken = fmt.Errorf("Rows of %d bytes at dimension %d", len(rows), c.dimension)
		return nil
	}
	n := len(rows) / (4 * c.dimension)
	if ids != nil && len(ids) != n {
		c.broken = fmt.Errorf("%d ids for %d rows", len(ids), n)
		return nil
	}
	for i := range n {
		id := int64(-1)
		if ids != nil {
			id = int64(ids[i])
		}
		c.ids = append(c.ids, id)
	}
	c.rows = append(c.rows, rows...)
	return nil
}

// push writes a stream in chunks whose lengths next gives, and ends it.
func push(d Decoder, stream []byte, next func() int) error {
	for len(stream) > 0 {
		n := min(max(1, next()), len(stream))
		taken, err := d.Write(stream[:n])
		if err != nil {
			if _, again := d.Write(stream[n:]); !errors.Is(again, err) {
				return fmt.Errorf("after %w a later write gave %v", err, again)
			}
			return err
		}
		if taken != n {
			return fmt.Errorf("write of %d bytes took %d", n, taken)
		}
		stream = stream[n:]
	}
	if err := d.EndLine(); err != nil {
		return err
	}
	return d.Finish()
}

// whole writes a stream at once.
func whole() int { return math.MaxInt }

// pieces gives chunk lengths from 1 to most, always the same ones.
func pieces(seed uint64, most int) func() int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() int { return 1 + r.IntN(most) }
}

// decode runs a decoder over a stream and returns what the sink got.
func decode(t testing.TB, f Format, o Options, dimension int, stream []byte, next func() int) (*collector, error) {
	t.Helper()
	sink := &collector{dimension: dimension}
	err := push(NewDecoder(f, sink, o), stream, next)
	if sink.broken != nil {
		t.Fatal(sink.broken)
	}
	return sink, err
}

// agree decodes a stream at once and cut in two places and checks that the
// outcome is the same. It returns the outcome.
func agree(t testing.TB, f Format, o Options, dimension int, stream []byte, next func() int) (*collector, error) {
	t.Helper()
	atOnce, wantErr := decode(t, f, o, dimension, stream, whole)
	cut, err := decode(t, f, o, dimension, stream, next)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("at once %v, in pieces %v", wantErr, err)
	}
	if err != nil {
		var a, b *RecordError
		if !errors.As(wantErr, &a) || !errors.As(err, &b) {
			t.Fatalf("not a record error: %v, %v", wantErr, err)
		}
		if a.Format != b.Format || a.Offset != b.Offset || a.Line != b.Line || a.Row != b.Row {
			t.Fatalf("at once %v, in pieces %v", a, b)
		}
		return atOnce, wantErr
	}
	if !slices.Equal(atOnce.ids, cut.ids) || !bytes.Equal(atOnce.rows, cut.rows) || atOnce.dimension != cut.dimension {
		t.Fatal("the rows depend on the chunks")
	}
	return atOnce, nil
}

// everyCut checks a small stream cut at each byte, in single bytes and at once.
func everyCut(t testing.TB, f Format, o Options, dimension int, stream []byte) (*collector, error) {
	t.Helper()
	for cut := range stream {
		agree(t, f, o, dimension, stream, func() int { return max(1, cut) })
	}
	return agree(t, f, o, dimension, stream, func() int { return 1 })
}

// floats is the little-endian image of values.
func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// normal gives n values of a normal distribution.
func normal(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 2))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return values
}

// checkError compares an error with a record error's place and a part of its
// reason; an empty reason stands for no error.
func checkError(t *testing.T, err error, offset, line, row int64, reason string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Fatalf("unexpected: %v", err)
		}
		return
	}
	var e *RecordError
	if !errors.As(err, &e) || !errors.Is(err, ErrRecord) {
		t.Fatalf("got %v, want a record error about %q", err, reason)
	}
	if !bytes.Contains([]byte(e.Reason), []byte(reason)) || e.Offset != offset || e.Line != line || e.Row != row {
		t.Fatalf("got %+v, want offset %d, line %d, row %d, reason with %q", *e, offset, line, row, reason)
	}
}

func TestRecordErrorText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    RecordError
		want string
	}{
		{RecordError{JSON, 40, 3, 2, "bad"}, "json: row 2, line 3, byte 40: bad"},
		{RecordError{RawF32, 16, 0, 4, "bad"}, "f32: row 4, byte 16: bad"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestFormatNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		suffix string
		format Format
		known  bool
	}{
		{".f32", RawF32, true}, {".json", JSON, true}, {".jsonl", JSON, true},
		{".rvf", Segments, true}, {".ndjson", JSON, true}, {".npy", NPY, true}, {".fvecs", Fvecs, true}, {".bvecs", Bvecs, true},
		{".csv", CSV, true}, {".tsv", TSV, true}, {".fbin", Fbin, true}, {".u8bin", U8bin, true}, {".i8bin", I8bin, true}, {".safetensors", Safetensors, true}, {"", Auto, false}, {".txt", Auto, false},
	} {
		if f, ok := FormatOfSuffix(c.suffix); f != c.format || ok != c.known {
			t.Errorf("%q: %v, %v", c.suffix, f, ok)
		}
	}
	for f, want := range map[Format]string{Auto: "auto", RawF32: "f32", JSON: "json", Segments: "rvf", NPY: "npy", Fvecs: "fvecs", Bvecs: "bvecs", CSV: "csv", TSV: "tsv", Fbin: "fbin", U8bin: "u8bin", I8bin: "i8bin", Safetensors: "safetensors", 77: "format 77"} {
		if f.String() != want {
			t.Errorf("got %q, want %q", f.String(), want)
		}
	}
	for _, f := range []Format{Auto, RawF32, JSON, Segments, NPY, Fvecs, Bvecs, CSV, TSV, Fbin, U8bin, I8bin, Safetensors} {
		if got := NewDecoder(f, &collector{}, Options{}).Format(); got != f {
			t.Errorf("decoder of %v says %v", f, got)
		}
	}
}

// A sink's error ends the stream and is not dressed up as a bad record.
func TestSinkErrorEndsTheStream(t *testing.T) {
	t.Parallel()
	full := errors.New("no room")
	for f, stream := range map[Format][]byte{
		RawF32:      floats(1, 2),
		JSON:        []byte("[1,2]"),
		Segments:    vecSegment(1, 2, []uint64{4}, floats(1, 2)),
		NPY:         npyFile("<f8", 2, 1, 2),
		Fvecs:       vecsFile(Fvecs, []float32{1, 2}),
		Bvecs:       vecsFile(Bvecs, []float32{1, 2}),
		CSV:         []byte("1,2\n"),
		TSV:         []byte("1\t2\n"),
		Fbin:        countedFile(1, 2, floats(1, 2)...),
		U8bin:       countedFile(1, 2, 1, 2),
		I8bin:       countedFile(1, 2, 1, 2),
		Safetensors: safetensorsFile(`{"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, floats(1, 2)...),
		Auto:        bytes.Repeat(floats(1, 2), guessBytes/8),
	} {
		d := NewDecoder(f, &collector{dimension: 2, refuse: full}, Options{})
		for range 2 {
			if _, err := d.Write(stream); !errors.Is(err, full) || errors.Is(err, ErrRecord) {
				t.Errorf("%v: %v", f, err)
			}
		}
		if !errors.Is(d.Settle(), full) || !errors.Is(d.EndLine(), full) || !errors.Is(d.Finish(), full) {
			t.Errorf("%v forgot its failure", f)
		}
	}
}

// wantReason holds an error to be a record error about something; none if reason is empty.
func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	switch {
	case reason == "" && err != nil:
		t.Fatalf("unexpected: %v", err)
	case reason != "" && (!errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), reason)):
		t.Fatalf("got %v, want a record error about %q", err, reason)
	}
}

package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"rvffs/store/volume"
)

// raw lays values out as rows of float32.
func raw(values ...float32) string {
	var text []byte
	for _, value := range values {
		text = binary.LittleEndian.AppendUint32(text, math.Float32bits(value))
	}
	return string(text)
}

func TestParseQueries(t *testing.T) {
	t.Parallel()
	one := Query{Vector: []float32{1, 2}, K: 10}
	for text, want := range map[string][]Query{
		`{"vector":[1,2]}`:                              {one},
		`{"vector": [1, 2], "k": 3}` + "\n":             {{Vector: []float32{1, 2}, K: 3}},
		`{"id":18446744073709551615}`:                   {{ID: math.MaxUint64, K: 10}},
		`{"k":1,"id":0}`:                                {{ID: 0, K: 1}},
		`{"id":7,"vector":null}`:                        nil,
		" \r\n\t[1,2]":                                  {one},
		"\xef\xbb\xbf[1e0,2.0]":                         {one},
		`[1,2][1,2]{"id":7}`:                            {one, one, {ID: 7, K: 10}},
		"[1,2]\n[1,2]\n":                                {one, one},
		`[[1,2], {"vector":[1,2]}, {"id":7,"k":65536}]`: {one, one, {ID: 7, K: 65536}},
		`[{"id":7}]` + "\n" + `[[1,2]]`:                 {{ID: 7, K: 10}, one},
		raw(1, 2):                                       {one},
		raw(1, 2, 3, 4):                                 {one, {Vector: []float32{3, 4}, K: 10}},
		raw(float32(math.NaN()), 1):                     {{Vector: []float32{float32(math.NaN()), 1}, K: 10}},
		"[" + raw(1, 2)[1:]:                             {{Vector: []float32{math.Float32frombits('[' | 0x3f800000), 2}, K: 10}},
		"":                                              nil,
		"\n":                                            nil,
		"[]":                                            nil,
		"[[]]":                                          nil,
		"{}":                                            nil,
		`{"vector":[]}`:                                 nil,
		`{"vector":[null,1]}`:                           nil,
		`{"vector":[[1,2]]}`:                            nil,
		`{"vector":"1"}`:                                nil,
		`[[[1,2]]]`:                                     nil,
		`[1,[2]]`:                                       nil,
		`{"vector":[1,2],"id":7}`:                       nil,
		`{"vector":[1,2],"k":0}`:                        nil,
		`{"vector":[1,2],"k":65537}`:                    nil,
		`{"vector":[1,2],"k":1.5}`:                      nil,
		`{"vector":[1,2],"top":1}`:                      nil,
		`{"vector":[1e40,2]}`:                           nil,
		`{"id":-1}`:                                     nil,
		`{"id":18446744073709551616}`:                   nil,
		`{"id":"7"}`:                                    nil,
		`{"id":7`:                                       nil,
		`{"id":7} 7`:                                    nil,
		`{"id":7},{"id":8}`:                             nil,
		"query for me":                                  nil,
		raw(1, 2, 3):                                    nil,
		raw(1, 2) + "\n":                                nil,
		"[" + strings.Repeat("0,", 1<<16) + "0]":        nil,
		"[" + strings.Repeat("[", 1<<16):                nil,
		`{"vector":[` + strings.Repeat("0,", 1<<16) + `0]}`: nil,
	} {
		got, err := ParseQueries([]byte(text), 2, 10)
		shown := fmt.Sprintf("%.60q", text)
		switch {
		case want == nil && !errors.Is(err, volume.ErrInput):
			t.Errorf("%s: %v, %v, want %v", shown, got, err, volume.ErrInput)
		case want != nil && (err != nil || fmt.Sprint(got) != fmt.Sprint(want)):
			t.Errorf("%s: %v, %v, want %v", shown, got, err, want)
		}
	}
	for _, text := range [][]byte{make([]byte, MaxQueryBytes+1), bytes.Repeat([]byte(`{"id":1,"k":65536}`), 5)} {
		if _, err := ParseQueries(text, 2, 10); !errors.Is(err, volume.ErrTooLarge) {
			t.Errorf("%.20q and so on: %v, want %v", text, err, volume.ErrTooLarge)
		}
	}
	if _, err := ParseQueries([]byte(raw(1)), 0, 10); !errors.Is(err, volume.ErrInput) {
		t.Errorf("raw rows without a dimension: %v", err)
	}
}

func TestAnswersOfSeveralQueriesSayWhose(t *testing.T) {
	t.Parallel()
	one := []Neighbor{{ID: 7, Distance: 0}, {ID: 8, Distance: 1e-9}, {ID: 9, Distance: -2.5e30}}
	const want = `{"id":7,"distance":0}` + "\n" + `{"id":8,"distance":1e-09}` + "\n" + `{"id":9,"distance":-2.5e+30}` + "\n"
	if got := string(AppendAnswers(nil, [][]Neighbor{one})); got != want {
		t.Errorf("one answer is\n%s", got)
	}
	const both = `{"query":0,"id":7,"distance":0}` + "\n" + `{"query":2,"id":8,"distance":1}` + "\n"
	if got := string(AppendAnswers(nil, [][]Neighbor{one[:1], nil, {{ID: 8, Distance: 1}}})); got != both {
		t.Errorf("three answers are\n%s", got)
	}
}

// FuzzParseQueries checks that whatever was taken can be searched for, and that the
// text of a question says the same behind white space.
func FuzzParseQueries(f *testing.F) {
	for _, text := range []string{
		`{"vector":[1,2],"k":3}`, `[{"id":7},[1,2]]`, "[1,2]\n[3,4]", raw(1, 2), "[" + raw(1, 2)[1:], "\xef\xbb\xbf {}", `{"id":7`,
	} {
		f.Add([]byte(text), uint16(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, dimension uint16) {
		queries, err := ParseQueries(text, int(dimension), DefaultNeighbors)
		if err != nil {
			if !errors.Is(err, volume.ErrInput) && !errors.Is(err, volume.ErrTooLarge) {
				t.Fatalf("an error without a cause: %v", err)
			}
			return
		}
		wanted := 0
		for _, query := range queries {
			wanted += query.K
			if query.K < 1 || query.K > MaxNeighbors || query.Vector != nil && len(query.Vector) == 0 {
				t.Fatalf("query %+v", query)
			}
		}
		if len(queries) == 0 || wanted > MaxAnswers {
			t.Fatalf("%d queries for %d neighbors", len(queries), wanted)
		}
		if isQueryText(text) && !bytes.HasPrefix(text, []byte(byteOrderMark)) {
			again, err := ParseQueries(slices.Concat([]byte(" \n"), text, []byte("\n")), int(dimension), DefaultNeighbors)
			if err != nil || fmt.Sprint(again) != fmt.Sprint(queries) {
				t.Fatalf("between white space %v, %v; else %v", again, err, queries)
			}
		}
	})
}

package segments

import (
	"bytes"
	"slices"
	"testing"
)

func TestResume(t *testing.T) {
	t.Parallel()
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	garbage := bytes.Repeat([]byte("SFVR\x01\x01 rows"), 100)
	one, two := encodeSegment(TypeWitness, 1, []byte("one")), encodeSegment(0xF7, 2, bytes.Repeat([]byte("two"), 5000))
	damaged := slices.Clone(two)
	damaged[len(damaged)-1]++
	unset := slices.Clone(one)
	clear(unset[0x28:0x38])
	for name, c := range map[string]struct {
		bytes []byte
		reach int64
		want  int // -1: nowhere
	}{
		"nothing":                   {nil, 1 << 30, -1},
		"garbage alone":             {garbage, 1 << 30, -1},
		"at once":                   {join(one, two), 1 << 30, 0},
		"behind garbage":            {join(garbage, one, two), 1 << 30, len(garbage)},
		"behind a torn segment":     {join(damaged[:len(damaged)-9], one), 1 << 30, len(damaged) - 9},
		"behind a damaged one":      {join(garbage, damaged, one), 1 << 30, len(garbage) + len(damaged)},
		"not one without a hash":    {join(garbage, unset, two), 1 << 30, len(garbage) + len(unset)},
		"a fake inside the garbage": {join(garbage, one, garbage, one, two), 1 << 30, 2*len(garbage) + len(one)},
		"garbage at the end":        {join(one, two, garbage), 1 << 30, -1},
		"beyond reach":              {join(garbage, one), int64(len(garbage)), -1},
		"just within reach":         {join(garbage, one), int64(len(garbage)) + HeaderSize, len(garbage)},
		"across a border of chunks": {join(make([]byte, scanChunk-2), one, two), 1 << 30, scanChunk - 2},
		"cut":                       {join(garbage, one)[:len(garbage)+len(one)-1], 1 << 30, -1},
	} {
		for _, from := range []int{0, 7} {
			file := join(bytes.Repeat([]byte{1}, from), c.bytes)
			at, found, err := Resume(bytes.NewReader(file), int64(from), int64(len(file)), c.reach)
			if err != nil || found != (c.want >= 0) || found && at != int64(from+c.want) {
				t.Errorf("%s from %d: %d, %t, %v; want %d", name, from, at-int64(from), found, err, c.want)
			}
		}
	}
}

// Resume never believes what does not lead to the limit, and hostile bytes do not
// make it take long.
func FuzzResume(f *testing.F) {
	f.Add(append([]byte("torn"), encodeSegment(TypeWitness, 1, []byte("one"))...))
	f.Add(bytes.Repeat(append([]byte("SFVR\x01\x0A"), make([]byte, 3)...), 50))
	f.Fuzz(func(t *testing.T, file []byte) {
		at, found, err := Resume(bytes.NewReader(file), 0, int64(len(file)), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			return
		}
		w := NewWalker(bytes.NewReader(file), at, int64(len(file)))
		if !w.Next() {
			t.Fatal("nothing begins there")
		}
		if verdict, err := VerifySegment(bytes.NewReader(file), w.Segment()); verdict != HashMatch || err != nil {
			t.Fatalf("the first segment: %v, %v", verdict, err)
		}
		for w.Next() {
		}
		if !w.Clean() {
			t.Fatal("it does not lead to the end")
		}
	})
}

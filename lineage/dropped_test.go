package lineage

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestDroppedRoundTrip(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	states := func(epochs ...uint32) []DroppedState {
		var states []DroppedState
		for _, epoch := range epochs {
			state := DroppedState{Epoch: epoch}
			binary.LittleEndian.PutUint64(state.Short[:], random.Uint64())
			states = append(states, state)
		}
		return states
	}
	const last = 1<<32 - 1
	for name, d := range map[string]Dropped{
		"nothing":                {},
		"one":                    {Manifests: states(7)},
		"a run":                  {Manifests: states(0, 1, 2, 3), Ends: states(2, 3)},
		"skipped, again, before": {Manifests: states(0, 5, 5, 6, 3, 4), Ends: states(6, 6, 6)},
		"the highest there are":  {Manifests: states(last-1, last, last, 0, last), Ends: states(last)},
	} {
		encoded, err := d.AppendBinary([]byte("front"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := ParseDropped(encoded[5:])
		if err != nil || !reflect.DeepEqual(got, d) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, d)
		}
		for cut := range len(encoded) - 5 {
			if _, err := ParseDropped(encoded[5 : 5+cut]); !errors.Is(err, ErrDropped) {
				t.Errorf("%s, cut to %d bytes: %v", name, cut, err)
			}
		}
		if _, err := ParseDropped(append(encoded[5:], 0)); !errors.Is(err, ErrDropped) {
			t.Errorf("%s, a byte longer: %v", name, err)
		}
	}
}

// TestDroppedIsSmall: a hundred thousand states cost little more than their hashes, and
// the most that a record has room for is as long as promised.
func TestDroppedIsSmall(t *testing.T) {
	t.Parallel()
	run := make([]DroppedState, 100_000)
	for i := range run {
		run[i].Epoch = uint32(i)
	}
	encoded, err := Dropped{Manifests: run, Ends: run[:MaxDroppedEnds]}.AppendBinary(nil)
	if hashes := 8 * (len(run) + MaxDroppedEnds); err != nil || len(encoded) > hashes+32 {
		t.Errorf("%d bytes, %v", len(encoded), err)
	}
	scattered := make([]DroppedState, MaxDropped)
	for i := range scattered {
		scattered[i].Epoch = uint32(i%2) * (1<<32 - 1)
	}
	encoded, err = Dropped{Manifests: scattered, Ends: scattered[:MaxDroppedEnds]}.AppendBinary(nil)
	if err != nil || len(encoded) > MaxDroppedSize {
		t.Errorf("%d bytes of at most %d, %v", len(encoded), MaxDroppedSize, err)
	}
	if got, err := ParseDropped(encoded); err != nil || len(got.Manifests) != MaxDropped {
		t.Errorf("%d manifests, %v", len(got.Manifests), err)
	}
	for _, d := range []Dropped{{Manifests: make([]DroppedState, MaxDropped+1)}, {Ends: make([]DroppedState, MaxDroppedEnds+1)}} {
		if _, err := d.AppendBinary(nil); !errors.Is(err, ErrDropped) {
			t.Errorf("too many: %v", err)
		}
	}
}

// TestDroppedThatClaimsMuch allocates nothing for what is not there.
func TestDroppedThatClaimsMuch(t *testing.T) {
	t.Parallel()
	front := droppedMagic + string(rune(droppedVersion))
	for name, table := range map[string]string{
		"lines without hashes":  "\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f\x00",
		"too many lines":        "\x81\x80\x10" + strings.Repeat("x", 8*(MaxDropped+1)),
		"a run of none":         "\x01\x00\x00" + strings.Repeat("x", 8),
		"a run of too many":     "\x01\x02\x00" + strings.Repeat("x", 16),
		"an epoch before all":   "\x01\x01\x01" + strings.Repeat("x", 8),
		"an epoch behind all":   "\x01\x01\x80\x80\x80\x80\x20" + strings.Repeat("x", 8),
		"a run behind all":      "\x02\x02\xfe\xff\xff\xff\x1f" + strings.Repeat("x", 16),
		"a number without end":  strings.Repeat("\xff", 11),
		"an epoch without end":  "\x01\x01" + strings.Repeat("\xff", 11),
		"another version":       "",
		"the other table alone": "\x00",
	} {
		b := front + table
		if name == "another version" {
			b = droppedMagic + "\x02\x00\x00"
		}
		if _, err := ParseDropped([]byte(b)); !errors.Is(err, ErrDropped) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

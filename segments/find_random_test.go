package segments

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// Random histories of commits, orphans and torn writes of either writer, where
// the other one goes on behind what was torn. The newest manifest is always found,
// whatever the vectors hold.
func TestFindStateRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 7))
		b, want := twoCommits()
		b.nextID = 1000 // unlike any dimension, so that no header reads as vectors
		history := ""
		// payload returns vectors, perhaps with a fake in them, and the one
		// length at which that could not be told from what another writer
		// appended.
		payload := func() (p []byte, exact int) {
			choices := fakes(int64(len(b.bytes)), b.directory)
			names := slices.Sorted(maps.Keys(choices))
			if i := r.IntN(2 * len(names)); i < len(names) {
				return choices[names[i]].payload, choices[names[i]].exact
			}
			return vecPayload(4, make([]uint64, r.IntN(8))...), -1
		}
		for range 1 + r.IntN(6) {
			p, exact := payload()
			switch r.IntN(6) {
			case 0:
				b.orphan(TypeVec, p)
				history += " orphan"
			case 1: // The other writer: header first, payload cut.
				encoded := encodeSegment(TypeVec, 50, p)
				cut := 1 + r.IntN(len(encoded)-1)
				if cut == HeaderSize+exact {
					cut++
				}
				b.raw(encoded[:cut])
				history += fmt.Sprint(" torn@", cut)
			case 2, 3: // Ours: what is left over is cut off, the header comes last.
				b.bytes = b.bytes[:b.find(t).End]
				p, exact = payload()
				encoded := encodeSegment(TypeVec, 51, p)
				clear(encoded[:HeaderSize])
				cut := 1 + r.IntN(len(encoded)-1)
				if cut == HeaderSize+exact {
					cut++
				}
				b.raw(encoded[:cut])
				history += fmt.Sprint(" zeroed@", cut)
			default:
				b.add(TypeVec, p)
				want = b.commit()
				history += " commit"
			}
		}
		for _, options := range []FindOptions{{}, {ScanLimit: 1 << 20}} {
			s, err := FindState(bytes.NewReader(b.bytes), int64(len(b.bytes)), options)
			if err != nil {
				t.Fatalf("seed %d,%s: %v", seed, history, err)
			}
			if s.Segment != want {
				t.Errorf("seed %d,%s: manifest at %d, want %d of %d", seed, history, s.Segment.Offset, want.Offset, len(b.bytes))
			}
		}
	}
}

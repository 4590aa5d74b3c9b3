package state_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	"rvffs/store/volume/memory"
)

// TestKeptStatesThatWereMoved: a kept state that stands where it did, while what it names was
// moved by another program, is gone, wherever the segments now begin that stand in its place.
// Where none does, it is damaged.
func TestKeptStatesThatWereMoved(t *testing.T) {
	t.Parallel()
	pinned := lineage.ShakeOf([]byte("a manifest"))
	vectors := rowstest.Vectors(2, []uint64{1, 2}, []float32{1, 2, 3, 4})
	witness := (&segments.Witness{Kind: segments.WitnessProvenance, Action: bytes.Repeat([]byte("x"), 300)}).Encode()
	for name, test := range map[string]struct {
		before []volume.NewSegment
		spoil  bool // the header of the last of them
		named  func(last segments.Segment) segments.DirectoryEntry
		want   error
	}{
		"a segment reaches into its place": {
			[]volume.NewSegment{{Type: segments.TypeVec, Payload: vectors}, {Type: segments.TypeWitness, Payload: witness}}, false,
			func(last segments.Segment) segments.DirectoryEntry {
				return segments.DirectoryEntry{Offset: last.Offset + 100, PayloadLength: uint64(len(vectors)), Type: segments.TypeVec}
			},
			lineage.ErrNoState,
		},
		"another begins there": {
			[]volume.NewSegment{{Type: segments.TypeVec, Payload: vectors}, {Type: segments.TypeWitness, Payload: witness}}, false,
			func(last segments.Segment) segments.DirectoryEntry {
				return segments.DirectoryEntry{Offset: last.Offset, PayloadLength: uint64(len(vectors)), Type: segments.TypeVec}
			},
			lineage.ErrNoState,
		},
		"its header is damaged": {
			[]volume.NewSegment{{Type: segments.TypeWitness, Payload: witness}, {Type: segments.TypeVec, Payload: vectors}}, true,
			func(last segments.Segment) segments.DirectoryEntry {
				return segments.DirectoryEntry{Offset: last.Offset, PayloadLength: last.PayloadLength, Type: last.Type}
			},
			volume.ErrCorrupt,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var image []byte
			var last segments.Segment
			for i, segment := range test.before {
				last = segment.Describe(int64(len(image)), uint64(i+1), 1)
				encoded := last.Encode()
				if test.spoil && i == len(test.before)-1 {
					encoded[0] ^= 0xff
				}
				image = append(append(image, encoded[:]...), segment.Payload...)
			}
			start := int64(len(image))
			kept := segments.KeptState{
				Pinned: pinned, Offset: start, Hashes: make([][16]byte, 1),
				Manifest: &segments.Manifest{Epoch: 1, Dimension: 2, Directory: []segments.DirectoryEntry{test.named(last)}},
			}
			manifest := &segments.Manifest{Epoch: 2, Dimension: 2}
			laid, at, err := volume.Lay(start, 3, 1, []volume.NewSegment{{Type: segments.TypeKeptState, Payload: kept.Encode()}}, manifest)
			if err != nil {
				t.Fatal(err)
			}
			image = append(image, laid...)
			place := filelog.Place{Files: memory.New(), Name: "a.rvf"}
			file, err := place.Files.Create(place.Name, 0o644)
			if err == nil {
				_, err = file.WriteAt(image, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			info, err := file.Describe()
			if err != nil {
				t.Fatal(err)
			}
			backing := state.NewBacking(filelog.NewGeneration(place, file, info), func() string { return place.Name }, state.BackingOptions{})
			found := &segments.State{Dialect: segments.DialectRuntime, Manifest: manifest, Segment: at, End: int64(len(image)), Clean: true}
			pin := state.Pin{Hash: pinned, Recorded: true, Epoch: 1}
			if _, err := state.NewSnapshot(backing, found, time.Now()).Pinned(t.Context(), pin); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

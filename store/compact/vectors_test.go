package compact

import (
	"errors"
	"slices"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// TestRowsOfTwoFilesAreCopiedAsOne: what a child replaced or deleted of its parent's is
// left out, as is what the parent itself deleted, and nothing else.
func TestRowsOfTwoFilesAreCopiedAsOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		parent, child   []uint64
		deleted, hidden []uint64 // by the parent, by the child
		without         []uint64
		want            []uint64
	}{
		{"one beside the other", []uint64{1, 2}, []uint64{3, 4}, nil, nil, nil, []uint64{1, 2, 3, 4}},
		{"replaced", []uint64{1, 2, 3}, []uint64{2}, nil, nil, nil, []uint64{1, 3, 2}},
		{"deleted by the child", []uint64{1, 2, 3}, []uint64{4}, nil, []uint64{2}, nil, []uint64{1, 3, 4}},
		{"deleted by the parent, stored by the child", []uint64{1, 2, 3}, []uint64{2}, []uint64{2, 3}, nil, nil, []uint64{1, 2}},
		{"to be let go", []uint64{1, 2}, []uint64{3, 4}, nil, nil, []uint64{1, 4}, []uint64{2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := func(value float32, ids, deleted []uint64) *state.Snapshot {
				vectors := slices.Repeat([]float32{value}, 2*len(ids))
				snapshot, _ := rowstest.Snapshot(t, segments.DialectRuntime, segments.Manifest{Dimension: 2, TotalVectors: uint64(len(ids)), Deleted: deleted}, rowstest.Vectors(2, ids, vectors))
				return snapshot
			}
			of, err := rows.Of(source(1, c.parent, c.deleted)).Branch(source(2, c.child, c.hidden), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := live(t, of); c.without == nil && !slices.Equal(got, c.want) {
				t.Fatalf("the rows as one are %d", got)
			}
			s := newStore(t, volumes.New(), 2, nil)
			session, err := s.log.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := newRewrite(t.Context(), s.Compactor, session, idset.Of(c.without), throttle.FullSpeed)
			r.file, err = session.Rewrite(t.Context(), volume.RewriteOptions{Reads: r.pacer.Bytes, Writes: r.pacer.Scratch, Limits: r.env.Follow, Progress: r.progress})
			if err != nil {
				t.Fatal(err)
			}
			if err := of.With(t.Context(), state.Judging, func(in rows.Readings) error { return r.copyVectors(t.Context(), in) }); err != nil {
				t.Fatal(err)
			}
			copied := state.NewSnapshot(session.Base().Backing(), &segments.State{
				Dialect: segments.DialectRuntime, Manifest: &segments.Manifest{Dimension: 2, Directory: r.vectors}, End: r.file.Tail(),
			}, time.Now())
			var got []uint64
			for _, entry := range copied.Vectors() {
				reader, err := rows.Open(copied.In(written{r.file.Bytes()}), entry)
				if err != nil {
					t.Fatal(err)
				}
				ids, values := make([]uint64, reader.Count()), make([]byte, 8*reader.Count())
				if err := reader.ReadRows(0, ids, values); err != nil {
					t.Fatal(err)
				}
				for i, id := range ids {
					byChild := values[8*i+3] == 0x40 // the highest byte of 2, as that of 1 is 0x3f
					if byChild != slices.Contains(c.child, id) {
						t.Errorf("the vector of %d is another source's", id)
					}
				}
				got = append(got, ids...)
			}
			if !slices.Equal(got, c.want) || !slices.Equal(r.ids.Ascending(), slices.Sorted(slices.Values(c.want))) {
				t.Errorf("copied are %d, known %d; want %d", got, r.ids.Ascending(), c.want)
			}
			if err := r.file.Abort(); err != nil {
				t.Error(err)
			}
			if err := session.End(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamageIsNotCopied: the hash of the new segment would be that of the damage.
func TestDamageIsNotCopied(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	s := newStore(t, files, 2, nil)
	s.ingest(t, 3, []uint64{1, 2, 3})
	entry := s.head.Current().Vectors()[0]
	file, err := files.Open("a.rvf", true)
	if err == nil {
		_, err = file.WriteAt([]byte{1}, entry.Offset+segments.HeaderSize+int64(entry.PayloadLength)-1)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := s.head.Current()
	if _, err := s.Compact(t.Context(), nil); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("a damaged segment is copied: %v", err)
	}
	if len(s.head.Current().Vectors()) != 1 || s.head.Current().Epoch() != before.Epoch() {
		t.Error("the store is another one")
	}
}

// written are bytes that are being made, for who reads what is there.
type written struct{ volume.Scratch }

func (written) Describe() (volume.FileInfo, error) {
	return volume.FileInfo{}, errors.New("nobody asks")
}

package metadata

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// meta is a payload: a snapshot, or a delta, of records without members.
func meta(t *testing.T, snapshot bool, generation uint64, ids ...uint64) []byte {
	t.Helper()
	part := &segments.Meta{Snapshot: snapshot, Generation: generation}
	for _, id := range ids {
		part.Records = append(part.Records, segments.MetaRecord{ID: id})
	}
	return encode(t, part)
}

func encode(t *testing.T, part *segments.Meta) []byte {
	t.Helper()
	payload, err := part.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// headOf follows a file of the vectors 1 to 4 that names META segments with these payloads.
func headOf(t *testing.T, options state.BackingOptions, payloads ...[]byte) (*state.Head, *filelog.Log) {
	t.Helper()
	manifest := &segments.Manifest{Dimension: 1, TotalVectors: 4}
	content := []volume.NewSegment{{Type: segments.TypeVec, Payload: rowstest.Vectors(1, []uint64{1, 2, 3, 4}, make([]float32, 4))}}
	for _, payload := range payloads {
		content = append(content, volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
	}
	image, _, err := volume.Lay(0, 1, 1, content, manifest)
	if err != nil {
		t.Fatal(err)
	}
	at := filelog.Place{Files: volumes.New(), Name: "a.rvf"}
	file, err := at.Files.Create(at.Name, 0o644)
	if err == nil {
		_, err = file.WriteAt(image, 0)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	where := filelog.New(at, volume.LogOptions{})
	version, err := where.Open(t.Context(), volume.Known{})
	if err != nil {
		t.Fatal(err)
	}
	return state.NewHead(where, version, nil, options), where
}

// read runs use with the state that a head shows.
func read(t *testing.T, head *state.Head, use func(*state.Reading) error) {
	t.Helper()
	if err := head.Current().With(t.Context(), state.Judging, use); err != nil {
		t.Fatal(err)
	}
}

// broken is a payload that holds no metadata.
var broken = []byte("no metadata at all")

// TestSegmentsComeTo says which of several segments count.
func TestSegmentsComeTo(t *testing.T) {
	t.Parallel()
	field := func(kind segments.MetaKind) []segments.MetaField {
		return []segments.MetaField{{Kind: kind, Name: "title"}}
	}
	for _, c := range []struct {
		name       string
		payloads   [][]byte
		ids        []uint64
		gap        bool
		unreadable int
	}{
		{"none", nil, nil, false, 0},
		{"a snapshot", [][]byte{meta(t, true, 1, 1, 2)}, []uint64{1, 2}, false, 0},
		{"deltas", [][]byte{meta(t, true, 1, 1), meta(t, false, 2, 2), meta(t, false, 3, 3)}, []uint64{1, 2, 3}, false, 0},
		{"a newer snapshot", [][]byte{meta(t, true, 1, 1), meta(t, true, 2, 2)}, []uint64{2}, false, 0},
		{"a record that is gone", [][]byte{meta(t, true, 1, 1, 2), encode(t, &segments.Meta{Generation: 2, Records: []segments.MetaRecord{{ID: 1, Gone: true}}})}, []uint64{2}, false, 0},
		{"a gap in the generations", [][]byte{meta(t, true, 1, 1), meta(t, false, 2, 2), meta(t, false, 4, 3)}, []uint64{1, 2}, true, 0},
		{"damage between deltas", [][]byte{meta(t, true, 1, 1), broken, meta(t, false, 3, 3)}, []uint64{1}, true, 1},
		{"damage before a snapshot", [][]byte{broken, meta(t, true, 1, 1), meta(t, false, 2, 2)}, []uint64{1, 2}, false, 1},
		{"a delta without a snapshot", [][]byte{meta(t, false, 2, 1)}, nil, true, 0},
		{"another kind under a number", [][]byte{
			encode(t, &segments.Meta{Snapshot: true, Generation: 1, Schema: field(segments.MetaString), Records: []segments.MetaRecord{{ID: 1}}}),
			encode(t, &segments.Meta{Generation: 2, Schema: field(segments.MetaBool), Records: []segments.MetaRecord{{ID: 2}}}),
		}, []uint64{1}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			head, _ := headOf(t, state.BackingOptions{}, c.payloads...)
			for _, known := range []*gathered{gatherIDs(), gatherAll()} {
				read(t, head, func(in *state.Reading) error {
					unreadable, err := known.add(t.Context(), in, in.Snapshot().OfType(segments.TypeMeta), new(memory.Charge), 0)
					if len(unreadable) != c.unreadable {
						t.Errorf("%d segments cannot be read, want %d", len(unreadable), c.unreadable)
					}
					return err
				})
				if got := known.ids.Ascending(); !slices.Equal(got, c.ids) || known.gap != c.gap {
					t.Errorf("records of %d, gap %v; want %d and %v", got, known.gap, c.ids, c.gap)
				}
			}
		})
	}
}

// deletes has the ids that a change holds deleted.
type deletes struct{}

func (deletes) Draft(_ context.Context, d *log.Draft) (log.Committed, error) {
	for _, change := range d.Changes {
		d.Manifest.Deleted = append(d.Manifest.Deleted, change.Content.([]uint64)...)
	}
	return nil, nil
}

// TestRecordsGoWithACommit drives a log alone: each deletion is followed by one small
// segment, which takes out the record, and one that takes no record away by none.
func TestRecordsGoWithACommit(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(1 << 20)
	head, file := headOf(t, state.BackingOptions{Memory: budget}, meta(t, true, 7, 1, 2, 3))
	l := log.New(log.Environment{
		File: file, Head: head, Writable: func(ctx context.Context, s *state.Snapshot) error { return s.Writable(ctx) },
		Keep:      func(context.Context, volume.Bytes, *state.Snapshot) error { return nil },
		Published: func(*state.Snapshot) {}, Clock: time.Now,
		Hooks: []log.Hook{deletes{}, NewHook(rows.NewIDTable(), idset.New)},
	})
	session, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		deleted, left []uint64
		named         int
	}{{[]uint64{2}, []uint64{1, 3}, 2}, {[]uint64{4}, []uint64{1, 3}, 2}, {[]uint64{1}, []uint64{3}, 3}} {
		if _, err := session.Commit(t.Context(), log.Change{Content: step.deleted}); err != nil {
			t.Fatal(err)
		}
		named := head.Current().OfType(segments.TypeMeta)
		known := gatherIDs()
		read(t, head, func(in *state.Reading) error {
			_, err := known.add(t.Context(), in, named, new(memory.Charge), 0)
			return err
		})
		if got := known.ids.Ascending(); !slices.Equal(got, step.left) || len(named) != step.named || known.gap || known.generation != uint64(6+step.named) {
			t.Errorf("without %d: records of %d in %d segments up to generation %d, gap %v", step.deleted, got, len(named), known.generation, known.gap)
		}
	}
	if err := session.End(); err != nil {
		t.Error(err)
	}
	if usage := budget.Usage(); usage.Used != usage.Cached || usage.Cached == 0 {
		t.Errorf("%+v", usage)
	}
}

// TestStatedAnew is what a compaction asks: one snapshot of what is left, behind what
// cannot be read.
func TestStatedAnew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		payloads        [][]byte
		stored, deleted []uint64
		ids             []uint64
		generation      uint64 // 0: nothing is stated
		copied          int
	}{
		{"none", nil, []uint64{1}, nil, nil, 0, 0},
		{"all are stored", [][]byte{meta(t, true, 1, 1, 2)}, []uint64{1, 2, 3}, nil, []uint64{1, 2}, 2, 0},
		{"one is gone, one deleted", [][]byte{meta(t, true, 1, 1, 2, 3), meta(t, false, 2, 4)}, []uint64{1, 3, 4}, []uint64{4}, []uint64{1, 3}, 3, 0},
		{"behind damage", [][]byte{meta(t, true, 4, 1), broken, meta(t, false, 6, 2)}, []uint64{1, 2}, nil, []uint64{1}, 7, 1},
		{"without a snapshot", [][]byte{meta(t, false, 1, 1), broken}, []uint64{1}, nil, nil, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			head, _ := headOf(t, state.BackingOptions{}, c.payloads...)
			read(t, head, func(in *state.Reading) error {
				copied, payload, err := Restate(t.Context(), in, idset.Of(c.stored), idset.Of(c.deleted), new(memory.Charge))
				if err != nil || len(copied) != c.copied || (payload != nil) != (c.generation != 0) {
					t.Errorf("%d segments are copied, %d bytes are stated, %v", len(copied), len(payload), err)
				}
				if payload == nil {
					return nil
				}
				part, err := segments.ParseMeta(payload)
				if err != nil {
					return err
				}
				var ids []uint64
				for _, record := range part.Records {
					ids = append(ids, record.ID)
				}
				if !part.Snapshot || part.Generation != c.generation || !slices.Equal(ids, c.ids) {
					t.Errorf("records of %d, generation %d", ids, part.Generation)
				}
				return nil
			})
		})
	}
}

// TestCheckFindsOrphans looks with other ids stored than there are records of.
func TestCheckFindsOrphans(t *testing.T) {
	t.Parallel()
	head, _ := headOf(t, state.BackingOptions{}, meta(t, true, 1, 1, 77), broken)
	read(t, head, func(in *state.Reading) error {
		found, err := Check(t.Context(), in, idset.Of([]uint64{1, 2}))
		if err != nil {
			return err
		}
		if got := found.Orphans.Ascending(); !slices.Equal(got, []uint64{77}) || !found.Gap || len(found.Unreadable) != 1 {
			t.Errorf("orphans %d, gap %v, %d unreadable", got, found.Gap, len(found.Unreadable))
		}
		return nil
	})
}

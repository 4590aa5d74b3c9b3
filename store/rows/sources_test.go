package rows_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// source is a file as a test describes it: the ids in each of its segments, and those
// that it lists as deleted. Each row has a vector of its own.
type source struct {
	dialect segments.Dialect
	ids     [][]uint64
	deleted []uint64
	filter  *segments.Membership // of what it inherits; nil: all is shown
}

// shown is the filter that lets ids be seen of what is inherited.
func shown(ids ...uint64) *segments.Membership {
	filter := &segments.Membership{}
	for _, id := range ids {
		for filter.Header.VectorCount <= id {
			filter.Header.VectorCount++
		}
		for uint64(len(filter.Bitmap)) < (id/64+1)*8 {
			filter.Bitmap = append(filter.Bitmap, 0)
		}
		filter.Bitmap[id/8] |= 1 << (id % 8)
	}
	return filter
}

// hidden is the filter that hides ids of what is inherited.
func hidden(ids ...uint64) *segments.Membership {
	filter := shown(ids...)
	filter.Header.Exclude = true
	return filter
}

// members are those of the filter, as they are read from a file.
func (s source) members(t testing.TB) *rows.Members {
	t.Helper()
	if s.filter == nil {
		return nil
	}
	filter, err := segments.ParseMembership(s.filter.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return rows.NewMembers(filter)
}

// component is one of the values of a row, told by where it stands.
func component(source, segment, row, column int) float32 {
	return float32(source*1_000_000+segment*100_000+row) + float32(column)/8
}

// snapshotOf makes the file.
func (s source) snapshotOf(t testing.TB, number int, at filelog.Place, options state.BackingOptions, dimension int) (*state.Snapshot, filelog.File) {
	t.Helper()
	different := map[uint64]bool{}
	var payloads [][]byte
	for i, ids := range s.ids {
		value := func(row, column int) float32 { return component(number, i, row, column) }
		if s.dialect == segments.DialectWire {
			payloads = append(payloads, rowstest.WireVectors(dimension, ids, value))
		} else {
			var vectors []float32
			for row := range ids {
				for column := range dimension {
					vectors = append(vectors, value(row, column))
				}
			}
			payloads = append(payloads, rowstest.Vectors(dimension, ids, vectors))
		}
		for _, id := range ids {
			different[id] = true
		}
	}
	manifest := segments.Manifest{TotalVectors: uint64(len(different)), Deleted: s.deleted}
	if len(s.ids) > 0 {
		manifest.Dimension = uint16(dimension)
	}
	return rowstest.SnapshotAt(t, at, options, s.dialect, manifest, payloads...)
}

// joined makes the files of all sources, and one of them.
func joined(t testing.TB, options state.BackingOptions, dimension int, all ...source) (rows.Sources, []*state.Snapshot, []filelog.File) {
	t.Helper()
	files := volumes.New()
	var snapshots []*state.Snapshot
	var opened []filelog.File
	for i, one := range all {
		snapshot, file := one.snapshotOf(t, i, filelog.Place{Files: files, Name: fmt.Sprintf("%d.rvf", i)}, options, dimension)
		snapshots, opened = append(snapshots, snapshot), append(opened, file)
	}
	of := rows.Of(snapshots[0])
	for i, own := range snapshots[1:] {
		var err error
		if of, err = of.Branch(own, all[i+1].members(t)); err != nil {
			t.Fatal(err)
		}
	}
	return of, snapshots, opened
}

// plainRow is a live row, and where it stands.
type plainRow struct {
	id                   uint64
	source, segment, row int
}

// plain says which rows of the sources are live in the plainest way: those behind which
// no row of the same id comes, and whose id neither their own source nor a later one has
// deleted.
func plain(all []source) (live []plainRow) {
	var stored []plainRow
	for i, one := range all {
		for j, ids := range one.ids {
			for row, id := range ids {
				stored = append(stored, plainRow{id, i, j, row})
			}
		}
	}
	last := map[uint64]int{}
	for i, row := range stored {
		last[row.id] = i
	}
	for i, row := range stored {
		deleted := slices.ContainsFunc(all[row.source:], func(s source) bool { return slices.Contains(s.deleted, row.id) })
		unseen := slices.ContainsFunc(all[row.source+1:], func(s source) bool { return s.filter != nil && !s.filter.Contains(row.id) })
		if last[row.id] == i && !deleted && !unseen {
			live = append(live, row)
		}
	}
	return live
}

// upTo are the ids from first on.
func upTo(first uint64, count int) []uint64 {
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = first + uint64(i)
	}
	return ids
}

// scattered is a source of ids that may be anything, some of them more than once.
func scattered(random *rand.Rand, dialect segments.Dialect) source {
	s := source{dialect: dialect}
	for range 1 + random.IntN(4) {
		var ids []uint64
		for range random.IntN(30) {
			ids = append(ids, random.Uint64N(60))
		}
		if dialect == segments.DialectWire { // its ids are written as differences
			slices.Sort(ids)
			ids = slices.Compact(ids)
		}
		s.ids = append(s.ids, ids)
	}
	for range random.IntN(8) {
		s.deleted = append(s.deleted, random.Uint64N(60))
	}
	if filters := []func(...uint64) *segments.Membership{nil, shown, shown, hidden}; true {
		if filter := filters[random.IntN(len(filters))]; filter != nil {
			var ids []uint64
			for id := range uint64(60) {
				if random.IntN(5) > 0 {
					ids = append(ids, id)
				}
			}
			s.filter = filter(ids...)
		}
	}
	return s
}

// TestRowsOfSeveralFilesAreOne reads them in every format, finds them by their ids,
// visits them, and asks which are live for one who copies them; against the plainest way.
func TestRowsOfSeveralFilesAreOne(t *testing.T) {
	t.Parallel()
	runtime, wire := segments.DialectRuntime, segments.DialectWire
	random := rand.New(rand.NewPCG(3, 14))
	type test struct {
		dimension int
		sources   []source
		counted   bool // the different ids of each
		trusted   bool // they are known to be different ones without being read
	}
	tests := map[string]test{
		"one": {dimension: 2, sources: []source{{ids: [][]uint64{{1, 2, 3}, {2, 9}}, deleted: []uint64{3}}}},
		"replaced and deleted": {dimension: 3, sources: []source{
			{ids: [][]uint64{{1, 2, 3, 4}, {5, 6}}, deleted: []uint64{5}},
			{ids: [][]uint64{{7, 3}, {8}}, deleted: []uint64{2, 8, 500}},
		}},
		"stored again by the child": {dimension: 1, sources: []source{
			{ids: [][]uint64{{1, 2, 3}}, deleted: []uint64{2}},
			{ids: [][]uint64{{2}}},
		}},
		"deleted by both": {dimension: 1, sources: []source{
			{ids: [][]uint64{{1, 2, 3}}, deleted: []uint64{2, 3}},
			{ids: [][]uint64{{3, 4}}, deleted: []uint64{2, 3}},
		}},
		"counted, replaced": {dimension: 1, counted: true, sources: []source{{ids: [][]uint64{{1, 2, 3}}}, {ids: [][]uint64{{3, 4}}}}},
		"all replaced":      {dimension: 1, sources: []source{{ids: [][]uint64{{3, 2, 1}}}, {ids: [][]uint64{{1, 2, 3}}}}},
		"a child without vectors": {dimension: 2, sources: []source{
			{ids: [][]uint64{{1, 2, 3}}},
			{deleted: []uint64{1}},
		}},
		"a parent without vectors": {dimension: 2, sources: []source{{deleted: []uint64{2}}, {ids: [][]uint64{{1, 2, 3}}}}},
		"other dialects": {dimension: 4, sources: []source{
			{dialect: wire, ids: [][]uint64{upTo(1, 300), {7, 900}}, deleted: []uint64{12}},
			{dialect: runtime, ids: [][]uint64{{10, 11, 1000}}, deleted: []uint64{7, 13}},
			{dialect: wire, ids: [][]uint64{{11, 13}}, deleted: []uint64{1000}},
		}},
		"large, ids apart": {dimension: 96, trusted: true, sources: []source{
			{ids: [][]uint64{upTo(0, 6000), upTo(6000, 5000)}, deleted: []uint64{17, 6002}},
			{ids: [][]uint64{upTo(20_000, 4000)}, deleted: []uint64{5999, 20_001}},
		}},
		"large, one replaced": {dimension: 96, sources: []source{
			{ids: [][]uint64{upTo(0, 9000)}, deleted: []uint64{17}},
			{ids: [][]uint64{upTo(8999, 4000)}, deleted: []uint64{5999}},
		}},
		"a branch of all": {dimension: 96, trusted: true, sources: []source{
			{ids: [][]uint64{upTo(0, 6000), upTo(6000, 5000)}, deleted: []uint64{17, 6002}},
			{filter: shown(slices.Concat(upTo(0, 17), upTo(18, 5984), upTo(6003, 4997))...)},
		}},
		"a branch of some": {dimension: 96, trusted: true, sources: []source{
			{ids: [][]uint64{upTo(0, 6000), upTo(6000, 5000)}, deleted: []uint64{17}},
			{ids: [][]uint64{upTo(12_000, 2)}, filter: shown(slices.Concat(upTo(0, 17), upTo(18, 100), upTo(200, 8000))...), deleted: []uint64{12_001}},
		}},
		"a branch of few": {dimension: 96, sources: []source{
			{ids: [][]uint64{upTo(0, 11_000)}},
			{ids: [][]uint64{upTo(7, 1)}, filter: shown(3, 7, 8000)},
		}},
		"a branch of ids with gaps": {dimension: 3, sources: []source{
			{ids: [][]uint64{{5, 10, 15, 20, 25, 30}, {35, 45, 55}}},
			{ids: [][]uint64{{20}}, filter: shown(5, 10, 20, 25, 30, 35, 45, 55)},
			{ids: [][]uint64{{99}}, filter: shown(5, 10, 20, 35, 45)},
		}},
		"a branch of other ids": {dimension: 1, sources: []source{
			{ids: [][]uint64{{3, 1, 2}}},
			{ids: [][]uint64{{9}}, filter: shown(4, 5, 9)},
		}},
		"a branch that hides": {dimension: 1, sources: []source{
			{ids: [][]uint64{upTo(0, 300)}},
			{ids: [][]uint64{{7, 500}}, filter: hidden(7, 8, 299)},
		}},
	}
	for i := range 40 {
		var all []source
		for range 2 + random.IntN(2) {
			all = append(all, scattered(random, []segments.Dialect{runtime, runtime, wire}[random.IntN(3)]))
		}
		tests[fmt.Sprintf("scattered %d", i)] = test{dimension: 1 + random.IntN(3), sources: all, counted: i%2 == 0}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of, snapshots, _ := joined(t, state.BackingOptions{}, test.dimension, test.sources...)
			if test.counted {
				for _, snapshot := range snapshots {
					snapshot.CountedIDs(snapshot.Manifest().TotalVectors)
				}
			}
			want := plain(test.sources)
			checkVisit(t, of, test.dimension, want)
			checkDead(t, of, want)
			if count, err := rows.Count(t.Context(), of); err != nil || count != uint64(len(want)) {
				t.Errorf("%d vectors, %v; want %d", count, err, len(want))
			}
			if err := rowstest.Check(of, rand.New(rand.NewPCG(1, 2))); err != nil {
				t.Error(err)
			}
			for range 20 {
				id := random64(want)
				_, err := rows.ByID(t.Context(), of, id, vecio.FileF32)
				if there := slices.ContainsFunc(want, func(row plainRow) bool { return row.id == id }); there != (err == nil) || err != nil && !errors.Is(err, volume.ErrNotFound) {
					t.Errorf("id %d: %v; it is there: %v", id, err, there)
				}
			}
			live, done, err := rows.Hold(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			if len(test.sources) > 1 && live.Trusted() != test.trusted {
				t.Errorf("ids were believed: %v, want %v", live.Trusted(), test.trusted)
			}
		})
	}
}

// random64 is an id about the size of those that are there.
func random64(rows []plainRow) uint64 {
	highest := uint64(10)
	for _, row := range rows {
		highest = max(highest, row.id)
	}
	return rand.Uint64N(highest + 3)
}

// checkVisit visits all rows.
func checkVisit(t *testing.T, of rows.Sources, dimension int, want []plainRow) {
	t.Helper()
	at := 0
	err := rowstest.Visit(t.Context(), of, func(ids []uint64, vectors []byte) error {
		for i, id := range ids {
			if at == len(want) || want[at].id != id {
				return fmt.Errorf("row %d has the id %d", at, id)
			}
			for column := range dimension {
				got := math.Float32frombits(binary.LittleEndian.Uint32(vectors[4*(i*dimension+column):]))
				if got != component(want[at].source, want[at].segment, want[at].row, column) {
					return fmt.Errorf("id %d has the vector of another row: %v", id, got)
				}
			}
			at++
		}
		return nil
	})
	if err == nil && at != len(want) {
		err = fmt.Errorf("%d rows, want %d", at, len(want))
	}
	if err != nil {
		t.Errorf("visit: %v", err)
	}
}

// checkDead asks for each segment which rows are live, as a compaction does.
func checkDead(t *testing.T, of rows.Sources, want []plainRow) {
	t.Helper()
	charge := of.Memory().Charge()
	defer charge.Free()
	err := of.With(t.Context(), state.Judging, func(in rows.Readings) error {
		found := in.Segments()
		dead, err := rows.FindDead(t.Context(), in, found, nil, &charge, rows.NoDamage)
		if err != nil {
			return err
		}
		at, segment := 0, 0
		for i := range found {
			if segment++; i == 0 || found[i].Source != found[i-1].Source {
				segment = 0
			}
			reader, err := rows.Open(in.Of(found[i]), found[i].Entry)
			if err != nil {
				return err
			}
			for row := range reader.Count() {
				live := at < len(want) && want[at] == plainRow{want[at].id, found[i].Source, segment, row}
				if live == dead[i].Contains(uint64(row)) {
					return fmt.Errorf("row %d of segment %d of source %d: live is %v", row, segment, found[i].Source, live)
				}
				if live {
					at++
				}
			}
		}
		if at != len(want) {
			return fmt.Errorf("%d rows are live, want %d", at, len(want))
		}
		return nil
	})
	if err != nil {
		t.Errorf("which rows are live: %v", err)
	}
}

// TestSourcesOfOneDimension: vectors of several dimensions are no rows of one.
func TestSourcesOfOneDimension(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	two, _ := source{ids: [][]uint64{{1}}}.snapshotOf(t, 0, filelog.Place{Files: files, Name: "two"}, state.BackingOptions{}, 2)
	three, _ := source{ids: [][]uint64{{1}}}.snapshotOf(t, 0, filelog.Place{Files: files, Name: "three"}, state.BackingOptions{}, 3)
	if _, err := rows.Of(two).Branch(three, nil); !errors.Is(err, volume.ErrInput) {
		t.Errorf("%v", err)
	}
}

// TestRowsWithoutDimension are none where others have one.
func TestRowsWithoutDimension(t *testing.T) {
	t.Parallel()
	files := volumes.New()
	none, _ := rowstest.SnapshotAt(t, filelog.Place{Files: files, Name: "none"}, state.BackingOptions{}, segments.DialectRuntime,
		segments.Manifest{TotalVectors: 2}, rowstest.Vectors(0, []uint64{1, 2}, nil))
	some, _ := source{ids: [][]uint64{{2, 3}}}.snapshotOf(t, 0, filelog.Place{Files: files, Name: "some"}, state.BackingOptions{}, 2)
	of, err := rows.Of(none).Branch(some, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkVisit(t, of, 2, plain([]source{{ids: [][]uint64{{2, 3}}}}))
	if err := rowstest.Check(of, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Error(err)
	}
}

// TestRowsOfSeveralFilesAreFoundOnce and kept for as long as there is memory for them,
// which is charged for.
func TestRowsOfSeveralFilesAreFoundOnce(t *testing.T) {
	t.Parallel()
	budget := memory.NewBudget(1 << 20)
	of, _, _ := joined(t, state.BackingOptions{Memory: budget}, 1, source{ids: [][]uint64{{1, 2, 3}}}, source{ids: [][]uint64{{3, 4}}})
	first, done, err := rows.Hold(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	if usage := budget.Usage(); usage.Used == 0 || usage.Cached == usage.Used {
		t.Errorf("while they are held: %+v", usage)
	}
	done()
	if usage := budget.Usage(); usage.Used == 0 || usage.Cached != usage.Used {
		t.Errorf("when nobody holds them: %+v", usage)
	}
	again, done, err := rows.Hold(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	done()
	if again != first {
		t.Error("they were found anew")
	}
}

// readView reads a whole view.
func readView(t *testing.T, view state.View) error {
	t.Helper()
	reader, err := view.Open(t.Context())
	if err != nil {
		return err
	}
	_, err = reader.ReadContext(t.Context(), make([]byte, view.Size()), 0)
	return errors.Join(err, reader.Close())
}

// byID reads the vector of an id.
func byID(t *testing.T, of rows.Sources, id uint64) error {
	t.Helper()
	view, err := rows.ByID(t.Context(), of, id, vecio.FileF32)
	if err != nil {
		return err
	}
	return readView(t, view)
}

// TestDamagedSource: what the damaged file alone could tell is not guessed, and what the
// other one tells by itself is shown.
func TestDamagedSource(t *testing.T) {
	t.Parallel()
	parent := source{ids: [][]uint64{{1, 2, 3}, {4, 5}}, deleted: []uint64{5}}
	child := source{ids: [][]uint64{{3, 6}, {7}}, deleted: []uint64{2}}
	for name, test := range map[string]struct {
		sources []source
		damaged int // source; its second segment
		want    map[uint64]error
	}{
		"the parent": {[]source{parent, child}, 0, map[uint64]error{
			1: nil, // the parent has as many ids as rows, so that it was not replaced there
			2: volume.ErrNotFound, 3: nil, 4: volume.ErrCorrupt, 5: volume.ErrNotFound, 6: nil, 7: nil,
			8: volume.ErrCorrupt, // it may have been lost
		}},
		"a parent that has replaced one": {[]source{{ids: [][]uint64{{1, 2, 3}, {4, 3}}}, child}, 0, map[uint64]error{
			1: volume.ErrCorrupt, // it may have been replaced
			2: volume.ErrNotFound, 3: nil, 4: volume.ErrCorrupt, 6: nil, 7: nil, 8: volume.ErrCorrupt,
		}},
		"the child": {[]source{parent, child}, 1, map[uint64]error{
			1: volume.ErrCorrupt, 2: volume.ErrNotFound, 3: nil, 4: volume.ErrCorrupt, 5: volume.ErrCorrupt, 6: nil, 7: volume.ErrCorrupt, 8: volume.ErrCorrupt,
		}},
		"a child that has replaced one": {[]source{parent, {ids: [][]uint64{{3, 6}, {3}}, deleted: []uint64{2}}}, 1, map[uint64]error{
			1: volume.ErrCorrupt, 2: volume.ErrNotFound, 3: volume.ErrCorrupt, 4: volume.ErrCorrupt, 5: volume.ErrCorrupt, 6: volume.ErrCorrupt, 7: volume.ErrCorrupt,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of, snapshots, files := joined(t, state.BackingOptions{}, 1, test.sources...)
			damaged := snapshots[test.damaged].Vectors()[1]
			if _, err := files[test.damaged].WriteAt([]byte{0}, damaged.Offset); err != nil {
				t.Fatal(err)
			}
			for id, want := range test.want {
				if err := byID(t, of, id); !errors.Is(err, want) {
					t.Errorf("id %d: %v, want %v", id, err, want)
				}
			}
			view, err := rows.File(t.Context(), of, vecio.FileF32)
			if err != nil {
				t.Fatal(err)
			}
			if err := readView(t, view); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("all rows: %v", err)
			}
			if err := rowstest.Visit(t.Context(), of, func([]uint64, []byte) error { return nil }); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("visit: %v", err)
			}
		})
	}
}

// TestSourceFoundDamaged: each source is checked as its own file asks, and what becomes
// known of one of them while its rows are shown ends that.
func TestSourceFoundDamaged(t *testing.T) {
	t.Parallel()
	for _, mode := range []state.VerifyMode{state.VerifyFirst, state.VerifyBackground} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			checker := state.NewChecker(mode)
			defer checker.Close()
			release := rowstest.HoldChecks(checker)
			sources := []source{{ids: [][]uint64{{1, 2, 3}}}, {ids: [][]uint64{{3, 4}}}}
			of, snapshots, files := joined(t, state.BackingOptions{Checker: checker}, 1, sources...)
			parent := snapshots[0].Vectors()[0]
			place := parent.Offset + segments.HeaderSize + int64(parent.PayloadLength) - 1 // in a vector
			if _, err := files[0].WriteAt([]byte{0xaa}, place); err != nil {
				t.Fatal(err)
			}
			view, err := rows.File(t.Context(), of, vecio.FileF32)
			if err != nil {
				t.Fatal(err)
			}
			open, err := view.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch err := readView(t, view); {
			case mode == state.VerifyFirst && !errors.Is(err, volume.ErrCorrupt):
				t.Errorf("before the check: %v", err)
			case mode == state.VerifyBackground && err != nil:
				t.Errorf("before the verdict: %v", err)
			}
			release()
			checker.Wait()
			// Its ids may have hidden others, so those of the child are in doubt, too.
			_, err = open.ReadContext(t.Context(), make([]byte, 8), view.Size()-8)
			if mode == state.VerifyBackground && !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("who has it open reads on: %v", err)
			}
			if err := open.Close(); err != nil {
				t.Error(err)
			}
			if err := readView(t, view); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("after the verdict: %v", err)
			}
			if err := byID(t, of, 1); !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("a vector of the damaged file: %v", err)
			}
			if err := byID(t, of, 4); err != nil {
				t.Errorf("a vector of the other file: %v", err)
			}
		})
	}
}

// TestSourceIsGone: rows of several files are there as long as all files are.
func TestSourceIsGone(t *testing.T) {
	t.Parallel()
	for gone := range 2 {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			t.Parallel()
			files := volumes.New()
			var snapshots []*state.Snapshot
			for i := range 2 {
				snapshot, _ := source{ids: [][]uint64{upTo(uint64(3*i), 3)}}.snapshotOf(t, i, filelog.Place{Files: files, Name: fmt.Sprint(i)}, state.BackingOptions{}, 2)
				snapshots = append(snapshots, snapshot)
			}
			of, err := rows.Of(snapshots[0]).Branch(snapshots[1], nil)
			if err != nil {
				t.Fatal(err)
			}
			view, err := rows.File(t.Context(), of, vecio.FileNPY)
			if err != nil {
				t.Fatal(err)
			}
			open, err := view.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			remove := func(i int) {
				t.Helper()
				if err := errors.Join(snapshots[i].Backing().Release(), files.Remove(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			remove(gone)
			if _, err := open.ReadContext(t.Context(), make([]byte, view.Size()), 0); err != nil {
				t.Errorf("who has it open reads on: %v", err)
			}
			if err := open.Close(); err != nil {
				t.Error(err)
			}
			if err := readView(t, view); !errors.Is(err, volume.ErrStale) {
				t.Errorf("to open it: %v", err)
			}
			for name, try := range map[string]func() error{
				"find":  func() error { return byID(t, of, 4) },
				"visit": func() error { return rowstest.Visit(t.Context(), of, func([]uint64, []byte) error { return nil }) },
			} {
				if err := try(); !errors.Is(err, volume.ErrStale) {
					t.Errorf("%s: %v", name, err)
				}
			}
			// Nobody holds the other one for it.
			remove(1 - gone)
			if _, err := snapshots[1-gone].Backing().Acquire(t.Context()); !errors.Is(err, volume.ErrStale) {
				t.Errorf("the other file: %v", err)
			}
		})
	}
}

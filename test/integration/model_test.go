package integration

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// model is what a store must hold: vectors by id.
type model map[uint64][]float32

// randomRows makes count rows of values between −1 and 1, the same ones for the
// same seed.
func randomRows(seed uint64, count, dimension int) [][]float32 {
	source := rand.New(rand.NewPCG(seed, uint64(dimension)))
	rows := make([][]float32, count)
	for i := range rows {
		rows[i] = make([]float32, dimension)
		for j := range rows[i] {
			rows[i][j] = 2*source.Float32() - 1
		}
	}
	return rows
}

// numbered gives rows consecutive ids.
func numbered(first uint64, rows [][]float32) model {
	out := model{}
	for i, row := range rows {
		out[first+uint64(i)] = row
	}
	return out
}

// put adds the vectors of another model; the later vector of an id counts.
func (m model) put(other model) { maps.Copy(m, other) }

// remove deletes ids.
func (m model) remove(ids ...uint64) {
	for _, id := range ids {
		delete(m, id)
	}
}

// next is the id after the largest one; a store without vectors starts at 0.
func (m model) next() uint64 {
	if len(m) == 0 {
		return 0
	}
	return slices.Max(slices.Collect(maps.Keys(m))) + 1
}

// ids are the model's ids in ascending order.
func (m model) ids() []uint64 { return slices.Sorted(maps.Keys(m)) }

// flat are the vectors in order of their ids, one after the other.
func (m model) flat() []float32 {
	var out []float32
	for _, id := range m.ids() {
		out = append(out, m[id]...)
	}
	return out
}

// differs says where a set of vectors is not the model, bit for bit; nil where
// it is.
func (m model) differs(got map[uint64][]float32) error {
	var problems []error
	for _, id := range m.ids() {
		vector, ok := got[id]
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("id %d is missing", id))
		case !slices.EqualFunc(vector, m[id], sameBits):
			problems = append(problems, fmt.Errorf("id %d is %v, want %v", id, vector, m[id]))
		}
	}
	for id := range got {
		if _, ok := m[id]; !ok {
			problems = append(problems, fmt.Errorf("id %d should not be there", id))
		}
	}
	if len(problems) > 5 {
		problems = append(problems[:5], fmt.Errorf("and %d more", len(problems)-5))
	}
	return errors.Join(problems...)
}

// sameBits reports whether two numbers are one as they are stored.
func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// rawRows encodes rows as raw f32.
func rawRows(rows ...[]float32) []byte {
	var out []byte
	for _, row := range rows {
		for _, value := range row {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
		}
	}
	return out
}

// jsonLines encodes vectors as JSON lines with explicit ids.
func (m model) jsonLines(t testing.TB) []byte {
	t.Helper()
	var out []byte
	for _, id := range m.ids() {
		line, err := json.Marshal(map[string]any{"id": id, "vector": m[id]})
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

// fileHolds lets the independent reader say what a file lacks.
func fileHolds(path string, want model) error {
	file, err := rawfile.Read(path)
	if err != nil {
		return err
	}
	return want.differs(file.Vectors())
}

// peerHolds lets the reference runtime say what a store lacks: its counters,
// its metric, the set of ids it finds, and each vector by its own distance. It
// opens the file read-only.
func peerHolds(process *peer.Process, path string, want model) error {
	file, err := rawfile.Read(path)
	if err != nil {
		return err
	}
	newest := file.Newest()
	store, err := process.OpenReadonly(path)
	if err != nil {
		return err
	}
	defer store.Close()
	status, err := store.Status()
	if err != nil {
		return err
	}
	identity, err := store.Identity()
	if err != nil {
		return err
	}
	var problems []error
	complain := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf("the peer "+format, arguments...))
	}
	if status.TotalVectors != len(want) {
		complain("counts %d vectors, want %d", status.TotalVectors, len(want))
	}
	if status.CurrentEpoch != newest.Epoch {
		complain("sees epoch %d, want %d", status.CurrentEpoch, newest.Epoch)
	}
	if peerMetric := peerMetrics[newest.Metric]; identity.Metric != peerMetric || identity.Dimension != int(newest.Dimension) {
		complain("sees %s of dimension %d, want %s of %d", identity.Metric, identity.Dimension, peerMetric, newest.Dimension)
	}
	if want := newest.Identity; want != nil && (identity.FileID != want.FileIDHex() ||
		identity.ParentID != want.ParentIDHex() || identity.LineageDepth != want.Depth) {
		complain("sees the identity %+v, want %+v", identity, want)
	}
	if len(want) > 0 {
		problems = append(problems, peerVectors(store, newest.Metric, want))
	} else if newest.Dimension > 0 {
		found, err := store.Query(make([]float32, newest.Dimension), 10)
		if err != nil || len(found) > 0 {
			complain("finds %v (%v) in a store without vectors", found, err)
		}
	}
	return errors.Join(problems...)
}

// peerMetrics are the metrics as the reference runtime names them.
var peerMetrics = []string{"l2", "inner_product", "cosine"}

// peerVectors compares the vectors that the reference runtime finds.
func peerVectors(store *peer.Store, metric uint8, want model) error {
	ids, flat := want.ids(), want.flat()
	dimension := len(flat) / len(ids)
	found, err := store.Query(flat[:dimension], len(ids)+1000)
	if err != nil {
		return err
	}
	seen := map[uint64]bool{}
	for _, neighbor := range found {
		seen[neighbor.ID] = true
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, ids) {
		return fmt.Errorf("the peer finds the ids %v, want %v", got, ids)
	}
	distances, err := store.OwnDistances(ids, flat, len(ids))
	if err != nil {
		return err
	}
	for i, id := range ids {
		expected := ownDistance(metric, want[id])
		if distances[i] == nil || math.Abs(*distances[i]-expected) > 1e-5*max(1, math.Abs(expected)) {
			return fmt.Errorf("the peer finds id %d at %v from its own vector, want %v", id, distances[i], expected)
		}
	}
	return nil
}

// ownDistance is a vector's distance from itself.
func ownDistance(metric uint8, vector []float32) float64 {
	var dot float64
	for _, value := range vector {
		dot += float64(value) * float64(value)
	}
	switch {
	case metric == 1:
		return -dot
	case metric == 2 && dot == 0:
		return 1
	}
	return 0
}

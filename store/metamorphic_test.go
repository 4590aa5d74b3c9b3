package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rvffs/lineage"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// operationsPerHistory bounds a history, for the log of its files grows with it.
const operationsPerHistory = 250

// TestRandomHistoriesAgreeWithAMap runs random operations on the engine and on a
// plain map. RVFFS_OPERATIONS says how many (20,000), RVFFS_SEED which history to
// begin with, for a failure names its own.
func TestRandomHistoriesAgreeWithAMap(t *testing.T) {
	t.Parallel()
	runHistories(t, 20_000, newHistory)
}

// runHistories runs them, each with a seed of its own.
func runHistories(t *testing.T, operations int, newHistory func(seed uint64) *history) {
	t.Helper()
	seed := rand.Uint64() >> 16
	if runtime.GOOS == "wasip1" {
		operations /= 10
	}
	operations = int(numberFrom(t, "RVFFS_OPERATIONS", uint64(operations)))
	seed = numberFrom(t, "RVFFS_SEED", seed)
	seeds := make(chan uint64)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for seed := range seeds {
				if t.Failed() {
					continue
				}
				h := newHistory(seed)
				if err := h.run(operationsPerHistory); err != nil {
					t.Errorf("RVFFS_SEED=%d: operation %d: %v\nthe last operations:\n%s", seed, len(h.done), err, h.tail())
				}
			}
		})
	}
	for range (operations + operationsPerHistory - 1) / operationsPerHistory {
		seeds <- seed
		seed++
	}
	close(seeds)
	running.Wait()
}

// numberFrom reads a number from the environment.
func numberFrom(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text, set := os.LookupEnv(name)
	if !set {
		return otherwise
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return number
}

// history is a store and what it has to hold.
type history struct {
	random *rand.Rand
	files  *volumes.Files
	bucket *historyBucket // the place of the stores, if it is not files
	store  *Store
	reader *Store // another process that looks now and then
	done   []string

	mark      crashMark           // vectors and kernel
	program   []byte              // the embedded eBPF program
	stored    map[uint64]struct{} // ids that the file holds, deleted ones included
	foreign   [][]byte            // segments of an unknown type, header included
	appenders []*modelAppender
	held      []heldSnapshot
	last      float32 // the newest vector's first component: no two are alike
	children  int
	named     uint64 // the highest id that an open appender was given, perhaps in vain
}

// modelAppender is an appender and the vectors that its commit has to add.
type modelAppender struct {
	*ingest.Appender
	rows    []modelRow
	flushed uint64 // the ids below were not handed out when it first wrote unnumbered rows
	waiting bool   // it has written such rows
}

// modelRow is one vector on its way.
type modelRow struct {
	id     uint64
	number bool // the store gives the id
	value  float32
}

// heldSnapshot is a state that has to stay readable as it is.
type heldSnapshot struct {
	snapshot *state.Snapshot
	reader   state.Reader // keeps the file open
	model    map[uint64][]float32
}

func newHistory(seed uint64) *history {
	return &history{
		random: rand.New(rand.NewPCG(seed, 11)), files: volumes.New(),
		mark: crashMark{model: map[uint64][]float32{}}, stored: map[uint64]struct{}{},
	}
}

// tail lists the newest operations.
func (h *history) tail() string { return strings.Join(h.done[max(0, len(h.done)-40):], "\n") }

// note adds to what the operation under way is said to have done.
func (h *history) note(format string, values ...any) {
	h.done[len(h.done)-1] += " " + fmt.Sprintf(format, values...)
}

// historyOperations are the operations with the shares that they have.
var historyOperations = []struct {
	name  string
	share int
	do    func(*history) error
}{
	{"ingest", 16, (*history).ingest},
	{"delete", 8, (*history).delete},
	{"delete all", 1, (*history).deleteAll},
	{"append", 22, (*history).append},
	{"commit", 9, (*history).commit},
	{"rollback", 3, (*history).rollback},
	{"kernel", 2, (*history).kernel},
	{"program", 2, (*history).ebpf},
	{"compact", 3, (*history).compact},
	{"derive", 2, (*history).derive},
	{"reopen", 3, (*history).reopen},
	{"crash", 5, (*history).crash},
	{"foreign", 3, (*history).foreignWriter},
	{"hold", 3, (*history).hold},
	{"look", 4, (*history).look},
	{"compare", 8, (*history).compare},
}

// run makes the store and does so many random operations.
func (h *history) run(count int) (err error) {
	if h.store, err = Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, h.options()); err != nil {
		return err
	}
	if h.reader, err = OpenReadOnly(context.Background(), "a.rvf", h.anothers()); err != nil {
		return err
	}
	shares := 0
	for _, operation := range historyOperations {
		shares += operation.share
	}
	for range count {
		pick := h.random.IntN(shares)
		for _, operation := range historyOperations {
			if pick -= operation.share; pick < 0 {
				h.done = append(h.done, operation.name)
				err = operation.do(h)
				break
			}
		}
		if err == nil {
			err = h.glance()
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(h.compare(), h.reopen(), h.compare(), h.store.Close(), h.reader.Close())
}

// options has all that is read checked, so that what is taken for damage when it is
// none shows.
func (h *history) options() Options {
	return Options{Shelf: h.shelf(), TurnWait: -1, Checker: state.NewChecker(state.VerifyFirst)}
}

// anothers are the options of another process.
func (h *history) anothers() Options {
	options := h.options()
	if h.bucket != nil {
		options.Shelf = h.bucket.another().Shelf()
	}
	return options
}

// shelf is where the stores are.
func (h *history) shelf() volume.Shelf {
	if h.bucket != nil {
		return h.bucket.mine.Shelf()
	}
	return filelog.Shelf{Files: h.files}
}

// names are those of all that is there.
func (h *history) names() []string {
	if h.bucket != nil {
		return h.bucket.names()
	}
	return slices.Collect(maps.Keys(h.files.Names))
}

// remove removes a store from outside.
func (h *history) remove(name string) error {
	if h.bucket != nil {
		return h.bucket.remove(name)
	}
	return h.files.Remove(name)
}

// value is the first component of a new vector.
func (h *history) value() float32 { h.last++; return h.last }

func vectorOf(id uint64, value float32) []float32 { return []float32{value, float32(id % 1000)} }

// pickID draws an id: mostly of a few small ones, so that they recur, sometimes
// from far away. While rows wait that got their ids from the store, it avoids
// those.
func (h *history) pickID() uint64 {
	for {
		var id uint64
		switch h.random.IntN(40) {
		case 0:
			id = h.random.Uint64()
		case 1:
			id = math.MaxUint64 - uint64(h.random.IntN(3))
		case 2:
			id = 1<<32 + uint64(h.random.IntN(5))
		default:
			id = uint64(h.random.IntN(60))
		}
		if _, stored := h.stored[id]; stored || !h.reserved(id) {
			return id
		}
		if h.random.IntN(50) == 0 {
			return 1<<40 - 1000*uint64(h.last) // nothing near is free
		}
	}
}

// reserved reports whether an appender may have got the id already.
func (h *history) reserved(id uint64) bool {
	return slices.ContainsFunc(h.appenders, func(a *modelAppender) bool { return a.waiting && id >= a.flushed })
}

// next is the id of the next vector without one; false when there is none. Those of
// what is kept beside the store are spared.
func (h *history) next() (uint64, bool) {
	next, free := uint64(0), true
	if len(h.stored) > 0 {
		highest := slices.Max(slices.Collect(maps.Keys(h.stored)))
		next, free = highest+1, highest < math.MaxUint64
	}
	if tails, err := h.store.KeptTails(context.Background()); err == nil && free {
		for _, tail := range tails {
			if tail.HighestID != nil && *tail.HighestID < math.MaxUint64 {
				next = max(next, *tail.HighestID+1)
			}
		}
	}
	return next, free
}

// apply puts vectors into the model.
func (h *history) apply(rows []modelRow) {
	for _, row := range rows {
		h.mark.model[row.id] = vectorOf(row.id, row.value)
		h.stored[row.id] = struct{}{}
	}
}

// batch draws some vectors, with ids or without.
func (h *history) batch(numbered bool) (ids []uint64, vectors []float32, rows []modelRow) {
	for range 1 + h.random.IntN(8) {
		row := modelRow{number: !numbered, value: h.value()}
		if numbered {
			row.id = h.pickID()
			ids = append(ids, row.id)
			h.named = max(h.named, row.id)
		}
		rows = append(rows, row)
		vectors = append(vectors, vectorOf(row.id, row.value)...)
	}
	return ids, vectors, rows
}

func (h *history) ingest() error {
	if h.random.IntN(3) == 0 {
		return h.ingestUnnumbered()
	}
	ids, vectors, rows := h.batch(true)
	h.note("%d", ids)
	result, err := h.store.Ingest(context.Background(), ids, vectors)
	if err != nil {
		return err
	}
	h.apply(rows)
	if len(h.appenders) == 0 {
		h.named = 0
	}
	return h.sameEpoch(result.Epoch)
}

// ingestUnnumbered lets the store give the ids, whose vectors say what they are:
// with a second component that is right for no id.
func (h *history) ingestUnnumbered() error {
	rows := []modelRow{}
	var vectors []float32
	for range 1 + h.random.IntN(4) {
		rows = append(rows, modelRow{number: true, value: h.value()})
		vectors = append(vectors, h.last, -1)
	}
	first, free := h.next()
	if _, err := h.store.Ingest(context.Background(), nil, vectors); err != nil {
		return h.mayRefuse(err)
	}
	if !free {
		return errors.New("ids past the highest were given out")
	}
	if err := h.number(rows); err != nil {
		return err
	}
	for i, row := range rows {
		if len(h.appenders) == 0 && row.id != first+uint64(i) {
			return fmt.Errorf("vector %d without an id got %d, want %d", i, row.id, first+uint64(i))
		}
	}
	return nil
}

// mayRefuse lets a refusal of vectors without ids pass if there are no ids left.
func (h *history) mayRefuse(err error) error {
	first, free := h.next()
	if !errors.Is(err, volume.ErrInput) || free && max(first, h.named) < math.MaxUint64-1000 {
		return fmt.Errorf("vectors without ids: %w", err)
	}
	h.note("refused")
	return nil
}

// number finds out which ids the store gave, checks that they were free, and
// puts the vectors into the model.
func (h *history) number(rows []modelRow) error {
	found, err := vectorsOf(h.store.Current())
	if err != nil {
		return err
	}
	byValue := map[float32]uint64{}
	for id, vector := range found {
		byValue[vector[0]] = id
	}
	for i := range rows {
		if !rows[i].number {
			continue
		}
		id, there := byValue[rows[i].value]
		if !there {
			return fmt.Errorf("vector %d without an id is not there", i)
		}
		if _, taken := h.stored[id]; taken {
			return fmt.Errorf("vector %d without an id got %d, which is taken", i, id)
		}
		rows[i].id = id
		h.note("got %d", id)
	}
	for _, row := range rows {
		h.mark.model[row.id] = vectorOf(row.id, row.value)
		if row.number {
			h.mark.model[row.id] = []float32{row.value, -1}
		}
		h.stored[row.id] = struct{}{}
	}
	return nil
}

func (h *history) sameEpoch(epoch uint32) error {
	if current := h.store.Current().Epoch(); current != epoch {
		return fmt.Errorf("epoch %d was returned, the store is at %d", epoch, current)
	}
	return nil
}

func (h *history) delete() error {
	var ids []uint64
	for range 1 + h.random.IntN(6) {
		ids = append(ids, h.pickID())
	}
	h.note("%d", ids)
	return h.deleteIDs(ids)
}

func (h *history) deleteAll() error {
	return h.deleteIDs(slices.Sorted(maps.Keys(h.mark.model)))
}

func (h *history) deleteIDs(ids []uint64) error {
	live, missing := map[uint64]bool{}, map[uint64]bool{}
	for _, id := range ids {
		if _, there := h.mark.model[id]; there {
			live[id] = true
		} else {
			missing[id] = true
		}
	}
	result, err := h.store.Delete(context.Background(), ids)
	if err != nil {
		return err
	}
	if result.Deleted != uint64(len(live)) || result.Missing != uint64(len(missing)) {
		return fmt.Errorf("%+v, want %d deleted and %d missing", result, len(live), len(missing))
	}
	for id := range live {
		delete(h.mark.model, id)
	}
	return h.sameEpoch(result.Epoch)
}

// append gives vectors to one of up to four appenders, which may write them at
// once, as if its block were full.
func (h *history) append() error {
	var a *modelAppender
	if n := len(h.appenders); n > 0 && (n == 4 || h.random.IntN(3) > 0) {
		a = h.appenders[h.random.IntN(n)]
	} else {
		a = &modelAppender{Appender: h.store.NewAppender()}
		h.appenders = append(h.appenders, a)
	}
	numbered := h.random.IntN(4) > 0
	ids, vectors, rows := h.batch(numbered)
	h.note("to %d: %d of %d", slices.Index(h.appenders, a), ids, len(rows))
	if !numbered {
		for i := range rows {
			vectors[2*i+1] = -1
		}
	}
	if err := a.Append(context.Background(), ids, encodeRows(vectors)); err != nil {
		if !numbered {
			err = h.mayRefuse(err)
		}
		h.drop(a)
		return errors.Join(err, a.Rollback())
	}
	a.rows = append(a.rows, rows...)
	if h.random.IntN(2) > 0 {
		return nil
	}
	h.note("and wrote")
	first, _ := h.next()
	if err := a.Flush(); err != nil {
		err = h.mayRefuse(err)
		h.drop(a)
		return errors.Join(err, a.Rollback())
	}
	if !a.waiting && slices.ContainsFunc(a.rows, func(r modelRow) bool { return r.number }) {
		a.waiting, a.flushed = true, first
	}
	return nil
}

// encodeRows turns components into the bytes that appenders take.
func encodeRows(vectors []float32) []byte {
	var rows []byte
	for i := 0; i < len(vectors); i += 2 {
		rows = appendFloat(appendFloat(rows, vectors[i]), vectors[i+1])
	}
	return rows
}

// drop takes an appender off the list.
func (h *history) drop(a *modelAppender) {
	h.appenders = slices.DeleteFunc(h.appenders, func(b *modelAppender) bool { return b == a })
	if len(h.appenders) == 0 {
		h.named = 0
	}
}

func (h *history) commit() error {
	if len(h.appenders) == 0 {
		return nil
	}
	a := h.appenders[h.random.IntN(len(h.appenders))]
	h.note("%d", slices.Index(h.appenders, a))
	_, count, err := a.Commit(context.Background())
	if err != nil {
		err = h.mayRefuse(err)
		h.drop(a)
		return err
	}
	h.drop(a)
	if count != uint64(len(a.rows)) {
		return fmt.Errorf("%d vectors were committed, want %d", count, len(a.rows))
	}
	return h.number(a.rows)
}

func (h *history) rollback() error {
	if len(h.appenders) == 0 {
		return nil
	}
	a := h.appenders[h.random.IntN(len(h.appenders))]
	h.note("%d", slices.Index(h.appenders, a))
	h.drop(a)
	return a.Rollback()
}

// image draws the bytes of something to embed, at times of a manifest.
func (h *history) image() []byte {
	if h.random.IntN(4) == 0 {
		return append(fakeManifest(), byte(h.random.IntN(256)))
	}
	image := make([]byte, 1+h.random.IntN(300))
	for i := range image {
		image[i] = byte(h.random.IntN(256))
	}
	return image
}

func (h *history) kernel() error {
	image := h.image()
	_, err := h.store.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: "quiet"})
	h.mark.embed = image
	return err
}

func (h *history) ebpf() error {
	program := h.image()
	_, err := h.store.EmbedEBPF(context.Background(), bytes.NewReader(program), int64(len(program)), nil, compute.EBPFConfig{})
	h.program = program
	return err
}

func (h *history) compact() error {
	followWithin(h.store, volume.FollowLimits{Little: h.random.Int64N(500), Frozen: h.random.Int64N(5000)})
	_, err := h.store.Compact(context.Background())
	if errors.Is(err, volume.ErrHeld) && len(h.appenders) > 0 {
		h.note("refused")
		return nil
	}
	if err != nil {
		return err
	}
	if highest, free := h.next(); len(h.appenders) > 0 && (highest > 0 || !free) {
		h.named = max(h.named, highest-1) // the session goes on above what is gone now
	}
	h.stored = map[uint64]struct{}{}
	for id := range h.mark.model {
		h.stored[id] = struct{}{}
	}
	named := 0
	for _, entry := range h.store.Current().Live() {
		if entry.Type == unknownType {
			named++
		}
	}
	if named != len(h.foreign) {
		return fmt.Errorf("the compacted store names %d segments of the foreign writer, want %d", named, len(h.foreign))
	}
	return nil
}

// derive makes a child and looks at it.
func (h *history) derive() error {
	h.children++
	name := fmt.Sprintf("child%d.rvf", h.children)
	if err := h.store.Derive(context.Background(), name, DeriveOptions{}); err != nil {
		return err
	}
	child, err := OpenReadOnly(context.Background(), name, h.options())
	if err != nil {
		return err
	}
	if child.ParentID() != h.store.FileID() || child.LineageDepth() != 1 || child.Current().HasContent() {
		return errors.New("the child is not an empty one of its parent")
	}
	identity, _ := child.Identity()
	history, err := h.store.Current().History(context.Background(), lineage.Descent{Hash: identity.ParentHash})
	if err != nil || history.Held == nil || history.Held.Epoch != h.store.Current().Epoch() {
		return fmt.Errorf("the child's state of the parent: %+v, %w", history, err)
	}
	return errors.Join(child.Close(), h.remove(name))
}

// leave rolls all appenders back.
func (h *history) leave() error {
	for len(h.appenders) > 0 {
		if err := h.rollback(); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) reopen() error {
	if err := errors.Join(h.leave(), h.store.Close()); err != nil {
		return err
	}
	for _, name := range h.names() {
		if volume.IsTemporary(name) || strings.HasSuffix(name, ".lock") {
			return fmt.Errorf("%s is left behind", name)
		}
	}
	var err error
	h.store, err = Open(context.Background(), "a.rvf", h.options())
	return err
}

// hold keeps the present state, or looks at one that was kept and lets it go.
func (h *history) hold() error {
	if len(h.held) > 3 || len(h.held) > 0 && h.random.IntN(2) == 0 {
		i := h.random.IntN(len(h.held))
		held := h.held[i]
		h.held = slices.Delete(h.held, i, i+1)
		found, err := vectorsOf(held.snapshot)
		if err != nil {
			return err
		}
		if !maps.EqualFunc(found, held.model, slices.Equal[[]float32]) {
			return errors.New("a snapshot that was held changed")
		}
		return held.reader.Close()
	}
	snapshot, err := h.store.Snapshot(context.Background())
	if err != nil {
		return err
	}
	reader, err := snapshot.Raw().Open(context.Background())
	if err != nil {
		return err
	}
	h.held = append(h.held, heldSnapshot{snapshot, reader, maps.Clone(h.mark.model)})
	return nil
}

// look lets the other process notice what happened since it last looked.
func (h *history) look() error {
	snapshot, err := h.reader.Snapshot(context.Background())
	if err != nil {
		return err
	}
	return h.agrees(h.reader, snapshot)
}

// glance is the comparison that costs little.
func (h *history) glance() error {
	snapshot, err := h.store.Snapshot(context.Background())
	if err != nil {
		return err
	}
	if total := snapshot.Manifest().TotalVectors; total != uint64(len(h.stored)) {
		return fmt.Errorf("the manifest counts %d vectors, %d are stored", total, len(h.stored))
	}
	return nil
}

// compare is the comparison of everything, by the store and by a new reader.
func (h *history) compare() error {
	snapshot, err := h.store.Snapshot(context.Background())
	if err != nil {
		return err
	}
	if err := h.agrees(h.store, snapshot); err != nil {
		return err
	}
	if err := h.checkNew(); err != nil {
		return fmt.Errorf("a new reader: %w", err)
	}
	return nil
}

// checkNew compares what a new process finds.
func (h *history) checkNew() error {
	if h.bucket == nil {
		return checkState(h.files, []crashMark{h.mark})
	}
	return checkStateOn(h.bucket.another().Shelf(), []crashMark{h.mark}, func(s *Store) (content []byte, err error) {
		err = s.Current().With(context.Background(), state.Judging, func(r *state.Reading) error {
			content = make([]byte, s.Current().Size())
			return volume.ReadFull(r, content, 0)
		})
		return content, err
	})
}

package integration

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/storetest"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// exchange is a store file at which both programs work in a random order,
// without a mount, and what it must hold.
type exchange struct {
	t       *testing.T
	path    string
	process *peer.Process
	random  *rand.Rand
	want    model
	// kernel is the newest that was embedded: what it replaced stays gone, also when the
	// reference runtime compacts, which extracts the first that it finds.
	kernel []byte
	// opened is the engine's store when it stays open all the time, else nil.
	opened *store.Store
	// done tells what happened so far.
	done []string
}

// exchangeDimension is the dimension of the store, exchangeIDs the number of ids
// in use: few, so that vectors are often replaced and added again.
const exchangeDimension, exchangeIDs = 4, 60

// unknown is the payload of a segment that neither program understands.
var unknown = []byte("not for you")

// TestRandomExchange does many random things to one file with both programs, and
// lets everybody read it after each.
func TestRandomExchange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			x := &exchange{
				t: t, path: filepath.Join(t.TempDir(), "store.rvf"), process: peer.Start(t),
				random: rand.New(rand.NewPCG(seed, 1)), want: model{},
			}
			builder := rawfile.NewBuilder("exchange", exchangeDimension)
			builder.Segment(0xf7, unknown).Manifest().Write(t, x.path)
			if seed%2 == 1 {
				x.opened = must(store.Open(context.Background(), filepath.Base(x.path), store.Options{Shelf: storetest.Shelf(t, x.path)}))(t)
				defer func() { x.opened.Close() }()
			}
			steps := []func() string{
				x.weIngest, x.weIngest, x.weNumber, x.weDelete, x.weCompact, x.weEmbed,
				x.theyIngest, x.theyIngest, x.theyDelete, x.theyDelete, x.theyCompact, x.theyDerive, x.tear,
			}
			for range 60 {
				x.done = append(x.done, steps[x.random.IntN(len(steps))]())
				x.check()
			}
		})
	}
}

// check lets all three readers compare the file with the model.
func (x *exchange) check() {
	x.t.Helper()
	for who, err := range map[string]error{
		"file": fileHolds(x.path, x.want), "engine": engineHolds(x.path, x.want), "peer": peerHolds(x.process, x.path, x.want),
	} {
		if err != nil {
			x.t.Fatalf("%s: %v\nafter %q", who, err, x.done)
		}
	}
	file := must(rawfile.Read(x.path))(x.t)
	if segment, ok := firstNamed(file, 0xf7); !ok || !bytes.Equal(segment.Payload, unknown) {
		x.t.Fatalf("the unknown segment is gone\nafter %q", x.done)
	}
	if x.kernel == nil {
		return
	}
	reader := must(x.process.OpenReadonly(x.path))(x.t)
	defer reader.Close()
	if got := must(reader.ExtractKernel())(x.t); got == nil || !slices.Equal(got.Bytes, x.kernel) {
		x.t.Fatalf("the peer extracts another kernel than %q\nafter %q", x.kernel, x.done)
	}
}

// batch picks some ids and new vectors for them.
func (x *exchange) batch() model {
	count := 1 + x.random.IntN(12)
	batch := model{}
	for _, row := range randomRows(x.random.Uint64(), count, exchangeDimension) {
		batch[x.random.Uint64N(exchangeIDs)] = row
	}
	return batch
}

// some picks ids, live ones only.
func (x *exchange) some() []uint64 {
	ids := x.want.ids()
	x.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(len(ids), 1+x.random.IntN(6))]
}

// we opens the store for the engine, unless it is open all the time.
func (x *exchange) we(use func(context.Context, *store.Store) error) {
	x.t.Helper()
	if x.opened == nil {
		withEngine(x.t, x.path, use)
	} else if err := use(context.Background(), x.opened); err != nil {
		x.t.Fatalf("%v\nafter %q", err, x.done)
	}
}

func (x *exchange) weIngest() string {
	batch := x.batch()
	x.we(func(limit context.Context, opened *store.Store) error {
		_, err := opened.Ingest(limit, batch.ids(), batch.flat())
		return err
	})
	x.want.put(batch)
	return fmt.Sprintf("we ingest %v", batch.ids())
}

func (x *exchange) weNumber() string {
	next := x.highest() + 1
	batch := numbered(next, randomRows(next, 2, exchangeDimension))
	x.we(func(limit context.Context, opened *store.Store) error {
		_, err := opened.Ingest(limit, nil, batch.flat())
		return err
	})
	x.want.put(batch)
	return fmt.Sprintf("we number %v", batch.ids())
}

// highest is the highest id that is stored, deleted ones included; −1 without
// any.
func (x *exchange) highest() uint64 {
	file := must(rawfile.Read(x.path))(x.t)
	stored := file.Newest()
	stored.Deleted = nil
	return model(file.VectorsAt(stored)).next() - 1
}

func (x *exchange) weDelete() string {
	ids := x.some()
	x.we(func(limit context.Context, opened *store.Store) error {
		_, err := opened.Delete(limit, ids)
		return err
	})
	x.want.remove(ids...)
	return fmt.Sprintf("we delete %v", ids)
}

func (x *exchange) weCompact() string {
	x.we(func(limit context.Context, opened *store.Store) error {
		_, err := opened.Compact(limit)
		return err
	})
	return "we compact"
}

func (x *exchange) weEmbed() string {
	image := fmt.Appendf(nil, "image %d", len(x.done))
	x.we(func(limit context.Context, opened *store.Store) error {
		_, err := opened.EmbedKernel(limit, bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: "quiet"})
		return err
	})
	x.kernel = append(image, "quiet"...)
	return "we embed a kernel"
}

// tear leaves at the end of the file what a writer leaves that died: an orphan
// with a whole manifest of another store in it, cut off somewhere. We write next,
// for the peer would build upon it.
func (x *exchange) tear() string {
	payload := append([]byte("orphan"), rawfile.NewBuilder("fake", exchangeDimension).Bytes...)
	torn := rawfile.EncodeSegment(rawfile.TypeVec, 99, payload)
	torn = torn[:1+x.random.IntN(len(torn))]
	file := must(os.OpenFile(x.path, os.O_WRONLY|os.O_APPEND, 0))(x.t)
	must(file.Write(torn))(x.t)
	if err := file.Close(); err != nil {
		x.t.Fatal(err)
	}
	if err := engineHolds(x.path, x.want); err != nil {
		x.t.Fatalf("engine: %v\nafter %q and %d torn bytes", err, x.done, len(torn))
	}
	return fmt.Sprintf("%d torn bytes, then %s", len(torn), x.weIngest())
}

// they opens the store for the peer.
func (x *exchange) they(use func(*peer.Store)) {
	x.t.Helper()
	opened := must(x.process.Open(x.path))(x.t)
	use(opened)
	if err := opened.Close(); err != nil {
		x.t.Fatal(err)
	}
}

// theyIngest lets the peer ingest. It forgets to take ids off the list of
// deleted ones, so that such vectors stay invisible.
func (x *exchange) theyIngest() string {
	batch := x.batch()
	deleted := must(rawfile.Read(x.path))(x.t).Newest().Deleted
	x.they(func(opened *peer.Store) { must(opened.Ingest(batch.ids(), batch.flat()))(x.t) })
	for _, id := range batch.ids() {
		if !slices.Contains(deleted, id) {
			x.want[id] = batch[id]
		}
	}
	return fmt.Sprintf("they ingest %v", batch.ids())
}

func (x *exchange) theyDelete() string {
	ids := append(x.some(), 1000, x.random.Uint64N(exchangeIDs))
	x.they(func(opened *peer.Store) { must(opened.Delete(ids))(x.t) })
	x.want.remove(ids...)
	return fmt.Sprintf("they delete %v", ids)
}

// theyCompact lets the peer compact. It names every kernel again that the file
// still holds, also replaced ones.
func (x *exchange) theyCompact() string {
	x.they(func(opened *peer.Store) { must(opened.Compact())(x.t) })
	return "they compact"
}

func (x *exchange) theyDerive() string {
	x.they(func(opened *peer.Store) {
		child := must(opened.Derive(filepath.Join(filepath.Dir(x.path), fmt.Sprintf("child%d.rvf", len(x.done)))))(x.t)
		if err := child.Close(); err != nil {
			x.t.Fatal(err)
		}
	})
	return "they derive"
}

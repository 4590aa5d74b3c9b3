package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// fault is one way in which the files break.
type fault struct {
	operation string // of the files in memory
	at        int    // the how-manieth of these operations fails, from 1
	lasting   bool   // all later ones fail too
	err       error  // what it fails with

	counts map[string]int
	struck int  // operations that failed
	healed bool // nothing fails any more
}

func (f *fault) String() string {
	return fmt.Sprintf("%s %d fails with %T %v, lasting %t", f.operation, f.at, f.err, f.err, f.lasting)
}

// strike is the hook of the files in memory.
func (f *fault) strike(operation string) error {
	f.counts[operation]++
	count := f.counts[operation]
	if operation != f.operation || count < f.at || count > f.at && !f.lasting {
		return nil
	}
	f.struck++
	return f.err
}

// faultRun is a script on one store whose files break on the way.
type faultRun struct {
	files   *volumes.Files
	store   *Store
	fault   *fault
	allowed []crashMark // the states that may be found
	failed  int         // changes that were refused
	wrong   error       // the first thing that is not as it should be
}

// patience is how many changes are tried on broken files.
const patience = 3

// faultScript is a run of changes; it goes on after failures.
type faultScript func(*faultRun)

func newFaultRun(f *fault) (*faultRun, error) {
	r := &faultRun{files: volumes.New(), fault: f, allowed: []crashMark{{model: map[uint64][]float32{}}}}
	f.counts = map[string]int{}
	s, err := Create(context.Background(), "a.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: r.files}, TurnWait: -1})
	r.store = s
	r.files.Fail = f.strike
	return r, err
}

// heal ends the fault.
func (r *faultRun) heal() {
	r.files.Mu.Lock()
	defer r.files.Mu.Unlock()
	r.files.Fail = nil
	r.fault.healed = true
}

func (r *faultRun) struck() int {
	r.files.Mu.Lock()
	defer r.files.Mu.Unlock()
	return r.fault.struck
}

func (r *faultRun) complain(format string, values ...any) {
	if r.wrong == nil {
		r.wrong = fmt.Errorf(format, values...)
	}
}

// change makes a change, and reports whether it was acknowledged. One that is acknowledged has to be there from now on;
// one that is refused may be, for what failed may have been the very last step.
func (r *faultRun) change(what string, do func() error, apply func(*crashMark)) bool {
	if r.wrong != nil || r.failed >= patience && !r.fault.healed {
		return false
	}
	err := do()
	changed := make([]crashMark, 0, len(r.allowed))
	for _, mark := range r.allowed {
		mark.model = maps.Clone(mark.model)
		apply(&mark)
		changed = append(changed, mark)
	}
	if err == nil {
		r.allowed = changed
		return true
	}
	r.allowed = append(r.allowed, changed...)
	r.failed++
	r.judge(what, err)
	return false
}

// judge checks that an error tells cause and place.
func (r *faultRun) judge(what string, err error) {
	var number syscall.Errno
	errors.As(r.fault.err, &number)
	switch {
	case r.fault.healed || r.struck() == 0:
		r.complain("%s failed without a fault: %w", what, err)
	case !errors.Is(err, number):
		r.complain("%s: the error does not wrap %q: %w", what, number, err)
	case !strings.Contains(err.Error(), `"a.rvf"`):
		r.complain("%s: the error does not name the store: %w", what, err)
	}
}

func (r *faultRun) ingest(ids []uint64, value float32) bool {
	return r.change("ingest", func() error {
		var vectors []float32
		for _, id := range ids {
			vectors = append(vectors, value, float32(id%1000))
		}
		_, err := r.store.Ingest(context.Background(), ids, vectors)
		return err
	}, put(ids, value))
}

func put(ids []uint64, value float32) func(*crashMark) {
	return func(m *crashMark) {
		for _, id := range ids {
			m.model[id] = []float32{value, float32(id % 1000)}
		}
	}
}

func (r *faultRun) delete(ids ...uint64) bool {
	return r.change("delete", func() error {
		_, err := r.store.Delete(context.Background(), ids)
		return err
	}, func(m *crashMark) {
		for _, id := range ids {
			delete(m.model, id)
		}
	})
}

func (r *faultRun) kernel(image []byte) bool {
	return r.change("embed", func() error {
		_, err := r.store.EmbedKernel(context.Background(), bytes.NewReader(image), int64(len(image)), compute.KernelConfig{Cmdline: "quiet"})
		return err
	}, func(m *crashMark) { m.embed = image })
}

// part writes a part through a stream, as programs write a file, and reports whether it
// was taken.
func (r *faultRun) part(part compute.Part, content []byte, apply func(*crashMark)) bool {
	return r.change("embed "+string(part), func() error {
		ctx := context.Background()
		stream, err := r.store.OpenEmbed(ctx, part, compute.EmbedOptions{Compress: true})
		if err != nil {
			return err
		}
		if _, err = stream.Write(ctx, content); err == nil {
			err = stream.Flush(ctx)
		}
		if closed := stream.Close(ctx); err == nil && closed != nil {
			r.complain("close of a part that was embedded: %w", closed)
		}
		return err
	}, apply)
}

func (r *faultRun) compact() bool {
	return r.change("compact", func() error {
		_, err := r.store.Compact(context.Background())
		return err
	}, func(*crashMark) {})
}

func (r *faultRun) derive(name string) bool {
	return r.change("derive", func() error { return r.store.Derive(context.Background(), name, DeriveOptions{}) }, func(*crashMark) {})
}

// rowsOf encodes vectors as appenders take them.
func rowsOf(ids []uint64, value float32) []byte {
	var rows []byte
	for _, id := range ids {
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(value))
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(float32(id%1000)))
	}
	return rows
}

// append gives vectors to an appender and lets it write them, as if its block
// were full. What fails is rolled back.
func (r *faultRun) append(a *ingest.Appender, ids []uint64, value float32) {
	err := a.Append(context.Background(), ids, rowsOf(ids, value))
	if err == nil {
		err = a.Flush()
	}
	if err == nil {
		return
	}
	err = fmt.Errorf("append to store %q: %w", r.store.Path(), errors.Join(err, a.Rollback()))
	r.change("append", func() error { return err }, func(*crashMark) {})
}

// commit ends an appender's work, which may have been rolled back already.
func (r *faultRun) commit(a *ingest.Appender, ids []uint64, value float32) {
	if !a.Joined() {
		return
	}
	r.change("commit", func() error {
		if _, _, err := a.Commit(context.Background()); err != nil {
			return fmt.Errorf("commit to store %q: %w", r.store.Path(), err)
		}
		return nil
	}, put(ids, value))
	if err := a.Rollback(); err != nil {
		r.complain("rollback after a commit: %w", err)
	}
}

// streamed is one chunk for a stream of JSON lines.
func streamed(ids []uint64, value float32) []byte {
	var lines bytes.Buffer
	for _, id := range ids {
		fmt.Fprintf(&lines, `{"id":%d,"vector":[%g,%d]}`+"\n", id, value, id%1000)
	}
	return lines.Bytes()
}

// stream writes through an append stream that commits at each write.
func (r *faultRun) stream(chunks ...[]uint64) {
	ctx := context.Background()
	stream, err := r.store.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.JSON, FlushBytes: 1})
	if err != nil {
		r.judge("open stream", err)
		return
	}
	for i, ids := range chunks {
		value := float32(100 + i)
		if !r.change("stream", func() error {
			_, err := stream.Write(ctx, streamed(ids, value))
			if err == nil {
				err = stream.Flush(ctx)
			}
			return err
		}, put(ids, value)) {
			if _, err := stream.Write(ctx, streamed(ids, value)); r.wrong == nil && err == nil {
				r.complain("a stream that failed goes on")
			}
			break
		}
	}
	if err := stream.Close(ctx); err != nil {
		r.judge("close stream", err)
	}
}

// faultScripts are the workloads.
var faultScripts = map[string]faultScript{
	"parts": func(r *faultRun) {
		text, random := bytes.Repeat([]byte("compresses well "), 6000), noise(80_000)
		unchanged := func(*crashMark) {}
		if !r.part(compute.PartKernelImage, text, func(m *crashMark) { m.embed = text }) {
			return // what comes next would belong to nothing
		}
		r.part(compute.PartKernelCmdline, []byte("console=ttyS0"), unchanged)
		r.part(compute.PartKernelImage, random, func(m *crashMark) { m.embed = random })
		r.part(compute.PartKernelHeader, []byte(`{"api_port": 1}`), unchanged)
	},
	"vectors": func(r *faultRun) {
		r.ingest(run(0, 30), 1)
		r.ingest(run(10, 5), 2)
		r.delete(3, 4, 12, 99)
		r.ingest([]uint64{12, 4}, 3)
		r.delete(12)
	},
	"kernel and derivation": func(r *faultRun) {
		r.ingest(run(0, 3), 1)
		r.kernel(bytes.Repeat([]byte("image"), 300))
		r.derive("first.rvf")
		r.kernel(append(fakeManifest(), fakeManifest()...))
		r.derive("second.rvf")
	},
	"compaction": func(r *faultRun) {
		r.ingest(run(0, 30), 1)
		r.kernel([]byte("image"))
		r.delete(run(5, 10)...)
		r.compact()
		r.ingest(run(7, 2), 2)
		r.compact()
		r.delete(1)
	},
	"compaction that carries loads": func(r *faultRun) {
		followWithin(r.store, volume.FollowLimits{Little: 100, Frozen: 1000})
		first, second := r.store.NewAppender(), r.store.NewAppender()
		r.append(first, run(0, 60), 1)
		r.append(second, run(100, 20), 2)
		r.compact()
		if second.Joined() {
			r.append(second, run(120, 20), 2)
		}
		r.compact()
		if err := second.Rollback(); err != nil {
			r.judge("rollback", fmt.Errorf("roll back on store %q: %w", r.store.Path(), err))
		}
		r.commit(first, run(0, 60), 1)
	},
	"a store appended": func(r *faultRun) {
		raw, want, err := mergedStore()
		if err != nil {
			r.complain("make a store: %w", err)
			return
		}
		r.change("append a store", func() error {
			ctx := context.Background()
			stream, err := r.store.OpenAppend(context.Background(), ingest.StreamOptions{})
			if err != nil {
				return err
			}
			if _, err = stream.Write(ctx, raw); err == nil {
				err = stream.Flush(ctx)
			}
			if closed := stream.Close(ctx); err == nil && closed != nil {
				r.complain("close of a stream that was committed: %w", closed)
			}
			return err
		}, func(m *crashMark) { maps.Copy(m.model, want) })
	},
	"two appenders": func(r *faultRun) {
		first, second := r.store.NewAppender(), r.store.NewAppender()
		r.append(first, run(0, 20), 1)
		r.append(second, run(100, 20), 2)
		r.commit(second, run(100, 20), 2)
		r.append(second, run(200, 9), 3)
		r.commit(first, run(0, 20), 1)
		if err := second.Rollback(); err != nil {
			r.judge("rollback", fmt.Errorf("roll back on store %q: %w", r.store.Path(), err))
		}
		r.ingest(run(400, 2), 6)
	},
	"stream": func(r *faultRun) {
		r.stream(run(0, 5), run(3, 9), run(50, 2))
		r.stream(run(1, 1), run(60, 70))
	},
}

func TestEveryFaultLeavesAWholeStore(t *testing.T) {
	t.Parallel()
	var runs, refused atomic.Int64
	t.Run("workloads", func(t *testing.T) {
		for name, script := range faultScripts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				whole := breakAndCheck(t, &fault{}, script)
				for operation, count := range whole.fault.counts {
					step := 1
					if testing.Short() {
						step = 7 // a short run breaks every seventh operation
					}
					for at := 1; at <= count; at += step {
						for _, err := range faultErrors(operation) {
							for _, lasting := range []bool{false, true} {
								r := breakAndCheck(t, &fault{operation: operation, at: at, lasting: lasting, err: err}, script)
								runs.Add(1)
								refused.Add(int64(min(r.failed, 1)))
							}
						}
					}
				}
			})
		}
	})
	t.Logf("%d faults, %d of them refused a change", runs.Load(), refused.Load())
	if refused.Load() < runs.Load()/2 || !testing.Short() && runs.Load() < 1000 {
		t.Errorf("%d faults, and only %d refused a change", runs.Load(), refused.Load())
	}
}

// mergedStore is the content of a store in whose file a merged segment stands behind
// one that replaces a vector of it, and what the store holds.
func mergedStore() (raw []byte, want map[uint64][]float32, err error) {
	s, err := Create(context.Background(), "b.rvf", CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: volumes.New()}})
	if err != nil {
		return nil, nil, err
	}
	want = map[uint64][]float32{}
	for i := range uint64(log.MergeWidth + 1) {
		id := i % log.MergeWidth
		want[id] = []float32{float32(i), float32(id)}
		if _, err := s.Ingest(context.Background(), []uint64{id}, want[id]); err != nil {
			return nil, nil, err
		}
	}
	raw, err = state.ViewContent(context.Background(), s.Current().Raw())
	return raw, want, errors.Join(err, s.Close())
}

// faultErrors are the ways in which an operation fails.
func faultErrors(operation string) []error {
	switch operation {
	case "write":
		return []error{syscall.EIO, syscall.ENOSPC, &volumes.ShortWrite{Divisor: 2, Err: syscall.ENOSPC}, &volumes.ShortWrite{Divisor: math.MaxInt, Err: syscall.ENOSPC}}
	case "open", "create":
		return []error{syscall.EIO, syscall.ENOSPC, syscall.EMFILE}
	case "read":
		return []error{syscall.EIO}
	}
	return []error{syscall.EIO, syscall.ENOSPC}
}

// breakAndCheck runs a script with a fault and checks what becomes of the store.
func breakAndCheck(t *testing.T, f *fault, script faultScript) *faultRun {
	t.Helper()
	r, err := newFaultRun(f)
	if err != nil {
		t.Fatal(err)
	}
	script(r)
	r.heal()
	r.check("after the failure")
	r.ingest([]uint64{9000, 9001}, 9)
	r.delete(9001, 0)
	r.check("after later writes")
	if r.wrong == nil {
		r.wrong = r.store.Close()
	}
	r.checkLitter()
	if r.wrong != nil {
		t.Errorf("%v: %v", f, r.wrong)
	}
	return r
}

// check compares what a new reader finds now, and after a power cut, with what
// may be found.
func (r *faultRun) check(when string) {
	if r.wrong != nil {
		return
	}
	if _, left := r.files.Names["a.rvf.lock"]; left && r.fault.operation != "remove" {
		r.complain("%s: the writer lock is left behind", when)
	}
	if err := checkState(r.files, r.allowed); err != nil {
		r.complain("%s: %w", when, err)
	}
	cut := r.files.State(volumes.Crash{After: r.files.Changes(), Torn: -1, Lost: func(int) bool { return true }})
	if err := checkState(cut, r.allowed); err != nil {
		r.complain("%s and a power cut: %w", when, err)
	}
	if err := sameContentsIn(r.store, r.files); err != nil {
		r.complain("%s: %w", when, err)
	}
}

// sameContentsIn checks that an open store shows what a new reader finds.
func sameContentsIn(s *Store, files *volumes.Files) error {
	fresh, err := OpenReadOnly(context.Background(), s.Path(), Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		return err
	}
	open, err := s.Snapshot(context.Background())
	if err != nil {
		return err
	}
	if open.Epoch() != fresh.Current().Epoch() || open.Size() != fresh.Current().Size() {
		return fmt.Errorf("the open store is at epoch %d, %d bytes, a new reader at %d, %d bytes",
			open.Epoch(), open.Size(), fresh.Current().Epoch(), fresh.Current().Size())
	}
	return fresh.Close()
}

// checkLitter checks that only stores are left. Temporary files that could not be
// removed may be; the lock may not, for later writes were there to take it over.
func (r *faultRun) checkLitter() {
	for _, name := range slices.Sorted(maps.Keys(r.files.Names)) {
		switch {
		case volume.IsTemporary(name) && r.fault.operation == "remove":
		case strings.HasSuffix(name, ".rvf"):
			s, err := OpenReadOnly(context.Background(), name, Options{Shelf: filelog.Shelf{Files: r.files}})
			if err != nil {
				r.complain("%w", err)
				continue
			}
			_ = s.Close()
		default:
			r.complain("%s is left behind", name)
		}
	}
}

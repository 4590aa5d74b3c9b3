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

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/recovery"
	"rvffs/store/rows"
	"rvffs/store/rows/rowstest"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// unknownType is of a segment that no program here understands.
const unknownType = segments.Type(0xf7)

func appendFloat(b []byte, value float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(value))
}

// vectorsOf collects the live vectors of a snapshot of dimension 2.
func vectorsOf(s *state.Snapshot) (map[uint64][]float32, error) {
	found := map[uint64][]float32{}
	err := rowstest.Visit(context.Background(), rows.Of(s), func(ids []uint64, rows []byte) error {
		for i, id := range ids {
			if _, twice := found[id]; twice {
				return fmt.Errorf("id %d is visited twice", id)
			}
			found[id] = []float32{finite(rows[8*i:]), finite(rows[8*i+4:])}
		}
		return nil
	})
	return found, err
}

// agrees compares all that a snapshot shows with the model.
func (h *history) agrees(s *Store, snapshot *state.Snapshot) error {
	found, err := vectorsOf(snapshot)
	if err != nil {
		return err
	}
	for id, want := range h.mark.model {
		if got, there := found[id]; !there || !slices.Equal(got, want) {
			return fmt.Errorf("vector %d is %v, want %v", id, got, want)
		}
	}
	if len(found) != len(h.mark.model) {
		return fmt.Errorf("%d vectors, want %d", len(found), len(h.mark.model))
	}
	status, err := s.Status(context.Background())
	if err != nil {
		return err
	}
	if status.LiveVectors != uint64(len(h.mark.model)) || status.TotalVectors != uint64(len(h.stored)) ||
		status.DeletedVectors != status.TotalVectors-status.LiveVectors || status.FileSize != snapshot.Size() {
		return fmt.Errorf("%+v, want %d of %d vectors", status, len(h.mark.model), len(h.stored))
	}
	if h.random.IntN(32) == 0 { // the files of vectors take long to compare
		if err := rowstest.Check(rows.Of(snapshot), h.random); err != nil {
			return err
		}
	}
	return errors.Join(h.sameImages(snapshot), h.chained(snapshot), h.keptForeign(snapshot), h.searched(snapshot))
}

// sameImages compares what is embedded.
func (h *history) sameImages(snapshot *state.Snapshot) error {
	kernel, err := kernelImage(snapshot)
	if err != nil || !bytes.Equal(kernel, h.mark.embed) {
		return fmt.Errorf("the kernel of %d bytes is not the one of %d: %w", len(kernel), len(h.mark.embed), err)
	}
	views, err := compute.KindOf(segments.TypeEBPF).Files(context.Background(), snapshot)
	if err != nil {
		return err
	}
	var program []byte
	for _, view := range views.Files {
		if view.Name == "program.o" {
			if program, err = contentOf(view.View); err != nil {
				return err
			}
		}
	}
	if !bytes.Equal(program, h.program) {
		return fmt.Errorf("the program of %d bytes is not the one of %d", len(program), len(h.program))
	}
	return nil
}

func contentOf(view state.View) ([]byte, error) {
	reader, err := view.Open(context.Background())
	if err != nil {
		return nil, err
	}
	content := make([]byte, view.Size())
	n, err := reader.ReadContext(context.Background(), content, 0)
	if n == len(content) {
		err = nil
	}
	return content, errors.Join(err, reader.Close())
}

// segmentViews lists the files of the folder of segments, each found by its name.
func segmentViews(snapshot *state.Snapshot) ([]state.NamedView, error) {
	folder, err := snapshot.Segments(context.Background())
	if err != nil {
		return nil, err
	}
	var views []state.NamedView
	for i := range folder.Len() {
		name, _ := folder.Name(i)
		view, _ := folder.Find(name)
		if view == nil {
			return nil, fmt.Errorf("segment %s is listed and not there", name)
		}
		views = append(views, state.NamedView{Name: name, View: view})
	}
	return views, nil
}

// chained checks that the audit chain is one.
func (h *history) chained(snapshot *state.Snapshot) error {
	entries, err := auditChain(context.Background(), snapshot)
	for i, entry := range entries {
		if want := map[bool]state.AuditVerdict{true: state.AuditStart, false: state.AuditLinked}[i == 0]; entry.Verdict != want {
			return fmt.Errorf("entry %d of the audit chain is %s, want %s: %+v", i, entry.Verdict, want, entry)
		}
	}
	return err
}

// keptForeign checks that every live segment can be read whole, and that those of
// the foreign writer are all there, in order.
func (h *history) keptForeign(snapshot *state.Snapshot) error {
	views, err := segmentViews(snapshot)
	if err != nil {
		return err
	}
	live := snapshot.Live()
	if len(views) != len(live) {
		return fmt.Errorf("%d of %d live segments are shown", len(views), len(live))
	}
	for i, view := range views {
		content, err := contentOf(view.View)
		if err != nil {
			return err
		}
		header, err := segments.ParseHeader(content)
		if err != nil || header.Type != live[i].Type || header.ID != live[i].SegmentID {
			return fmt.Errorf("segment %s begins with %+v: %w", view.Name, header, err)
		}
		verdict, err := segments.VerifyPayload(header, bytes.NewReader(content[segments.HeaderSize:]))
		if err != nil || verdict != segments.HashMatch {
			return fmt.Errorf("segment %s: %v, %w", view.Name, verdict, err)
		}
	}
	var kept [][]byte
	err = snapshot.Backing().With(context.Background(), func(file volume.Bytes) error {
		return snapshot.In(file).Walk(func(segment segments.Segment) error {
			if segment.Type != unknownType {
				return nil
			}
			kept = append(kept, make([]byte, segment.End()-segment.Offset))
			return volume.ReadFull(file, kept[len(kept)-1], segment.Offset)
		})
	})
	if err != nil {
		return err
	}
	if !slices.EqualFunc(kept, h.foreign, bytes.Equal) {
		return fmt.Errorf("%d segments of the foreign writer are there, want %d, or they differ", len(kept), len(h.foreign))
	}
	return nil
}

// foreignWriter is another program that appends a segment of a type that nobody
// understands, and at times a manifest that names it.
func (h *history) foreignWriter() error {
	if len(h.appenders) > 0 || h.bucket != nil {
		return nil // the lock is not to be had, or what is uploaded is another store
	}
	file, err := h.files.Open("a.rvf", true)
	if err != nil {
		return err
	}
	info, err := file.Describe()
	if err != nil {
		return err
	}
	state, err := segments.FindState(file, info.Size, segments.FindOptions{})
	if err != nil {
		return err
	}
	payload := make([]byte, 1+h.random.IntN(200))
	for i := range payload {
		payload[i] = byte(h.random.IntN(256))
	}
	id := state.Segment.ID + 1 + uint64(h.random.IntN(2))
	encoded := encodedSegment(unknownType, id, payload)
	h.foreign = append(h.foreign, encoded)
	if h.random.IntN(2) == 0 {
		h.note("and named it")
		manifest := *state.Manifest
		manifest.Epoch++
		manifest.Directory = slices.Clone(manifest.Directory)
		for _, behind := range state.Behind {
			if behind.Type == unknownType && h.random.IntN(2) == 0 {
				continue // a writer that does not look behind the manifest
			}
			manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
				SegmentID: behind.ID, Offset: behind.Offset, PayloadLength: behind.PayloadLength, Type: behind.Type,
			})
		}
		manifest.Directory = append(manifest.Directory, segments.DirectoryEntry{
			SegmentID: id, Offset: state.End, PayloadLength: uint64(len(payload)), Type: unknownType,
		})
		encoded = append(slices.Clone(encoded), encodedSegment(segments.TypeManifest, id+1, manifest.Encode())...)
	}
	if _, err := file.WriteAt(encoded, state.End); err != nil {
		return err
	}
	return errors.Join(file.Truncate(state.End+int64(len(encoded))), file.SyncData(), file.Close())
}

// encodedSegment is a segment as other programs write it.
func encodedSegment(kind segments.Type, id uint64, payload []byte) []byte {
	header := segments.Header{Version: 1, Type: kind, ID: id, PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload)}
	encoded := header.Encode()
	return append(encoded[:], payload...)
}

// crash stops the machine somewhere in an operation and goes on with what is left.
func (h *history) crash() error {
	for _, held := range h.held {
		if err := held.reader.Close(); err != nil {
			return err
		}
	}
	h.held = nil
	if h.bucket != nil {
		return h.crashInBucket()
	}
	before, from := h.state(), h.files.Changes()
	change := h.anyChange()
	if err := change(h); err != nil {
		return err
	}
	after, to := h.state(), h.files.Changes()
	c := volumes.Crash{After: from + h.random.IntN(to-from+1), Torn: -1}
	if last := h.files.Log[c.After-1]; last.Kind == volumes.DidWrite && c.After > from && h.random.IntN(2) == 0 {
		c.Torn = h.random.IntN(len(last.Data) + 1)
	}
	if mask := h.random.Uint64(); h.random.IntN(2) == 0 {
		c.Lost = func(i int) bool {
			return mask>>(i%64)&1 != 0 && h.files.Log[i].Kind <= volumes.DidTruncate && h.files.Log[i].Kind != volumes.DidCreate
		}
	}
	h.note("at change %d of %d, torn at %d", c.After-from, to-from, c.Torn)
	files := h.files.State(c)
	for name := range files.Names {
		if volume.IsTemporary(name) {
			delete(files.Names, name) // a crash may leave such a file
		}
	}
	files.Restate()
	h.appenders, h.files, h.named = nil, files, 0
	return h.reviveAs(after, before)
}

// anyChange is one of the operations that commit.
func (h *history) anyChange() func(*history) error {
	return []func(*history) error{
		(*history).ingest, (*history).delete, (*history).commit, (*history).kernel, (*history).ebpf, (*history).compact, (*history).rollback,
	}[h.random.IntN(7)]
}

// reviveAs opens what is left of a crash, which is one of some states, and goes on.
func (h *history) reviveAs(allowed ...historyState) error {
	var err error
	if h.store, err = Open(context.Background(), "a.rvf", h.options()); err != nil {
		return err
	}
	if h.reader, err = OpenReadOnly(context.Background(), "a.rvf", h.anothers()); err != nil {
		return err
	}
	failures := []error{}
	for _, state := range allowed {
		h.mark, h.program, h.stored = state.mark, state.program, state.stored
		if err = h.agrees(h.store, h.store.Current()); err == nil {
			return errors.Join(h.settleTails(), h.ingest())
		}
		failures = append(failures, err)
	}
	return fmt.Errorf("after the crash none of the states that are allowed: %w", errors.Join(failures...))
}

// settleTails lets a writer keep what a power cut left of an interrupted commit beside
// the store, and at times lets that go.
func (h *history) settleTails() error {
	if _, err := h.store.Delete(context.Background(), []uint64{1 << 50}); err != nil {
		return err
	}
	if tails, err := h.store.KeptTails(context.Background()); err != nil || len(tails) == 0 || h.random.IntN(2) == 0 {
		return err
	}
	h.note("and let it go")
	_, err := h.store.Recover(context.Background(), recovery.Options{Drop: true})
	return err
}

// historyState is the part of the model that a crash may set back.
type historyState struct {
	mark    crashMark
	program []byte
	stored  map[uint64]struct{}
}

func (h *history) state() historyState {
	return historyState{crashMark{model: maps.Clone(h.mark.model), embed: h.mark.embed}, h.program, maps.Clone(h.stored)}
}

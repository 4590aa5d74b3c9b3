package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/throttle"
	"rvffs/store/volume"
)

// change is what one commit does to the state.
type change struct {
	added   []*extent                                     // segments that become part of the store, in order
	deleted []uint64                                      // stored ids that are to be hidden
	removes func(*state.Snapshot) (map[int64]bool, error) // tells the offsets of segments that have to go; nil: none
	actions []action                                      // for the audit chain

	inPlace bool // the added segments are named where the removed ones were
	first   bool // or before all others of their kind
}

// request is a change that waits for its commit.
type request struct {
	ctx    context.Context // of who waits for it
	change change
	done   chan struct{} // closed when epoch and err are valid
	lead   chan struct{} // closed when this request has to run the next round
	epoch  uint32
	err    error
}

func (r *request) settle(epoch uint32, err error) {
	r.epoch, r.err = epoch, err
	close(r.done)
}

// commit makes the change durable and visible and returns its epoch. A deleted id
// that no manifest may name is let go by a compaction first. What has to be found out
// before something is written ends with ctx; then the commit goes on to its end.
func (w *writer) commit(ctx context.Context, s *session, c change) (uint32, error) {
	epoch, err := w.commitOnce(ctx, s, c)
	if !errors.Is(err, errUnsafeManifest) {
		return epoch, err
	}
	if _, err := w.store.compact(ctx, idset.Of(c.deleted), throttle.FullSpeed); err != nil {
		return 0, err
	}
	c.deleted = nil
	return w.commitOnce(ctx, s, c)
}

// commitOnce takes part in the next commit. Changes that arrive while one is under
// way share the next, and its fdatasyncs.
func (w *writer) commitOnce(ctx context.Context, s *session, c change) (uint32, error) {
	r := &request{ctx: ctx, change: c, done: make(chan struct{}), lead: make(chan struct{})}
	w.mu.Lock()
	w.queue = append(w.queue, r)
	leads := !w.leading
	w.leading = true
	w.mu.Unlock()
	if !leads {
		select {
		case <-r.done:
			return r.epoch, r.err
		case <-r.lead:
		}
	}
	w.lead.Wait() // those behind are waiting for this request
	w.mu.Lock()
	round := w.queue
	w.queue = nil
	w.mu.Unlock()
	w.round(s, round)
	w.lead.Give()

	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) > 0 {
		close(w.queue[0].lead)
	} else {
		w.leading = false
	}
	return r.epoch, r.err
}

// round commits several changes as one epoch. A change that cannot be stated in
// a manifest fails alone.
func (w *writer) round(s *session, round []*request) {
	if replacing(round) > 1 {
		// Each has to see what the one before has put in the place of something.
		for i := range round {
			w.round(s, round[i:i+1])
		}
		return
	}
	ctx, stop := whileWanted(round)
	d, err := w.prepare(ctx, s, round)
	stop()
	if (errors.Is(err, errUnsafeManifest) || errors.Is(err, errIDsTaken) || errors.Is(err, errSuperseded)) && len(round) > 1 {
		for i := range round {
			w.round(s, round[i:i+1])
		}
		return
	}
	var epoch uint32
	if err == nil {
		epoch, err = w.carryOut(s, d)
	}
	for _, r := range round {
		r.settle(epoch, err)
	}
}

// whileWanted is the context of a round's search: it ends when nobody waits for any of
// the changes any more.
func whileWanted(round []*request) (ctx context.Context, stop func()) {
	if len(round) == 1 {
		return round[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var left atomic.Int64
	left.Store(int64(len(round)))
	stops := make([]func() bool, len(round))
	for i, r := range round {
		stops[i] = context.AfterFunc(r.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// replacing counts the changes that take segments away.
func replacing(round []*request) int {
	count := 0
	for _, r := range round {
		if r.change.removes != nil {
			count++
		}
	}
	return count
}

// carryOut writes the draft and makes it the session's new base.
func (w *writer) carryOut(s *session, d *draft) (uint32, error) {
	snapshot, info, err := w.write(s, d)
	if err != nil {
		return 0, w.fail(s, err)
	}
	w.mu.Lock()
	s.base = snapshot
	s.extents = slices.DeleteFunc(s.extents, func(e *extent) bool {
		return e.headed.Load() && (e.dropped.Load() || d.settles(e))
	})
	w.mu.Unlock()
	w.store.ids.Extend(d.base, snapshot, d.ids)
	return snapshot.Epoch(), w.store.publish(snapshot, info)
}

// draft is a commit in the making.
type draft struct {
	base     *state.Snapshot
	manifest *segments.Manifest
	stamp    uint64
	added    []*extent
	merged   *merge     // small neighbours that become one segment; nil for none
	ids      *idset.Set // of all added vectors
	deleted  []uint64
	actions  []action
	meta     *newSegment // takes out records of metadata; nil: there are none to go
	members  []byte      // the membership filter that lets a branch inherit none of the deleted ids; nil: it does not
	onlyNew  bool        // every added row has an id that no row had before
}

func (d *draft) settles(e *extent) bool {
	return slices.Contains(d.added, e) || d.merged != nil && d.merged.into == e
}

// written are the segments that the commit makes visible.
func (d *draft) written() []*extent {
	if d.merged == nil {
		return d.added
	}
	return append([]*extent{d.merged.into}, d.added...)
}

// masked are the places of bytes that the written segments had to hide.
func (d *draft) masked() []int64 {
	var places []int64
	for _, e := range d.written() {
		places = append(places, e.masked...)
	}
	return places
}

// prepare waits until the bodies of the added segments are written and drafts the
// manifest that names them.
func (w *writer) prepare(ctx context.Context, s *session, round []*request) (ready *draft, err error) {
	d := &draft{stamp: uint64(time.Now().UnixNano()), ids: idset.New()}
	defer func() {
		if err != nil && d.merged != nil {
			w.drop(s, []*extent{d.merged.into}) // nobody will name it
		}
	}()
	removed := map[int64]bool{}
	places := map[*extent]place{}
	for _, r := range round {
		d.added = append(d.added, r.change.added...)
		d.deleted = append(d.deleted, r.change.deleted...)
		d.actions = append(d.actions, r.change.actions...)
	}
	w.mu.Lock()
	d.base = s.base
	dimension, failed := s.dimension, s.failed
	for _, e := range d.added {
		e.sealed = true
	}
	w.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	for _, r := range round {
		if r.change.removes == nil {
			continue
		}
		gone, err := r.change.removes(d.base)
		if err != nil {
			return nil, err
		}
		maps.Copy(removed, gone)
		for _, e := range r.change.added {
			places[e] = place{gone: gone, inPlace: r.change.inPlace, first: r.change.first}
		}
	}
	manifest := *d.base.Manifest()
	d.manifest = &manifest
	manifest.Epoch++
	manifest.Directory = slices.DeleteFunc(d.base.Named(), func(entry segments.DirectoryEntry) bool {
		return d.supersedes(entry.Type) || removed[entry.Offset]
	})
	if err := w.mergeTail(s, d); err != nil {
		return nil, err
	}
	for _, e := range d.added {
		e.pending.Wait()
		manifest.Directory = places[e].insert(manifest.Directory, e.entry(), d.base)
		if e.ids == nil {
			continue
		}
		if err := w.checkGiven(ctx, d, e); err != nil {
			return nil, err
		}
		d.ids.Unite(e.ids)
		manifest.Dimension = uint16(dimension)
	}
	deleted := idset.Of(manifest.Deleted)
	deleted.Add(d.deleted)
	deleted.Remove(d.ids)
	manifest.Deleted = deleted.Ascending()
	if err := w.countIDs(ctx, d); err != nil {
		return nil, err
	}
	if d.meta, err = w.repairMetadata(ctx, s, d); err != nil {
		return nil, err
	}
	if d.members, err = rows.WithoutInherited(d.base.In(s.file), idset.Of(d.deleted)); err != nil {
		return nil, err
	}
	if d.members != nil {
		if segments.LooksLikeManifest(d.members) >= 0 {
			return nil, errUnsafeManifest
		}
		manifest.Directory = slices.DeleteFunc(manifest.Directory, func(entry segments.DirectoryEntry) bool {
			return entry.Type == segments.TypeMembership
		})
	}
	unsafe := segments.LooksLikeManifest(manifest.Encode()) >= 0
	if len(d.masked()) > 0 {
		unsafe = unsafe || segments.LooksLikeManifest(d.base.Manifest().Encode()) >= 0
	}
	if unsafe {
		return nil, errUnsafeManifest
	}
	return d, nil
}

// errIDsTaken means that another stream brought, and committed, an id that had been
// handed out before.
var errIDsTaken = fmt.Errorf("%w: another stream has meanwhile stored vectors with ids of their own, some of which were handed out to this one; nothing that this one brought since its last commit is stored: write it again", volume.ErrInput)

// checkGiven sees to it that vectors without ids of their own replace none.
func (w *writer) checkGiven(ctx context.Context, d *draft, e *extent) error {
	if e.given.Len() == 0 {
		return nil
	}
	if d.ids.Shared(e.given) > 0 {
		return errIDsTaken
	}
	return w.store.ids.At(ctx, d.base, func(stored *idset.Set) error {
		if stored.Shared(e.given) > 0 {
			return errIDsTaken
		}
		return nil
	})
}

// errUnsafeManifest means that the manifest would contain, in its list of deleted
// ids, bytes that the reference runtime takes for a newer manifest.
var errUnsafeManifest = errors.New("a deleted id looks like a manifest; compaction lets it go")

// supersedes tells the segments that only their own commit's manifest has to
// name. The audit chain and the journals stay in the file and are found by walking.
func (d *draft) supersedes(kind segments.Type) bool {
	return kind == segments.TypeJournal && len(d.deleted) > 0 ||
		kind == segments.TypeWitness && len(d.actions) > 0
}

// countIDs sets the number of distinct ids stored, and lets indexes go that an
// overwritten id makes wrong: the reference runtime trusts an index for every id
// in it.
func (w *writer) countIDs(ctx context.Context, d *draft) error {
	if d.ids.Len() == 0 {
		d.manifest.TotalVectors = min(d.manifest.TotalVectors, d.base.Rows())
		if total, counted := d.base.DistinctIDs(); counted {
			d.manifest.TotalVectors = total
		}
		return nil
	}
	return w.store.ids.At(ctx, d.base, func(stored *idset.Set) error {
		shared := stored.Shared(d.ids)
		d.onlyNew = shared == 0 && d.ids.Len() == addedRows(d.added)
		d.manifest.TotalVectors = stored.Len() + d.ids.Len() - shared
		if d.base.LostVectors() {
			// A damaged id must not make ids that were replaced look like different ones.
			d.manifest.TotalVectors = min(d.manifest.TotalVectors, d.base.Manifest().TotalVectors+d.ids.Len())
		}
		if shared > 0 {
			d.manifest.Directory = slices.DeleteFunc(d.manifest.Directory, func(entry segments.DirectoryEntry) bool {
				return entry.Type == segments.TypeIndex
			})
		}
		return nil
	})
}

// addedRows counts the vectors in segments.
func addedRows(added []*extent) (count uint64) {
	for _, e := range added {
		if e.ids != nil {
			count += uint64(e.rows)
		}
	}
	return count
}

// write puts the draft on the disk: first all payloads, then, when they are
// durable, the header of the manifest that names them.
func (w *writer) write(s *session, d *draft) (*state.Snapshot, volume.FileInfo, error) {
	if err := w.showMasked(s, d); err != nil {
		return nil, volume.FileInfo{}, err
	}
	previous, err := d.base.In(s.file).LastWitness()
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	var small []newSegment
	if d.meta != nil {
		small = append(small, *d.meta)
	}
	if d.members != nil {
		small = append(small, newSegment{kind: segments.TypeMembership, payload: d.members})
	}
	if len(d.deleted) > 0 {
		small = append(small, newSegment{kind: segments.TypeJournal, payload: segments.EncodeJournal(d.manifest.Epoch, d.deleted)})
	}
	for _, action := range d.actions {
		small = append(small, action.segment(d.manifest.Epoch, d.stamp, &previous))
	}
	manifest, err := w.appendManifest(s, d.stamp, small, d.manifest)
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	info, err := s.file.Stat()
	if err != nil {
		return nil, volume.FileInfo{}, err
	}
	next := &segments.State{Dialect: segments.DialectRuntime, Manifest: d.manifest, Segment: manifest, End: manifest.End(), Clean: true}
	snapshot := state.NewSnapshot(d.base.Backing(), next, info.Modified)
	snapshot.SetLastWitness(previous)
	if d.onlyNew && len(d.deleted) == 0 {
		var merged []segments.DirectoryEntry
		if d.merged != nil {
			merged = d.merged.run
		}
		rows.Carry(d.base, snapshot.In(s.file), merged, d.isWritten)
	}
	return snapshot, info, nil
}

// showMasked puts the bytes right that the added segments had to hide. Bytes
// behind the newest manifest may only be shown with a manifest behind them: so
// the present state is stated once more first, behind the new segments.
func (w *writer) showMasked(s *session, d *draft) error {
	masked := d.masked()
	if len(masked) == 0 {
		return nil
	}
	if err := w.guard(s, s.file); err != nil {
		return err
	}
	if slices.Max(masked) >= d.base.State().Segment.Offset {
		again := *d.base.Manifest()
		again.Directory = d.base.Named()
		if _, err := w.appendManifest(s, d.stamp, nil, &again); err != nil {
			return err
		}
	}
	for _, offset := range masked {
		if _, err := s.file.WriteAt(maskedByte, offset); err != nil {
			return volume.WriteError(err, 1, offset)
		}
	}
	return nil
}

// isWritten says whether the commit itself brought the segment.
func (d *draft) isWritten(entry segments.DirectoryEntry) bool {
	for _, e := range d.written() {
		if e.offset == entry.Offset {
			return true
		}
	}
	return false
}

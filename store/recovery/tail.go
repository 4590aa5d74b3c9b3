package recovery

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Tail tells of bytes that somebody wrote and that no manifest of the store knows:
// whole segments behind the newest one. They are vectors of a commit that was
// interrupted, or, as in a file that lost its end, of one whose manifest is gone.
type Tail struct {
	// File holds them: the store's own, or one beside it in which they were kept when
	// a writer had to cut them off.
	File string `json:"file,omitempty"`
	Kept bool   `json:"kept"`
	// Problem is why a kept file cannot be read.
	Problem string `json:"problem,omitempty"`
	// NoManifest says that none was left at all in the file; Epoch is then 0.
	NoManifest bool   `json:"no_manifest,omitempty"`
	Epoch      uint32 `json:"epoch"`    // of the manifest that they stand behind
	Offset     int64  `json:"offset"`   // at which they stand, or stood, in the store's file
	Bytes      int64  `json:"bytes"`    // of all that is there
	Segments   uint64 `json:"segments"` // whole ones of vectors
	Vectors    uint64 `json:"vectors"`  // in them
	// CutVectors are whole rows of a segment that was cut, whose hash proves nothing
	// any more.
	CutVectors uint64 `json:"cut_vectors,omitempty"`
	// CutSegments are others of which only the beginning is there: nothing in them can
	// be taken, but somebody wrote them.
	CutSegments uint64 `json:"cut_segments,omitempty"`
	Deletions   uint64 `json:"deletions,omitempty"` // ids in journals
	Filters     uint64 `json:"filters,omitempty"`   // of what a branch shows of its parent's
	Lists       uint64 `json:"lists,omitempty"`     // of branches
	Embedded    uint64 `json:"embedded,omitempty"`  // kernels, programs, modules and dashboards
	// LostEpoch is the highest epoch that a commit may have had whose manifest is damaged in
	// the tail, or cut, or was to stand behind it; 0 without any. Children may have recorded
	// its state, so no other state gets that epoch.
	LostEpoch uint32 `json:"lost_epoch,omitempty"`
	// HighestID is the highest id in a kept tail. As long as it is kept the store hands
	// out only higher ones.
	HighestID *uint64 `json:"highest_id,omitempty"`

	begun bool // something stands behind the last manifest
}

// any reports whether there is something that a writer must not simply cut off.
func (t *Tail) any() bool { return t.salvageable() || t.CutSegments > 0 }

// remembers reports whether nothing is kept in it but that a state is lost.
func (t Tail) remembers() bool { return t.Problem == "" && t.LostEpoch > 0 && !t.any() }

// salvageable reports whether there is something that could be taken.
func (t *Tail) salvageable() bool {
	return t.Vectors > 0 || t.CutVectors > 0 || t.Deletions > 0 || t.Filters > 0 || t.Lists > 0 || t.Embedded > 0
}

// String counts what is there.
func (t *Tail) String() string {
	if t.Problem != "" {
		return "what cannot be read: " + t.Problem
	}
	var parts []string
	if t.Vectors > 0 {
		parts = append(parts, fmt.Sprintf("%d vectors", t.Vectors))
	}
	if t.CutVectors > 0 {
		parts = append(parts, fmt.Sprintf("%d vectors of a segment that was cut", t.CutVectors))
	}
	if t.CutSegments > 0 {
		parts = append(parts, fmt.Sprintf("%d segments of which only the beginning is there", t.CutSegments))
	}
	if t.Deletions > 0 {
		parts = append(parts, fmt.Sprintf("%d deletions", t.Deletions))
	}
	if t.Filters > 0 {
		parts = append(parts, fmt.Sprintf("%d filters of a branch", t.Filters))
	}
	if t.Lists > 0 {
		parts = append(parts, fmt.Sprintf("%d lists of branches", t.Lists))
	}
	if t.Embedded > 0 {
		parts = append(parts, fmt.Sprintf("%d embedded segments", t.Embedded))
	}
	return strings.Join(parts, ", ")
}

// count takes a part into the account.
func (t *Tail) count(walk tailWalk, p tailPart) error {
	switch {
	case p.Kind == segments.RemnantUnsaid:
		// All before it is of a commit of ours of which nobody was told.
		*t = Tail{File: t.File, Epoch: t.Epoch, Offset: p.Stop()}
	case p.Type == segments.TypeManifest && p.Kind != segments.RemnantBytes && !t.NoManifest:
		return t.lose(walk, p)
	case p.isHalf():
		t.CutSegments++
	case p.Type == segments.TypeVec && p.vectors.cut:
		t.CutVectors += p.vectors.rows
	case p.isWhole(segments.TypeVec):
		t.Vectors += p.vectors.rows
		t.Segments += min(p.vectors.rows, 1)
	case p.isWhole(segments.TypeJournal):
		return walk.deletions(p, func(uint64) { t.Deletions++ })
	case p.isWhole(segments.TypeMembership):
		t.Filters++
	case p.isWhole(segments.TypeBranches):
		t.Lists++
	case p.Kind == segments.RemnantWhole && compute.KindOf(p.Type) != nil:
		t.Embedded++
	}
	return nil
}

// epochsLeftOut bounds how far the epoch that a damaged manifest tells may be from that of
// the newest whole one. Farther, it is the epoch that is damaged.
const epochsLeftOut = 1 << 16

// lose takes a manifest into account that is not whole: its epoch is the next one, or the
// one that it tells.
func (t *Tail) lose(walk tailWalk, p tailPart) error {
	t.begun = false
	told := uint32(0)
	if p.Length >= segments.HeaderSize+4 {
		var err error
		if told, err = state.EpochAt(walk.file, p.Segment); err != nil {
			return err
		}
	}
	t.LostEpoch = max(t.LostEpoch, t.Epoch) + 1
	if told > t.LostEpoch && told-t.Epoch <= epochsLeftOut {
		t.LostEpoch = told
	}
	return nil
}

// leftBehind reports whether anything but what belongs to the state stands behind the
// newest manifest of a file that is size bytes long.
func leftBehind(s *state.Snapshot, size int64) bool {
	if s.Dialect() != segments.DialectRuntime {
		return false
	}
	end := s.State().Segment.End()
	for _, kept := range s.State().Behind {
		if kept.Offset != end {
			return true
		}
		end = kept.End()
	}
	return size > end
}

// findTail looks through what stands behind the snapshot's manifest in its file, and
// reports whether any of it was written by somebody. All of it is read.
func findTail(in *state.Reading, size int64) (Tail, bool, error) {
	s := in.Snapshot()
	t := Tail{Epoch: s.Epoch(), Offset: s.State().Segment.End()}
	if !leftBehind(s, size) {
		return t, false, nil
	}
	err := t.find(tailWalk{file: in, start: t.Offset, size: size, dimension: s.Dimension()})
	if err != nil {
		err = fmt.Errorf("look behind the manifest of epoch %d: %w", s.Epoch(), err)
	}
	return t, err == nil && t.any(), err
}

// find counts what a walk comes by.
func (t *Tail) find(walk tailWalk) error {
	end := t.Offset // of what is not simply bytes
	err := walk.parts(func(p tailPart) error {
		begun, err := p.IsBegun(walk.file)
		if begun || p.Kind == segments.RemnantUnsaid {
			end = p.Stop()
		}
		t.begun = t.begun || begun
		return errors.Join(err, t.count(walk, p))
	})
	t.Bytes = max(end-t.Offset, 0)
	if t.begun && !t.NoManifest {
		t.LostEpoch = max(t.LostEpoch, t.Epoch) + 1
	}
	return err
}

// tailSeen remembers what stood behind a manifest, for as long as the file stays as it
// was.
type tailSeen struct {
	snapshot *state.Snapshot
	info     volume.FileInfo
	tail     Tail
	any      bool
}

// List lists what somebody has to decide upon: whole segments behind the newest
// manifest, unless a writer is just at work, and what was kept of such beside the
// store. It changes nothing.
func (t *Tails) List(ctx context.Context) ([]Tail, error) { return t.list(ctx, t.env.Head.Look) }

// ListOpened is List for who has just opened the store, and needs no other look.
func (t *Tails) ListOpened(ctx context.Context) ([]Tail, error) {
	return t.list(ctx, func(context.Context) (*state.Snapshot, error) { return t.env.Head.Current(), nil })
}

func (t *Tails) list(ctx context.Context, newest func(context.Context) (*state.Snapshot, error)) ([]Tail, error) {
	look := func() ([]Tail, error) { return t.Kept(ctx) }
	if t.env.Names != nil {
		look = func() ([]Tail, error) {
			names := t.known.keptNames()
			for _, name := range t.env.Names() {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
			tails, err := t.readTails(ctx, names)
			return slices.DeleteFunc(tails, Tail.remembers), err
		}
	}
	kept, err := look()
	if err != nil {
		return nil, err
	}
	own, any, err := t.own(ctx, newest)
	if err != nil {
		return nil, err
	}
	if any && !slices.ContainsFunc(kept, func(k Tail) bool { return k.Epoch == own.Epoch && k.Offset == own.Offset && k.Bytes >= own.Bytes }) {
		kept = append(kept, own)
	}
	return kept, nil
}

// Own is what stands in the store's own file.
func (t *Tails) Own(ctx context.Context) (tail Tail, any bool, err error) {
	return t.own(ctx, t.env.Head.Look)
}

func (t *Tails) own(ctx context.Context, newest func(context.Context) (*state.Snapshot, error)) (tail Tail, any bool, err error) {
	found, err := newest(ctx)
	if err != nil {
		return Tail{}, false, err
	}
	if t.torn == nil || !leftBehind(found, t.torn.Length()) || t.isBeingWritten(ctx) {
		return Tail{}, false, nil
	}
	var seen tailSeen
	err = t.withNewest(ctx, func(snapshot *state.Snapshot) error {
		return snapshot.With(ctx, state.Judging, func(in *state.Reading) error {
			info, err := in.Stat()
			if err != nil {
				return err
			}
			seen = t.known.lastSeen()
			if seen.snapshot == snapshot && seen.info.Unchanged(info) {
				return nil
			}
			seen = tailSeen{snapshot: snapshot, info: info}
			seen.tail, seen.any, err = findTail(in, info.Size)
			return err
		})
	})
	if err != nil {
		return Tail{}, false, err
	}
	t.known.noteSeen(seen)
	if !seen.any {
		return Tail{}, false, nil
	}
	// A writer who began meanwhile may have put it there, to commit it at once.
	now, err := t.env.Head.Look(ctx)
	if err != nil || now != seen.snapshot || t.isBeingWritten(ctx) {
		return Tail{}, false, err
	}
	seen.tail.File = path.Base(t.env.File.Name())
	return seen.tail, true, nil
}

// isBeingWritten reports whether this process or another one holds the writer lock.
func (t *Tails) isBeingWritten(ctx context.Context) bool {
	if t.env.File.Active() {
		return true
	}
	return t.env.File.Held(ctx)
}

// Tell says in words what the tail of a store is and what to do about it.
func (t *Tail) Tell(store string) string {
	place, back := fmt.Sprintf("stand behind the newest manifest, that of epoch %d, which does not name them", t.Epoch), "them back"
	if t.Kept {
		back = "back what is not there yet"
	}
	switch {
	case t.Kept && t.NoManifest:
		place = fmt.Sprintf("stood in the file without any manifest, and are kept in %s", t.File)
	case t.Kept:
		place = fmt.Sprintf("stood behind the manifest of epoch %d, and are kept in %s", t.Epoch, t.File)
	}
	return fmt.Sprintf("%s %s: rvffs recover %s brings %s, or lets them go with --drop", t.String(), place, store, back)
}

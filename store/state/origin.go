package state

import (
	"context"
	"fmt"
	"sync"

	"rvffs/store/volume"
)

// Origin is the file that snapshots show, as those know it who write to it: the very
// file, and those by which compactions of this process replaced it. Whatever stands
// at the store's name otherwise, put there by another program or another user, is
// another one. The zero Origin is that of nothing.
type Origin struct{ line *line }

// line follows a file through compactions.
type line struct {
	mu  sync.Mutex
	now volume.FileInfo // the newest of them
}

// Origin is the file that the snapshot shows.
func (s *Snapshot) Origin() Origin { return Origin{s.source.line} }

// Is reports whether both are one. A file that was closed and opened again by this
// process is the same.
func (o Origin) Is(other Origin) bool {
	if o.line == other.line || o.line == nil || other.line == nil {
		return o.line == other.line
	}
	return o.line.is(other.line.newest())
}

// Holds reports whether info is of the file that the origin is by now.
func (o Origin) Holds(info volume.FileInfo) bool { return o.line != nil && o.line.is(info) }

// FileInfo tells about the very file that the snapshot shows, as it is now, whatever
// its names.
func (s *Snapshot) FileInfo(ctx context.Context) (info volume.FileInfo, err error) {
	err = s.source.With(ctx, func(file volume.Bytes) error {
		info, err = file.Describe()
		return err
	})
	return info, err
}

// ErrReplaced ends what was begun with another file.
var ErrReplaced = fmt.Errorf("%w: another file took the place of the one that this was opened on", volume.ErrStale)

type originKey struct{}

// OnlyIn makes what is done to a store under ctx fail with ErrStale where its name
// leads to another file than that of origin: whoever was allowed to read or change
// the one may have no business with the other.
func OnlyIn(ctx context.Context, origin Origin) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// OfOthers is ctx for what is asked of other stores while something is done to one: what
// OnlyIn demands is about that one alone.
func OfOthers(ctx context.Context) context.Context { return OnlyIn(ctx, Origin{}) }

// DemandedOrigin is what OnlyIn asked for; zero: any will do.
func DemandedOrigin(ctx context.Context) Origin {
	origin, _ := ctx.Value(originKey{}).(Origin)
	return origin
}

// CheckOrigin fails with ErrStale where ctx asks for another origin.
func CheckOrigin(ctx context.Context, origin Origin) error {
	if wanted := DemandedOrigin(ctx); wanted.line != nil && !wanted.Is(origin) {
		return ErrReplaced
	}
	return nil
}

// CheckFile is CheckOrigin for a file that was found by name.
func CheckFile(ctx context.Context, info volume.FileInfo) error {
	if wanted := DemandedOrigin(ctx); wanted.line != nil && !wanted.line.is(info) {
		return ErrReplaced
	}
	return nil
}

func (l *line) is(info volume.FileInfo) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return volume.SameFile(l.now, info)
}

func (l *line) newest() volume.FileInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// continues makes the file one with another, for those who have opened that.
func (b *Backing) continues(former *Backing) { b.line = former.line }

// replaces is continues for a file that a compaction puts in the place of another.
func (b *Backing) replaces(former *Backing) {
	b.line = former.line
	b.line.mu.Lock()
	defer b.line.mu.Unlock()
	b.line.now = b.Info()
}
